"""``adopt_sessions``: take over what the old engine's table holds, or rehearse it."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.core.signals import setting_changed
from django.utils import timezone

from sessions_plus.checks.moving import check_old_engine
from sessions_plus.conf import conf
from sessions_plus.management.arguments import whole_number
from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import ProgressBar

BATCH_ROWS = 500

WORDS = {
    "signed_in": "signed in, as before",
    "visit": "of nobody, with what they had",
    "here": "here already",
    "waits": "left until they come: they have a second factor, and have not proved it",
    "shorter": "left until they come: here they would be over sooner than there",
    "empty": "empty",
    "damaged": "not readable: another SECRET_KEY or SESSION_SERIALIZER",
    "backend": "refused: signed in by a backend that AUTHENTICATION_BACKENDS does not name",
    "user": "refused: disabled or deleted",
    "password": "refused: the password is another by now",
    "acting": "refused: somebody else acts in it",
    "ended": "refused: ended here meanwhile",
}


class Command(OperatorCommand):
    help = (
        "Take over the sessions that the engine in SESSIONS_PLUS_ADOPT_FROM keeps in a table, "
        "before their owners come: so lists show them, and ending a user's sessions finds them "
        "one by one. Run it beside traffic, as often as you like; interrupted, it is begun again. "
        "Exit code: 0, it is done; 1, it could not be, or with --check, too many would be lost."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--engine", help="Another engine than SESSIONS_PLUS_ADOPT_FROM.")
        parser.add_argument(
            "--batch",
            type=whole_number(least=1),
            default=BATCH_ROWS,
            help="How many are taken over in one transaction (default: %(default)s).",
        )
        parser.add_argument(
            "--check",
            action="store_true",
            help="Change nothing: look at up to 1,000 sessions, say what would become of them, and "
            "fail where less than 99 in 100 of those that the old code lets in would come in.",
        )
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, engine: str | None, batch: int, check: bool, **options: Any) -> None:
        if engine is not None:
            settings.SESSIONS_PLUS_ADOPT_FROM = engine
            setting_changed.send(
                sender=Command, setting="SESSIONS_PLUS_ADOPT_FROM", value=engine, enter=True
            )
            # What the system checks say of the setting, which ran before it was this one.
            for problem in check_old_engine():
                raise CommandError(f"{problem.msg} {problem.hint or ''}".rstrip())
        self._look_for_table()
        if check:
            self._rehearse(**options)
        else:
            self._take_over(batch, **options)

    def _look_for_table(self) -> None:
        from sessions_plus.store.old_tables import own_rows

        if conf.ADOPT_FROM is None:
            raise CommandError("Set SESSIONS_PLUS_ADOPT_FROM, what SESSION_ENGINE was before.")
        if own_rows() is None:
            raise CommandError(
                f"{conf.ADOPT_FROM} has no table: its sessions are taken over when their cookie "
                "comes, and there is nothing to do."
            )

    def _take_over(self, batch: int, **options: Any) -> None:
        from sessions_plus.moving.in_bulk import batches, take_over
        from sessions_plus.store.adoption import count_waiting
        from sessions_plus.store.old_engine import is_adopting

        if not is_adopting(timezone.now()):
            raise CommandError(
                "Set SESSIONS_PLUS_ADOPT_UNTIL to a day to come: whoever has an old cookie is let "
                "in until then."
            )
        fates: Counter[str] = Counter()
        bar = ProgressBar(sys.stderr)
        there, done = count_waiting(timezone.now()) or 0, 0
        try:
            for rows in batches(batch, timezone.now()):
                fates += take_over(rows, now=timezone.now())
                done += len(rows)
                bar.show("sessions", done / max(there, done, 1))
        finally:
            bar.end()
        self._print(fates, **options)

    def _rehearse(self, **options: Any) -> None:
        from sessions_plus.moving.rehearsal import ENOUGH, rehearse, share_that_comes

        fates = rehearse(timezone.now())
        share = share_that_comes(fates)
        self._print(fates, share=share, **options)
        if share < ENOUGH:
            raise CommandError(
                f"Only {share:.1%} of those whom the old code lets in would come in. What is "
                "refused or not readable above says why."
            )

    def _print(self, fates: Counter[str], *, share: float | None = None, **options: Any) -> None:
        counts = {str(fate): count for fate, count in fates.items() if count}
        if options["json"]:
            told = {"engine": conf.ADOPT_FROM, "sessions": counts}
            self.stdout.write(json.dumps(told if share is None else told | {"share": share}))
            return
        for fate, words in WORDS.items():
            if fate in counts:
                self.stdout.write(f"{counts[fate]:>10}  {words}")
        if not counts:
            self.stdout.write("There are no old sessions.")
