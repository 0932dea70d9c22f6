"""
Channels: an app for ``INSTALLED_APPS``, which imports no model, and ``sockets`` with the rest.

    INSTALLED_APPS = [
        "sessions_plus",
        "sessions_plus.integrations.channels.ChannelsIntegration",
    ]
"""

from __future__ import annotations

from django.apps import AppConfig


class ChannelsIntegration(AppConfig):
    """Tells the sockets of sessions that ended, whichever worker serves them."""

    name = "sessions_plus.integrations.channels"
    label = "sessions_plus_channels"

    def ready(self) -> None:
        from sessions_plus.integrations.channels.sockets import tell_sockets
        from sessions_plus.signals import sessions_over

        sessions_over.connect(tell_sockets, dispatch_uid="sessions_plus.channels")
