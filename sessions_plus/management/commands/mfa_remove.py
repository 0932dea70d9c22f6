"""``mfa_remove USER``: take the second factor away from somebody who lost it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.people import get_user


class Command(OperatorCommand):
    help = (
        "Remove every authenticator and recovery code of a user, passkeys among them, and end all "
        "their sessions. They sign in with their password again, and are told of it; who has given "
        "theirs up needs a new one. Make sure first who is asking. Exit code: 0, it is done; 1, "
        "the user is not there, or the cache could not be told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The name that the user signs in with.")
        parser.add_argument("--dry-run", action="store_true", help="Say what there is, and stop.")

    def handle(self, *, user: str, dry_run: bool, **options: Any) -> None:
        from sessions_plus.mfa.enrolment import remove_all
        from sessions_plus.models import Authenticator, Session

        person = get_user(user)
        if dry_run:
            factors = Authenticator.objects.filter(user_id=person.pk).confirmed().count()
            sessions = Session.objects.for_user(person).active().count()
            self.stdout.write(
                f"{factors} authenticators would be removed, {sessions} sessions ended."
            )
            return
        removed, revocation = remove_all(person, actor=None, client=None, now=timezone.now())
        self.stdout.write(
            f"{removed} authenticators removed, {revocation.count} sessions ended."
            if removed
            else f"{user} had no second factor; {revocation.count} sessions ended."
        )
        if not person.has_usable_password():
            self.stdout.write(f"They have no password. Run: manage.py changepassword {user}")
        if not revocation.cache_reached:
            raise CommandError(
                "It is done, but the cache could not be told: some sessions may go on for as long "
                f"as SESSIONS_PLUS_ACTIVITY_INTERVAL ({conf.ACTIVITY_INTERVAL})."
            )
