"""``count_events``: add what happened lately to the hourly counts."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import watched


class Command(OperatorCommand):
    help = (
        "Add the events that are not counted yet to the hourly counts, which charts and metrics "
        "are made of. Run it every few minutes; clearsessions does it, too. It is safe beside "
        "traffic and beside itself, and may be interrupted and begun again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, *, verbosity: int, **options: Any) -> None:
        from sessions_plus.maintenance.counting import count_events

        with watched() as show:
            counted = count_events(timezone.now(), progress=partial(show, "events"))
        if options["json"]:
            self.stdout.write(json.dumps(asdict(counted)))
        elif verbosity:
            held = " More wait for one that is still being written." if counted.is_held else ""
            self.stdout.write(f"{counted.events} events counted.{held}")
