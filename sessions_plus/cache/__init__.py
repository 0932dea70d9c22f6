"""The cache tier: copies of rows in front of the database. The row decides, never a copy."""
