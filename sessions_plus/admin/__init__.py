"""
What staff see and do: sessions, devices, events and charts of them in Django's admin.

Nothing here shows a key, a digest or a session's data, and everything that ends a session goes
through ``lifecycle`` with the staff member as actor.
"""

from sessions_plus.admin.authenticators import AuthenticatorAdmin
from sessions_plus.admin.devices import DeviceAdmin
from sessions_plus.admin.events import SessionEventAdmin
from sessions_plus.admin.overview import OverviewAdmin
from sessions_plus.admin.sessions import SessionAdmin

__all__ = [
    "AuthenticatorAdmin",
    "DeviceAdmin",
    "OverviewAdmin",
    "SessionAdmin",
    "SessionEventAdmin",
]
