"""
News inside the process. Each signal is sent after the rows are written.

Receivers get keyword arguments only; a receiver that fails is logged and never
breaks the request that caused it (they are sent with ``send_robust``).
"""

from __future__ import annotations

from django.dispatch import Signal

session_started = Signal()
"""A person signed in. Arguments: ``session`` (its facts), ``user``, ``request`` or None."""

session_revoked = Signal()
"""A session was ended on purpose. Arguments: ``session``, ``reason``, ``actor`` or None."""

device_first_seen = Signal()
"""A person signed in on a device for the first time. Arguments: ``device``, ``user``,
``request`` or None."""

event_recorded = Signal()
"""Any audit event was written. Argument: ``event`` (a ``SessionEvent``)."""

cache_unavailable = Signal()
"""The cache tier stopped answering; the database serves. Argument: ``alias``."""

cache_recovered = Signal()
"""The cache tier answers again. Argument: ``alias``."""
