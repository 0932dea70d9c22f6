"""One session in one request: read, renewed, changed, rotated, ended."""
