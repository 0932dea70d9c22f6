"""``reduce_addresses``: apply a stricter ``SESSIONS_PLUS_IP_ADDRESS_PRIVACY`` to old rows."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import CommandParser

from sessions_plus.management.operators import OperatorCommand
from sessions_plus.management.progress import watched


class Command(OperatorCommand):
    help = (
        "Reduce the addresses of stored sessions and events to what "
        "SESSIONS_PLUS_IP_ADDRESS_PRIVACY lets us store now. The site may run meanwhile, and the "
        "command may be interrupted and begun again. Exit code: 0, all are reduced; 1, it failed "
        "midway and should be run again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Count them, change nothing.")
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")

    def handle(self, **options: Any) -> None:
        from sessions_plus.privacy.addresses import reduce_addresses

        with watched() as show:
            counts = reduce_addresses(dry_run=options["dry_run"], progress=show)
        if options["json"]:
            self.stdout.write(json.dumps({"dry_run": options["dry_run"], "reduced": counts}))
            return
        would = "would be " if options["dry_run"] else ""
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        self.stdout.write(f"Addresses of {told} {would}reduced.")
