"""
What the pages of the admin cost at a million rows: every list, filter, order and search.

``python -m benchmarks.admin_lists [--sessions N] [--events N] [--rounds N]``. A PostgreSQL of its
own is filled with that many sessions, as many devices, and events; each page is asked for in turn
and shown as medians of its whole time and of its statements, the slowest first. Which pages there
are is asked of the admin itself, so that a filter that is added is measured too.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.growth import fill, say, site
from benchmarks.overview import _run, fill_events, measure
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

GOAL_MS = 100

FILL_DEVICES = """
INSERT INTO sessions_plus_device (id, public_id, user_id, token_hash, name, user_agent, browser,
    browser_version, system, agent_kind, first_seen_at, last_seen_at, trust_hash, trusted_until,
    revoked_at)
SELECT id, gen_random_uuid(), user_id, md5(id::text), '', user_agent, browser, '', system,
    agent_kind, created_at, created_at, '',
    CASE WHEN id % 500 = 0 THEN now() + interval '9 days' END,
    CASE WHEN id % 11 = 0 THEN now() END
FROM sessions_plus_session;
SELECT setval(pg_get_serial_sequence('sessions_plus_device', 'id'), max(id))
FROM sessions_plus_device;
UPDATE sessions_plus_session SET device_id = id;
UPDATE sessions_plus_session SET revoked_reason = 'key_reused' WHERE revoked_at IS NOT NULL
    AND id % 9000 = 1;
UPDATE sessions_plus_sessionevent SET device_id = id % 1000 + 1;
INSERT INTO sessions_plus_authenticator (public_id, user_id, kind, name, sealed_secret, digits,
    period, algorithm, created_at, confirmed_at, last_used_step, imported_from, transports,
    replaces_password)
SELECT gen_random_uuid(), id, 'totp', '', '', 6, 30, 'SHA1', now(), now(), -1, '', '', false
FROM auth_user WHERE id % 20 = 0;
VACUUM ANALYZE;
"""

LISTS = ("session", "device", "sessionevent", "authenticator")


def pages(client: Any) -> Iterator[tuple[str, str]]:
    """Yield a name and an address of each page that staff may ask for."""
    for model in LISTS:
        base = f"/admin/sessions_plus/{model}/"
        yield from _of_list(client, model, base)
        first = client.get(base).context_data["cl"].result_list[0]
        yield f"{model}: its own page", f"{base}{first.pk}/change/"
        yield f"{model}: search by public id", f"{base}?q={getattr(first, 'public_id', '')}"
        yield f"{model}: search by user", f"{base}?q=user77"
    yield "the admin's index, to compare", "/admin/"
    # What else is in the list of users is Django's.
    for query in ("", "?second_factor=yes", "?second_factor=no"):
        yield f"user: list {query}", f"/admin/auth/user/{query}"
    yield "user: their own page", "/admin/auth/user/77/change/"


def _of_list(client: Any, model: str, base: str) -> Iterator[tuple[str, str]]:
    yield f"{model}: list", base
    listed = client.get(base).context_data["cl"]
    for spec in listed.filter_specs:
        for choice in list(spec.choices(listed))[1:]:
            yield f"{model}: {spec.title} {choice['display']}", base + choice["query_string"]
    for number, name in enumerate(listed.list_display):
        if listed.get_ordering_field(name) and (
            not listed.sortable_by or name in listed.sortable_by
        ):
            yield f"{model}: by {name}", f"{base}?o=-{number}"


def _asking(client: Any, url: str) -> Callable[[], object]:
    def ask() -> None:
        assert client.get(url).status_code == 200, url

    return ask


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    postgresql, redis = start_postgresql(), start_redis()
    try:
        with site(postgresql.url, redis.url):
            from django.contrib.auth import get_user_model
            from django.core.management import call_command
            from django.test import Client

            call_command("migrate", verbosity=0)
            say("Filling the tables …")
            fill(options.sessions)
            fill_events(options.events)
            _run(FILL_DEVICES)
            client = Client()
            client.force_login(get_user_model()._default_manager.create_superuser("desk"))
            found = {}
            for name, url in pages(client):
                say(f"{name} …")
                found[name] = measure(_asking(client, url), options.rounds)
    finally:
        redis.stop()
        postgresql.stop()
    print(f"{options.sessions:,} sessions and devices, {options.events:,} events")
    print(f"{'milliseconds, median':50s} {'page':>8s} {'in statements':>15s}")
    for name, (whole, statements, count) in sorted(found.items(), key=lambda one: -one[1][0]):
        print(f"{name:50s} {whole:8.1f} {statements:11.1f} ({count})")
    slow = sum(whole > GOAL_MS for whole, _statements, _count in found.values())
    print(f"{len(found) - slow} of {len(found)} pages within {GOAL_MS} ms")


if __name__ == "__main__":
    main()
