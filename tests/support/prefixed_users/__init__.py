"""Users whose key has a prefix that the database does not hold."""
