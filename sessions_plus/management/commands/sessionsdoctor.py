"""Say how the session engine and its cache are doing; exit 1 where something is wrong."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from sessions_plus.cache.drivers.contract import ServerState
from sessions_plus.cache.tier import Tier
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.installation import find_cache_fault, keeps_copies
from sessions_plus.devices.device_keys.walk.asking import Site
from sessions_plus.devices.device_keys.walk.walking import Walk, walk
from sessions_plus.maintenance.diagnosis import Diagnosis, diagnose
from sessions_plus.management.arguments import whole_number
from sessions_plus.management.people import first_superuser, get_user
from sessions_plus.management.sealed_columns import sealed_columns
from sessions_plus.named_types import Fields
from sessions_plus.store.adoption import count_waiting
from sessions_plus.store.engine import site_tier

NO_PAGES = 'nowhere. In urls.py: path("account/", include("sessions_plus.urls"))'


class Command(BaseCommand):
    help = (
        "Shows the session engine, its cache and how fast it answers, writes to both and takes "
        "it back, compares copies with rows and clocks with each other, tries the keys on what is "
        "sealed, and lists problems of the settings. With --url it also binds a session to a "
        "device key as browsers do, through whatever stands before the site, and says what gets "
        "lost there. "
        "Exits with 1 where there is any problem."
    )
    requires_system_checks: list[str] = []  # its own job is to list them, not to fail of them

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print one JSON object.")
        parser.add_argument(
            "--sample",
            type=whole_number(least=0),
            default=200,
            help="How many of the newest sessions to compare.",
        )
        parser.add_argument(
            "--url",
            help="The site's address as browsers know it, https://…: walk through registration "
            "and refresh of a device key there, where the database takes writes.",
        )
        parser.add_argument(
            "--user",
            help="Whose session that is: it opens no page, and is ended after it. The first "
            "superuser's, where nobody is named.",
        )
        parser.add_argument(
            "--ca", help="A file of the certificates to trust, where the machine's do not do."
        )

    def handle(self, **options: Any) -> None:
        try:
            found = diagnose(sample=options["sample"], tier=find_tier(), sealed=sealed_columns())
        except ImproperlyConfigured as error:  # with such a setting nothing can be looked at
            raise CommandError(str(error)) from None
        can_walk = options["url"] and found.database_takes_writes
        walked = walk_through(options) if can_walk else None
        found.problems += problems_of_settings()
        found.not_adopted = count_waiting(timezone.now()) if found.is_migrated else None
        found.pages = place_of_pages()
        if walked is not None:
            found.problems += walked.problems.values()
        if options["json"]:
            walk_facts = {"device_binding": walked.facts()} if walked is not None else {}
            self.stdout.write(json.dumps(found.facts() | walk_facts, indent=2))
        else:
            self.stdout.write("\n".join(lines(found, walked)))
        if found.problems:
            raise SystemExit(1)


def find_tier() -> Tier | None:
    """Return where the engine keeps copies; None, too, where none can be made: a check says why."""
    can_be_made = settings.SESSION_CACHE_ALIAS in settings.CACHES and find_cache_fault() is None
    return site_tier() if keeps_copies() and can_be_made else None


def walk_through(options: Fields) -> Walk:
    """
    Do what a browser does that binds its session.

    Raises:
        CommandError: there is no such address, file or user, or none of our pages or engines.
    """
    try:
        site = Site(options["url"], authorities=options["ca"])
    except ValueError:
        raise CommandError(
            f"--url is {options['url']!r}, and browsers bind sessions over HTTPS alone. Write the "
            "address that people use, such as https://example.com."
        ) from None
    except OSError as error:
        raise CommandError(f"--ca {options['ca']} cannot be read: {error}.") from None
    try:
        return walk(site, get_user(options["user"]) if options["user"] else first_superuser())
    except NoReverseMatch:
        raise CommandError(
            "No address leads to sessions_plus.urls, where browsers bind sessions. Mount it: "
            'path("account/", include("sessions_plus.urls")).'
        ) from None
    except ImproperlyConfigured as error:
        raise CommandError(str(error)) from None


def problems_of_settings() -> list[str]:
    """What the system checks say of this app."""
    messages = checks.run_checks(tags=[TAG])
    return [_told(message) for message in messages if not message.is_silenced()]


def _told(message: checks.CheckMessage) -> str:
    return f"{message.id}: {message.msg} {message.hint or ''}".rstrip()


def place_of_pages() -> str | None:
    """Where people see their devices. None: nowhere, which a site may want."""
    if not getattr(settings, "ROOT_URLCONF", None):
        return None
    try:
        return reverse("sessions_plus:session_list")
    except NoReverseMatch:
        return None


def lines(found: Diagnosis, walked: Walk | None = None) -> list[str]:
    """The diagnosis for a terminal."""
    texts = [
        ("Engine", found.engine),
        ("Database", f"{found.database}, {_writes(found.database_takes_writes)}"),
        ("Pages", found.pages or NO_PAGES),
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
    if walked is not None:
        texts.append(("Device binding", _walked(walked)))
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


def _walked(walked: Walk) -> str:
    steps = ", ".join(f"{step} {status}" for step, status in walked.steps.items())
    return f"{walked.url} with a session of {walked.user}: {steps or 'not reached'}"


def _milliseconds(seconds: float | None) -> str:
    return "unknown" if seconds is None else f"{seconds * 1000:.2f} ms"


def _ahead(seconds: float | None) -> str:
    return "not asked" if seconds is None else f"{seconds:+.3f} s"
