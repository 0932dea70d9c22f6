"""The servers that a site runs with: each started, visited and ended, as a table."""
