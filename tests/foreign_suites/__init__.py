"""Released tests of others, run as they are and with our engine, app and middleware in place."""
