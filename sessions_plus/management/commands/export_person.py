"""``export_person USER --to FILE``: a person's copy of what is kept of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.people import get_user


class Command(OperatorCommand):
    help = (
        "Write what is kept of a person's sessions, devices and factors into a ZIP archive, as "
        "JSON and CSV. No secret and nothing of other people is in it. Make sure first who is "
        "asking. Exit code: 0, it is written; 1, the person is not there or the file is already."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The name that the person signs in with.")
        parser.add_argument("--to", required=True, type=Path, help="The archive to write.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, user: str, to: Path, **options: Any) -> None:
        from sessions_plus.events import BY_COMMAND, record
        from sessions_plus.models import Event
        from sessions_plus.privacy.export import write_archive

        person = get_user(user)
        try:
            # Nobody else on the machine is to read it.
            descriptor = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise CommandError(f"{to} cannot be written: {error.strerror}.") from error
        try:
            with os.fdopen(descriptor, "wb") as file:
                counts = write_archive(person, file, now=timezone.now())
            record(Event.DATA_EXPORTED, user=person, reason=BY_COMMAND)
        except BaseException:
            to.unlink()  # half of it, or one that no event tells of; and it would be in the way
            raise
        if options["json"]:
            self.stdout.write(json.dumps({"to": str(to), "rows": counts}))
            return
        told = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
        self.stdout.write(f"{to}: {told}.")
