"""
What it costs to know a request by its token, beside what others' tokens cost.

``python -m benchmarks.tokens [--rounds N] [--count N]``. One process, one PostgreSQL and one
Redis that are thrown away afterwards; all stacks take turns, so that what slows the machine
down slows all. The cost is the median time less that of the same view without authentication.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import django
from django.conf import settings

from tests.support.databases import from_url
from tests.support.services.caches import start_redis
from tests.support.services.databases import start_postgresql

PEERS = {"knox": "knox", "rest_framework_simplejwt": "rest_framework_simplejwt"}


def configure(database: dict[str, Any], redis_url: str) -> None:
    """Set up a site with every kind of token that is installed."""
    settings.configure(
        SECRET_KEY="a key for benchmarks only: long enough, and known to everybody",
        ALLOWED_HOSTS=["testserver"],
        DATABASES={"default": {**database, "CONN_MAX_AGE": None}},
        CACHES={
            "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{redis_url}/1"}
        },
        USE_TZ=True,
        ROOT_URLCONF="benchmarks.tokens",
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        SESSION_ENGINE="sessions_plus.backends.cached_db",
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "rest_framework",
            "rest_framework.authtoken",
            "sessions_plus",
            *(app for app in PEERS.values() if find_spec(app)),
        ],
        MIDDLEWARE=["sessions_plus.middleware.SessionMiddleware"],
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    django.setup()


def stacks(user: Any) -> Iterator[tuple[str, list[type], str]]:
    """Each kind: its name, its authentication classes, and a header for ``user``."""
    from rest_framework.authentication import TokenAuthentication
    from rest_framework.authtoken.models import Token

    from sessions_plus.api.authentication import (
        LiveBearerAuthentication,
        StatelessBearerAuthentication,
    )
    from tests.tokens.factories import new_tokens

    yield "none", [], ""
    yield "REST framework's", [TokenAuthentication], f"Token {Token.objects.create(user=user).key}"
    if find_spec("knox"):
        from knox.auth import TokenAuthentication as KnoxAuthentication
        from knox.models import AuthToken

        yield "knox", [KnoxAuthentication], f"Token {AuthToken.objects.create(user=user)[1]}"
    if find_spec("rest_framework_simplejwt"):
        from rest_framework_simplejwt.authentication import (
            JWTAuthentication,
            JWTStatelessUserAuthentication,
        )
        from rest_framework_simplejwt.tokens import AccessToken

        header = f"Bearer {AccessToken.for_user(user)}"
        yield "simplejwt", [JWTAuthentication], header
        yield "simplejwt, no user query", [JWTStatelessUserAuthentication], header
    header = f"Bearer {new_tokens(user).access}"
    yield "ours, session", [LiveBearerAuthentication], header
    yield "ours, stateless", [StatelessBearerAuthentication], header


def caller(classes: list[type], header: str) -> Callable[[], int]:
    """Return what sends one request to a view that asks who it is from."""
    from django.test import RequestFactory
    from rest_framework.request import Request
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Whoami(APIView):
        authentication_classes = classes
        permission_classes: list[Any] = []

        def get(self, request: Request) -> Response:
            return Response({"pk": str(request.user.pk)})

    view, factory = Whoami.as_view(), RequestFactory()
    headers = {"user-agent": "shop/1.0", **({"authorization": header} if header else {})}

    def send() -> int:
        return int(view(factory.get("/", headers=headers)).status_code)

    return send


def timed(send: Callable[[], int], count: int) -> float:
    started = time.perf_counter()
    for _ in range(count):
        send()
    return (time.perf_counter() - started) / count * 1e6


def measure(rounds: int, count: int) -> dict[str, float]:
    """Return the median time of a request in microseconds, by stack."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    user = User.objects.create_user("ann")
    senders = {name: caller(classes, header) for name, classes, header in stacks(user)}
    for name, send in senders.items():
        assert send() == 200, name
    times: dict[str, list[float]] = {name: [] for name in senders}
    for _ in range(rounds):
        for name, send in senders.items():
            times[name].append(timed(send, count))
    return {name: statistics.median(found) for name, found in times.items()}


@contextmanager
def servers() -> Iterator[tuple[dict[str, Any], str]]:
    postgresql, redis = start_postgresql(), start_redis()
    try:
        yield from_url(postgresql.url), redis.url
    finally:
        redis.stop()
        postgresql.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    with servers() as (database, redis_url):
        configure(database, redis_url)
        found = measure(options.rounds, options.count)
        from django.db import connections

        connections.close_all()
    floor = found.pop("none")
    print(f"{'':<28}{'µs':>8}")
    for name, microseconds in found.items():
        print(f"{name:<28}{microseconds - floor:>8.0f}")


urlpatterns: list[Any] = []

if __name__ == "__main__":
    main()
