"""Say how the session engine and its cache are doing; exit 1 where something is wrong."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core import checks
from django.core.management.base import BaseCommand
from django.utils import timezone

from sessions_plus.cache.drivers.contract import ServerState
from sessions_plus.maintenance.diagnosis import Diagnosis, diagnose
from sessions_plus.store.adoption import count_waiting
from sessions_plus.store.engine import site_tier


class Command(BaseCommand):
    help = (
        "Shows the session engine, its cache and how fast it answers, writes to both and takes "
        "it back, compares copies with rows and clocks with each other, and lists problems of "
        "the settings. "
        "Exits with 1 where there is any problem."
    )
    requires_system_checks: list[str] = []  # its own job is to list them, not to fail of them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--sample", type=int, default=200, help="How many of the newest sessions to compare."
        )

    def handle(self, **options: Any) -> None:
        found = diagnose(sample=options["sample"], tier=site_tier())
        found.problems += problems_of_settings()
        found.not_adopted = count_waiting(timezone.now())
        if options["json"]:
            self.stdout.write(json.dumps(found.facts(), indent=2))
        else:
            self.stdout.write("\n".join(lines(found)))
        if found.problems:
            raise SystemExit(1)


def problems_of_settings() -> list[str]:
    """What the system checks say of this app."""
    messages = [m for m in checks.run_checks() if (m.id or "").startswith("sessions_plus.")]
    return [f"{message.id}: {message.msg}" for message in messages if not message.is_silenced()]


def lines(found: Diagnosis) -> list[str]:
    """The diagnosis for a terminal."""
    texts = [
        ("Engine", found.engine),
        ("Database", f"{found.database}, {_writes(found.database_takes_writes)}"),
    ]
    if found.cache_alias is not None:
        texts += [
            (
                "Cache",
                f"{found.cache_alias} ({found.cache_kind}), {_writes(found.cache_takes_writes)}",
            ),
            *(("Cache server", _server(server)) for server in found.cache_servers),
            ("Breaker", found.breaker or "unknown"),
            ("Round trip", _milliseconds(found.round_trip_seconds)),
            ("Copies", _copies(found)),
        ]
    texts += [
        ("Database clock", _ahead(found.database_clock_seconds)),
        ("Cache clock", _ahead(found.cache_clock_seconds)),
    ]
    if found.not_adopted is not None:
        texts.append(("Not adopted", _not_adopted(found.not_adopted)))
    shown = [f"{title:<16}{text}" for title, text in texts]
    return shown + [f"PROBLEM         {problem}" for problem in found.problems or []]


def _writes(takes_writes: bool | None) -> str:
    return {True: "takes writes", False: "takes no writes", None: "not written to"}[takes_writes]


def _server(server: ServerState) -> str:
    said = (server.role, server.eviction_policy and f"when full: {server.eviction_policy}")
    return ", ".join([server.address, *filter(None, said)])


def _copies(found: Diagnosis) -> str:
    wrong = len(found.disagreeing)
    return f"{found.copies} of {found.sampled} sessions, {wrong} not of their rows"


def _not_adopted(count: int) -> str:
    if not count:
        return "nothing: each old session is here, or has expired"
    return f"{count} old sessions: no list shows them. `adopt_sessions` takes them all over"


def _milliseconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds * 1000:.2f} ms"


def _ahead(seconds: float | None) -> str:
    return "not asked" if seconds is None else f"{seconds:+.3f} s"
