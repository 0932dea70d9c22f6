"""``erase_person USER``: erase what is kept of somebody, and their account."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser
from django.db.models import ProtectedError, RestrictedError

from sessions_plus.conf import conf
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.people import get_user
from sessions_plus.named_types import UserId

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from sessions_plus.privacy.erasure import Erasure


class Command(OperatorCommand):
    help = (
        "End every session of a person, delete their devices, authenticators, codes and mails' "
        "links, take them out of sessions and events, and delete their account. What happened and "
        "when stays on record, and names nobody. Exit code: 0, it is done; 1, the person is not "
        "there or the site keeps their account, or the cache could not be told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", nargs="?", help="The name that the person signs in with.")
        parser.add_argument(
            "--pk", help="The primary key of somebody whose account is gone already, by SQL say."
        )
        parser.add_argument(
            "--anonymise",
            action="store_true",
            help="Keep the account's row, without name, mail address and password.",
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what there is, and stop.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, user: str | None, pk: str | None, **options: Any) -> None:
        from sessions_plus.privacy.erasure import held_of

        if (user is None) == (pk is None):
            raise CommandError("Name the person, or write --pk; one of them.")
        person = get_user(user) if user is not None else None
        key = person.pk if person is not None else gone_key(str(pk))
        account = "anonymised" if options["anonymise"] else "deleted"
        if person is None:
            account = "gone"
        if options["dry_run"]:
            self._print(key, held_of(key), account=account, **options)
            return
        erasure = self._erase(person, key, anonymise=options["anonymise"])
        self._print(key, erasure, account=account, **options)
        if not erasure.cache_reached:
            raise CommandError(
                "It is done, but the cache could not be told: copies of sessions may last for "
                f"some times SESSIONS_PLUS_ACTIVITY_INTERVAL ({conf.ACTIVITY_INTERVAL})."
            )

    def _erase(self, person: AbstractBaseUser | None, key: UserId, *, anonymise: bool) -> Erasure:
        from sessions_plus.privacy.erasure import erase_gone, erase_person

        if person is None:
            return erase_gone(key)
        try:
            return erase_person(person, anonymise=anonymise)
        except (ProtectedError, RestrictedError) as error:
            raise CommandError(
                f"Rows of the site keep the account, so it cannot be deleted: {error.args[0]} "
                "Their sessions are ended. Erase those rows first, or write --anonymise."
            ) from error

    def _print(self, key: UserId, erasure: Erasure, *, account: str, **options: Any) -> None:
        if options["json"]:
            facts = {
                "user": str(key),
                "dry_run": options["dry_run"],
                "account": account,
                "deleted": erasure.deleted,
                "emptied": erasure.emptied,
                "cache_reached": erasure.cache_reached,
            }
            self.stdout.write(json.dumps(facts))
            return
        would = "would be " if options["dry_run"] else ""
        for verb in ("deleted", "emptied"):
            for name, count in getattr(erasure, verb).items():
                self.stdout.write(f"{name.replace('_', ' ')}: {count} {would}{verb}")
        self.stdout.write(f"account {key}: {would if account != 'gone' else ''}{account}")


def gone_key(text: str) -> UserId:
    """
    Return the primary key that a text spells, of an account that is gone.

    Raises:
        CommandError: it spells none, or the account is there.
    """
    model = get_user_model()
    try:
        key = model._meta.pk.to_python(text)
    except ValidationError:
        raise CommandError(f"{text!r} is no primary key of a user.") from None
    if model._base_manager.filter(pk=key).exists():
        raise CommandError(f"The account {text} is there: name it by its user name.")
    return key
