"""
News inside the process. Each signal is sent after the rows are written.

Receivers get keyword arguments only; a receiver that fails is logged and never
breaks the request that caused it (they are sent with ``send_robust``).
"""

from __future__ import annotations

from django.dispatch import Signal

session_started = Signal()
"""A person signed in. Arguments: ``session`` (its row's facts), ``user``, ``client`` or None."""

session_revoked = Signal()
"""A session was ended on purpose. Arguments: ``session``, ``reason``, ``actor`` or None,
``cache_reached``, and ``seconds`` (until it was ended in the database and the cache told, with
those that were ended together)."""

sessions_over = Signal()
"""Sessions ended, whatever ended them, also those of nobody. Argument: ``public_ids``. Sent within
the transaction that ended them, if there is one."""

device_first_seen = Signal()
"""A person signed in on a device for the first time. Arguments: ``device``, ``user``,
``client`` or None."""

event_recorded = Signal()
"""Any audit event was written. Argument: ``event`` (a ``SessionEvent``)."""

cache_unavailable = Signal()
"""The cache tier stopped answering; the database serves. Arguments: ``alias``, ``operation``
(``read`` or ``write``)."""

cache_recovered = Signal()
"""The cache tier answers again. Argument: ``alias``."""

database_unwritable = Signal()
"""The sessions' database refused to write: read-only, full, or too slow. What ended stays ended,
sessions are read, and nothing new is recorded. Sent once a minute by each process. Arguments:
``alias``, ``error``."""

# Between the layers of this app: what a lower layer noticed and an upper one acts on.

rows_changed = Signal()
"""Session rows were changed in bulk, past the engine. Arguments: ``public_ids``,
``ended`` (whether the change revoked them)."""

session_ended = Signal()
"""The store ended a session: a sign-out or a ``flush()``. Arguments: ``row``, ``reason``,
``client``."""

session_expired = Signal()
"""A session was presented after its end. Arguments: ``row``, ``verdict``, ``client``."""

key_reused = Signal()
"""A rotated-out key was presented too late. Arguments: ``row``, ``client``."""

device_key_missing = Signal()
"""A session was presented without a proof of the device key that it is bound to. Arguments:
``row``, ``is_refused`` (False: the site only looks), ``client``."""

user_gone = Signal()
"""A session was presented whose user, or who acts in it, was disabled or deleted past the signals.
Arguments: ``user_id``, ``reason``, ``client``."""

client_changed = Signal()
"""A session was used by another client. Arguments: ``row``, ``change`` (what is different, and
what follows), ``client``."""

data_unreadable = Signal()
"""A session's data does not open. Arguments: ``row``, ``client``."""

counting_events = Signal()
"""Events are about to be counted: what waited to be one is written down. Argument: ``now``."""

cleaned_up = Signal()
"""A clean-up came to its end. Argument: ``removed`` (how many of each, by name)."""
