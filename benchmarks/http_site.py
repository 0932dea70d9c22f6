"""
The site of one stack as servers load it, ``wsgi`` and ``asgi``; as a program it fills its database.

Which stack, and on which servers, the environment says: ``BENCHMARK_SITE`` holds JSON.
"""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from typing import Any

import django
from django.conf import settings

from benchmarks.stacks import AUTHENTICATION, BESIDE_OVER_HTTP, STACKS, settings_for
from benchmarks.worker import stand_in_for_pkg_resources

PEOPLE = 2_000
"""Who sign in, one after the other: nobody's sessions are many."""

ALL = STACKS | BESIDE_OVER_HTTP


def options_for(
    name: str, *, database: dict[str, Any], redis_url: str, is_asgi: bool
) -> dict[str, Any]:
    """
    Return a stack's settings with what every site has that knows its users.

    Under ASGI connections are lent from a pool, as Django's documents say: each request has a
    thread of its own there, and those of kept connections would never be closed. Without
    psycopg's pool each request opens one.
    """
    options = settings_for(ALL[name], database=database, redis_url=redis_url)
    if is_asgi:
        own = options["DATABASES"]["default"]
        own["CONN_MAX_AGE"] = 0
        if find_spec("psycopg_pool") is not None:
            own["OPTIONS"] = {"pool": {"min_size": 2, "max_size": 10, "timeout": 120}}
    if AUTHENTICATION not in options["MIDDLEWARE"]:
        options["MIDDLEWARE"].append(AUTHENTICATION)
    return options


def names() -> list[str]:
    return [f"user{number}" for number in range(PEOPLE)]


def fill() -> None:
    from django.contrib.auth import get_user_model
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    people = get_user_model()._default_manager
    people.bulk_create([people.model(username=name, password="!") for name in names()])


if "BENCHMARK_SITE" in os.environ:
    told = json.loads(os.environ["BENCHMARK_SITE"])
    settings.configure(
        **options_for(
            told["stack"],
            database=told["database"],
            redis_url=told["redis_url"],
            is_asgi=told["is_asgi"],
        )
    )
    stand_in_for_pkg_resources()
    django.setup()

    from django.core.asgi import get_asgi_application
    from django.core.wsgi import get_wsgi_application

    wsgi, asgi = get_wsgi_application(), get_asgi_application()

if __name__ == "__main__":
    fill()
