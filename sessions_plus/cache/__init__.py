"""The cache tier: copies of rows in front of the database, which are never an authority."""
