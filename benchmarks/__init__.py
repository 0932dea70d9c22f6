"""Measure what a request costs, beside Django's own engines and the tracking peers."""
