"""``mfa_remove USER``: take the second factor away from somebody who lost it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from sessions_plus.management.people import get_user


class Command(BaseCommand):
    help = (
        "Remove every authenticator and recovery code of a user, passkeys among them, and end all "
        "their sessions. They sign in with their password again, and are told of it; who has given "
        "theirs up needs a new one. Make sure first who is asking."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The name that the user signs in with.")

    def handle(self, *, user: str, **options: Any) -> None:
        from sessions_plus.mfa.enrolment import remove_all

        person = get_user(user)
        removed, revocation = remove_all(person, actor=None, client=None, now=timezone.now())
        self.stdout.write(
            f"{removed} authenticators removed, {revocation.count} sessions ended."
            if removed
            else f"{user} had no second factor; {revocation.count} sessions ended."
        )
        if not person.has_usable_password():
            self.stdout.write(f"They have no password. Run: manage.py changepassword {user}")
