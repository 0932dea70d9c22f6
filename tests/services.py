"""Throwaway servers for tests."""
