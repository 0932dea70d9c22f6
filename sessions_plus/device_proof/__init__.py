"""Proof of a device key (DBSC): what browsers sign and send, as values. No request, no I/O."""
