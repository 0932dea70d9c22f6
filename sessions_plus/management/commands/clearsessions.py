"""``clearsessions``: the clean-up, by the name that Django's own command has."""

from __future__ import annotations

import sys
from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from sessions_plus.management.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Remove sessions, events and devices that have expired or are past their retention. "
        "Run it daily. It is safe beside traffic, and may be interrupted and begun again. "
        "Exit code: 0, all is done; 1, it failed midway and should be run again."
    )

    def handle(self, *, verbosity: int, **options: Any) -> None:
        from sessions_plus.maintenance.cleanup import cleanup
        from sessions_plus.store.session_store import SessionStore

        store = import_module(settings.SESSION_ENGINE).SessionStore
        if not issubclass(store, SessionStore):
            store.clear_expired()
        bar = ProgressBar(sys.stderr)
        try:
            removed = cleanup(timezone.now(), report=lambda name: partial(bar.show, name))
        finally:
            bar.end()
        if bar.is_shown or verbosity > 1:
            for name, count in removed.items():
                self.stdout.write(f"{name.replace('_', ' ')}: {count}")
