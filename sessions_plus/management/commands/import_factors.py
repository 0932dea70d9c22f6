"""``import_factors``: second factors come along from another package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.named_types import UserId

if TYPE_CHECKING:
    from sessions_plus.moving.old_factors import Source

WORDS = {
    "app": "authenticator apps came along",
    "passkey_came": "passkeys came along",
    "code": "recovery codes came along",
    "here": "here already",
    "replaced": "left: recovery codes that were replaced here by new ones",
    "removed": "left: their owner had a factor removed here",
    "alone": "left: recovery codes of somebody who has no app",
    "clock": "left: an app with a clock of its own, or a period of more than 120 seconds",
    "digits": "left: an app whose codes have fewer than 6 digits, or more than 8",
    "damaged": "left: the secret does not open",
    "weak": "left: short recovery codes, which the site's profile takes with --weak-codes only",
    "short": "left: a recovery code of fewer than 8 letters and digits, or more than 16",
    "other": "left: another kind, such as codes by mail or telephone",
    "passkey": "left: a passkey, as they are off here, or SESSIONS_PLUS_SITE_URL is not set",
    "domain": "left: a passkey of another domain, where alone it works",
    "synced": "left: a passkey that can be copied to other devices, which the site does not take",
}


class Command(OperatorCommand):
    help = (
        "Bring second factors along from django-otp (and so from django-two-factor-auth and "
        "django-otp-webauthn) or from allauth.mfa: people go on with the same app, the same "
        "passkeys and the same recovery codes. Run it as often as you like; it prints counts only. "
        "Exit code: 0, nobody is without; 1, somebody has a factor there and would have none here, "
        "or --delete-source deleted nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="source", required=True, choices=("otp", "allauth"), help="Where from."
        )
        parser.add_argument("--dry-run", action="store_true", help="Change nothing.")
        parser.add_argument(
            "--delete-source",
            action="store_true",
            help="Compare all that came along, secret for secret, and delete it there: many keep "
            "secrets as they are. Afterwards the old code asks nobody for a code.",
        )
        parser.add_argument(
            "--weak-codes",
            action="store_true",
            help="Let short recovery codes in although SESSIONS_PLUS_PROFILE is aal2 or aal3.",
        )
        parser.add_argument(
            "--users",
            type=Path,
            metavar="FILE",
            help="Write who would be without into this file, one name a line.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, source: str, delete_source: bool, **options: Any) -> None:
        from sessions_plus.moving.old_factors import SOURCES

        package = SOURCES[source]
        if not package.is_installed():
            raise CommandError(
                f"Keep {package.needs} in INSTALLED_APPS until the factors have come along."
            )
        if delete_source:
            self._delete(package, **options)
        else:
            self._bring(package, **options)

    def _bring(self, source: Source, *, dry_run: bool, weak_codes: bool, **options: Any) -> None:
        from sessions_plus.moving.factors import bring_all

        takes_codes = weak_codes or conf.PROFILE not in ("aal2", "aal3")
        report = bring_all(source, now=timezone.now(), is_dry_run=dry_run, takes_codes=takes_codes)
        counts = {str(fate): count for fate, count in report.fates.items() if count}
        if options["json"]:
            told = {"people": report.people, "factors": counts, "without": len(report.without)}
            self.stdout.write(json.dumps(told))
        else:
            self._print(counts)
        if options["users"] is not None:
            options["users"].write_text("".join(f"{name}\n" for name in names_of(report.without)))
        if report.without:
            raise CommandError(
                f"{len(report.without)} people have a factor there that cannot come along, and "
                "none here: they would sign in with their password alone. They need an app there "
                "before you go on, or SESSIONS_PLUS_MFA_POLICY asks them to set one up here. "
                "--users FILE names them."
            )

    def _print(self, counts: dict[str, int]) -> None:
        for fate, words in WORDS.items():
            if fate in counts:
                self.stdout.write(f"{counts[fate]:>10}  {words}")
        if not counts:
            self.stdout.write("There are no factors there.")

    def _delete(self, source: Source, *, dry_run: bool, **options: Any) -> None:
        from sessions_plus.moving.factors import delete_all

        deleted = delete_all(source, is_dry_run=dry_run)
        if deleted.missing:
            raise CommandError(
                f"Nothing was deleted: {deleted.missing} of what is there is not here, or not the "
                "same. Run the command without --delete-source first."
            )
        self.stdout.write(
            json.dumps({"deleted": deleted.count})
            if options["json"]
            else f"{deleted.count} {'would be ' if dry_run else ''}deleted there."
        )


def names_of(user_ids: list[UserId]) -> list[str]:
    """Return the names that users sign in with."""
    users = get_user_model()
    found = users._base_manager.filter(pk__in=user_ids).order_by("pk")
    return [user.get_username() for user in found]
