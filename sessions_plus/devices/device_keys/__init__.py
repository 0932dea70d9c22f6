"""Sessions that are bound to a key of their browser's device (DBSC): registered, proved, missed."""
