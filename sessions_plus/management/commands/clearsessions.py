"""``clearsessions``: the clean-up, by the name that Django's own command has."""

from __future__ import annotations

from functools import partial
from importlib import import_module
from json import dumps
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone

from sessions_plus.management.arguments import whole_number
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import watched


class Command(OperatorCommand):
    help = (
        "Remove sessions, events and devices that have expired or are past their retention. "
        "Run it daily. It is safe beside traffic, and may be interrupted and begun again. "
        "Exit code: 0, all is done; 1, it failed midway and should be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="Count what would go, in all parts, and leave it.",
        )
        parser.add_argument(
            "--parts",
            type=whole_number(least=1),
            default=1,
            metavar="N",
            help="Look through one of N parts of the large tables, and the next time through the "
            "next: for sites of millions. What is over may stay for N days more.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(
        self,
        *,
        verbosity: int,
        dry_run: bool = False,
        json: bool = False,
        parts: int = 1,
        **options: Any,
    ) -> None:
        counts = self.due() if dry_run else self.clear(parts)
        if json:
            self.stdout.write(dumps({"dry_run": dry_run, "removed": counts}))
        elif verbosity:
            told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
            self.stdout.write(f"{'To remove' if dry_run else 'Removed'}: {told}.")

    def due(self) -> dict[str, int]:
        from sessions_plus.maintenance.cleanup import due

        return due(timezone.now())

    def clear(self, parts: int = 1) -> dict[str, int]:
        from sessions_plus.maintenance.cleanup import cleanup
        from sessions_plus.store.session_store import SessionStore

        store = import_module(settings.SESSION_ENGINE).SessionStore
        if not issubclass(store, SessionStore):
            store.clear_expired()
        with watched() as show:
            return cleanup(timezone.now(), parts=parts, report=lambda name: partial(show, name))
