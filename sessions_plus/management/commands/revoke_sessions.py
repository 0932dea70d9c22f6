"""``revoke_sessions USER ...`` or ``--all``: end people's sessions from a shell."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sessions_plus.conf import conf
from sessions_plus.management.people import get_user
from sessions_plus.management.progress import ProgressBar

if TYPE_CHECKING:
    from sessions_plus.lifecycle import Revocation
    from sessions_plus.models import Reason


class Command(BaseCommand):
    help = (
        "End every session of some users, or of everybody (OWASP ASVS 7.4.5): browsers, API "
        "clients and their tokens. They sign in again. Exit code: 0, all of them are over; 1, a "
        "user is not there and nothing was done, or the cache could not be told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        from sessions_plus.models import Reason

        parser.add_argument("user", nargs="*", help="The names that the users sign in with.")
        parser.add_argument("--all", action="store_true", help="Everybody who is signed in.")
        parser.add_argument(
            "--reason",
            choices=Reason.values,
            default=Reason.REVOKED_BY_STAFF.value,
            help="What the audit and its user are told (default: %(default)s).",
        )

    def handle(self, *, user: list[str], reason: str, **options: Any) -> None:
        from sessions_plus.models import Reason

        if bool(user) == options["all"]:
            raise CommandError("Name the users, or write --all; one of them.")
        revocation = (
            self._everybody(Reason(reason)) if options["all"] else self._some(user, Reason(reason))
        )
        if not revocation.cache_reached:
            raise CommandError(
                "They are ended, but the cache could not be told: some may go on for as long as "
                f"SESSIONS_PLUS_ACTIVITY_INTERVAL ({conf.ACTIVITY_INTERVAL}). Once the cache is "
                "there again, run this again."
            )

    def _everybody(self, reason: Reason) -> Revocation:
        from sessions_plus.lifecycle import revoke_everybody

        bar = ProgressBar(sys.stderr)
        try:
            revocation = revoke_everybody(reason=reason, progress=partial(bar.show, "sessions"))
        finally:
            bar.end()
        self.stdout.write(f"{revocation.count} sessions ended.")
        return revocation

    def _some(self, names: list[str], reason: Reason) -> Revocation:
        from sessions_plus.lifecycle import Revocation, revoke_all

        total = Revocation(0)
        for person in [get_user(name) for name in names]:  # all of them, before the first is ended
            revocation = revoke_all(person, reason=reason)
            self.stdout.write(f"{person.get_username()}: {revocation.count} sessions ended.")
            total += revocation
        return total
