"""Browsers and app installations: recognised, named, trusted, ended."""
