"""``revoke_sessions USER ...`` or ``--all``: end people's sessions from a shell."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from sessions_plus.client_info.ip_address import widen_to_stored
from sessions_plus.conf import conf
from sessions_plus.management import arguments
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.people import get_user
from sessions_plus.management.progress import watched
from sessions_plus.named_types import Fields

if TYPE_CHECKING:
    from sessions_plus.lifecycle import Revocation
    from sessions_plus.lifecycle.selection import Counted, Selection
    from sessions_plus.models import Reason


class Command(OperatorCommand):
    help = (
        "End every session of some users, or of everybody (OWASP ASVS 7.4.5): browsers, API "
        "clients and their tokens. They sign in again. Ctrl-C stops it between two steps; what "
        "is ended stays ended. Exit code: 0, all of them are over; 1, a user is not there or "
        "nobody said yes, and nothing was done; it was interrupted; or the cache could not be "
        "told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        from sessions_plus.models import Reason

        parser.add_argument("user", nargs="*", help="The names that the users sign in with.")
        parser.add_argument("--all", action="store_true", help="Everybody who is signed in.")
        parser.add_argument(
            "--older-than",
            type=arguments.duration,
            metavar="TIME",
            help="Only what was signed in to longer ago than 90m, 12h, 30d or 2w.",
        )
        parser.add_argument(
            "--ip",
            type=arguments.network,
            metavar="ADDRESS",
            help="Only what was last used from this address or network.",
        )
        parser.add_argument(
            "--reason",
            choices=Reason.values,
            default=Reason.REVOKED_BY_STAFF.value,
            help="What the audit and its user are told (default: %(default)s).",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say how many there are, and end none."
        )
        parser.add_argument(
            "--noinput",
            "--no-input",
            action="store_false",
            dest="interactive",
            help="Ask nothing.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, user: list[str], reason: str, **options: Any) -> None:
        from sessions_plus.models import Reason

        if bool(user) == options["all"]:
            raise CommandError("Name the users, or write --all; one of them.")
        chosen = selection(user, options)
        if chosen.network != options["ip"]:
            note = self.stderr if options["json"] else self.stdout
            note.write(f"Addresses are stored as networks: --ip means {chosen.network}.")
        found = chosen.count()
        if options["dry_run"]:
            told = f"{in_words(found)} would be ended."
            self.tell(told, {"dry_run": True, **found._asdict()}, **options)
            return
        if found.sessions and options["interactive"]:
            confirm(found)
        revocation = self.revoke(chosen, Reason(reason))
        facts = {"ended": revocation.count, "cache_reached": revocation.cache_reached}
        self.tell(f"{revocation.count} sessions ended.", {"dry_run": False, **facts}, **options)
        if not revocation.cache_reached:
            raise CommandError(
                "They are ended, but the cache could not be told: some may go on for as long as "
                f"SESSIONS_PLUS_ACTIVITY_INTERVAL ({conf.ACTIVITY_INTERVAL}). Once the cache is "
                "there again, run this again."
            )

    def tell(self, text: str, facts: dict[str, object], **options: Any) -> None:
        self.stdout.write(json.dumps(facts) if options["json"] else text)

    def revoke(self, chosen: Selection, reason: Reason) -> Revocation:
        from sessions_plus.lifecycle import revoke_matching

        chosen.bar_old(now=timezone.now())

        def interrupted() -> str:
            return f"Interrupted: {in_words(chosen.count())} go on. Run this again to end them."

        with watched(interrupted) as show:
            return revoke_matching(chosen.rows(), reason=reason, progress=partial(show, "sessions"))


def selection(names: list[str], options: Fields) -> Selection:
    """
    Return which sessions are meant.

    Raises:
        CommandError: a user is not there, or no addresses are stored.
    """
    from sessions_plus.lifecycle.selection import Selection

    older_than, network = options["older_than"], options["ip"]
    if network is not None and conf.IP_ADDRESS_PRIVACY == "none":
        raise CommandError(
            "SESSIONS_PLUS_IP_ADDRESS_PRIVACY is 'none': no addresses are stored that --ip could "
            "be compared with. Leave it out."
        )
    return Selection(
        user_ids=tuple(get_user(name).pk for name in names) or None,
        begun_before=timezone.now() - older_than if older_than is not None else None,
        network=widen_to_stored(network, conf.IP_ADDRESS_PRIVACY) if network is not None else None,
    )


def in_words(found: Counted) -> str:
    return f"{found.sessions} sessions of {found.users} users"


def confirm(found: Counted) -> None:
    """
    Ask whether to go on.

    Raises:
        CommandError: nobody said yes.
    """
    try:
        answer = input(f"This ends {in_words(found)}. Type 'yes' to go on: ")
    except EOFError:
        raise CommandError("There is nobody to ask. Write --noinput to go on without.") from None
    if answer.strip() != "yes":
        raise CommandError("Nothing was ended.")
