"""``reseal``: move every secret under the newest key, so that an old one can go."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_plus.management.progress import watched

if TYPE_CHECKING:
    from sessions_plus.maintenance.resealing import Resealed


class Command(BaseCommand):
    help = (
        "Seal session data, authenticators and signing keys under the first of "
        "SESSIONS_PLUS_ENCRYPTION_KEYS, which must already be on every server. The site may run "
        "meanwhile, and the command may be interrupted and begun again. Exit code: 0, nothing "
        "needs an older key any more; 1, some values open with no key that there is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, verbosity: int, **options: Any) -> None:
        from sessions_plus.maintenance.resealing import reseal

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
                "at the end of SESSIONS_PLUS_ENCRYPTION_KEYS and run this again."
            )


def in_words(name: str, result: Resealed) -> str:
    """Return ``3 sessions``, or ``3 sessions (1 unreadable)``."""
    unreadable = f" ({result.broken} unreadable)" if result.broken else ""
    return f"{result.moved} {name}{unreadable}"


def sealed_columns() -> dict[str, Any]:
    """Every column of envelopes, by what it holds."""
    from sessions_plus.crypto import Purpose
    from sessions_plus.maintenance.resealing import SealedColumn, sessions_column
    from sessions_plus.mfa.totp import secret_context
    from sessions_plus.models import AdoptedKey, Authenticator, DeviceKey, SigningKey
    from sessions_plus.models.device_key import jwk_context
    from sessions_plus.store.adoption import old_key_context
    from sessions_plus.tokens.keys import private_key_context

    return {
        "sessions": sessions_column(),
        "authenticators": SealedColumn(
            Authenticator,
            "sealed_secret",
            Purpose.TOTP_SECRET,
            lambda row: secret_context(row.public_id, row.user_id),
        ),
        "signing keys": SealedColumn(
            SigningKey,
            "sealed_private_key",
            Purpose.SIGNING_KEY,
            lambda row: private_key_context(row.kid),
        ),
        "kept old keys": SealedColumn(
            AdoptedKey, "sealed_old_key", Purpose.OLD_KEY, old_key_context
        ),
        "device keys": SealedColumn(
            DeviceKey,
            "sealed_jwk",
            Purpose.DEVICE_KEY,
            lambda row: jwk_context(row.public_id, row.session.public_id),
        ),
    }
