"""``reseal``: move every secret under the newest key, so that an old one can go."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser

from sessions_plus.crypto import place_of_old_keys
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import watched

if TYPE_CHECKING:
    from sessions_plus.maintenance.resealing import Resealed


class Command(OperatorCommand):
    help = (
        "Seal session data, authenticators, passkeys and signing keys under the first of "
        "SESSIONS_PLUS_ENCRYPTION_KEYS, which must already be on every server. The site may run "
        "meanwhile, and the command may be interrupted and begun again. Exit code: 0, nothing "
        "needs an older key any more; 1, some values open with no key that there is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, verbosity: int, **options: Any) -> None:
        from sessions_plus.maintenance.resealing import reseal
        from sessions_plus.management.sealed_columns import sealed_columns

        with watched() as show:
            found = {
                name: reseal(column, progress=partial(show, name))
                for name, column in sealed_columns().items()
            }
        if options["json"]:
            self.stdout.write(json.dumps({name: asdict(one) for name, one in found.items()}))
        elif verbosity:
            self.stdout.write(f"Resealed: {', '.join(in_words(*one) for one in found.items())}.")
        if broken := sum(one.broken for one in found.values()):
            raise CommandError(
                f"{broken} values open with none of the keys. Put the key that is missing back "
                f"{place_of_old_keys()} and run this again."
            )


def in_words(name: str, result: Resealed) -> str:
    """Return ``3 sessions``, or ``3 sessions (1 unreadable)``."""
    unreadable = f" ({result.broken} unreadable)" if result.broken else ""
    return f"{result.moved} {name}{unreadable}"
