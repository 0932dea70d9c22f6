"""``export_factors``: second factors go back to another package."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandError, CommandParser

from sessions_plus.management.operators import OperatorCommand

WORDS = {
    "gone_back": "authenticator apps went back",
    "there": "there already; what was used up here is used up there",
    "removed": "removed there, as they were here",
    "void_code": "recovery codes that are void there, as they are here",
    "no_place": "left: the package has no place for them",
    "damaged": "left: the secret does not open",
}


class Command(OperatorCommand):
    help = (
        "Give second factors to django-otp (and so to django-two-factor-auth) or allauth.mfa, for "
        "a site that goes back: people go on with the same app. Recovery codes that were made "
        "here stay behind, as only their digests are kept. Prints counts only."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--to", required=True, choices=("otp", "allauth"), help="Where to.")
        parser.add_argument(
            "--i-know",
            action="store_true",
            help="Needed: the other package keeps secrets as they are, unless the site does "
            "something about it, so whoever reads its table has everybody's second factor.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, to: str, i_know: bool, **options: Any) -> None:
        from sessions_plus.moving.old_factors import SOURCES
        from sessions_plus.moving.way_out import take_back

        source = SOURCES[to]
        if not source.is_installed():
            raise CommandError(f"Put {source.needs} into INSTALLED_APPS, and migrate.")
        if not i_know:
            raise CommandError(
                "There, secrets are kept as they are: whoever reads the table has everybody's "
                "second factor. Say --i-know to go on."
            )
        counts = {str(way): count for way, count in take_back(source).items() if count}
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        for way, words in WORDS.items():
            if way in counts:
                self.stdout.write(f"{counts[way]:>10}  {words}")
        if not counts:
            self.stdout.write("There are no factors here.")
