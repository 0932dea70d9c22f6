"""``rotate_signing_key``: make the next key that signs access tokens."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.management.operators import OperatorCommand


class Command(OperatorCommand):
    help = (
        "Make the next signing key of access tokens. It is published at once and signs in a few "
        "minutes, so that every service knows it by then; the old one verifies until the last "
        "token it signed has expired."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--at-once",
            action="store_true",
            help="The old key was stolen: end it now, with every access token that it signed. "
            "Clients get new ones with their refresh tokens.",
        )

    def handle(self, *, at_once: bool, **options: Any) -> None:
        from sessions_plus.tokens.keys import rotate

        if conf.SIGNING_KEYS:
            raise CommandError(
                "SESSIONS_PLUS_SIGNING_KEYS is set, so the keys are rotated there: put the new "
                "one first once every server knows it, and remove the old one a while later."
            )
        key = rotate(timezone.now(), at_once=at_once)
        self.stdout.write(f"{key.kid} signs from {key.not_before:%Y-%m-%d %H:%M:%S %Z}.")
