"""What many tests need: people, a moment in time, and the two engines in the two worlds."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextvars import copy_context
from datetime import datetime, timedelta
from typing import Any

import pytest
import pytest_django
import time_machine
from _pytest.runner import runtestprotocol
from asgiref.sync import async_to_sync
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User, UserManager
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from sessions_plus.cache import copies
from sessions_plus.maintenance import event_reader
from tests.support.emptying import empty_quickly
from tests.support.moments import START
from tests.support.pairs import every_other_pair
from tests.support.partitions import move_into_partitions

pytest_plugins = ["tests.support.services", "tests.support.cache_fixtures"]

# A naive moment is one of the site's own clock, as `timezone.now()` returns where USE_TZ is off.
time_machine.naive_mode = time_machine.NaiveMode.LOCAL

# How long it takes to make up an example says how busy the machine is.
hypothesis_settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("any machine")

PASSWORD = "correct horse battery staple"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """
    Run each test in a context of its own, as far as context variables go.

    Django leaves one behind for each change of ``CACHES``, and asgiref looks at all of them
    whenever it changes threads: after some thousand tests that took longer than the tests.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    copy_context().run(runtestprotocol, item, nextitem=nextitem)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    every_other_pair(config, items)


@pytest.fixture
def password() -> str:
    """The password of every person below."""
    return PASSWORD


def people() -> UserManager[User]:
    """The manager of the site's users, whatever their model."""
    manager: UserManager[User] = get_user_model()._default_manager
    return manager


@pytest.fixture
def user(db: None) -> User:
    return people().create_user("ann", "ann@example.com", PASSWORD)


@pytest.fixture
def other_user(db: None) -> User:
    return people().create_user("ben", "ben@example.com", PASSWORD)


@pytest.fixture
def staff(db: None) -> User:
    return people().create_superuser("root", "root@example.com", PASSWORD)


@pytest.fixture
def now() -> datetime:
    """A moment for functions that are told the time, as this site's clock tells it."""
    return START


@pytest.fixture(params=["db", "cached_db"])
def engine(request: pytest.FixtureRequest, settings: Any) -> str:
    """Each of our two session engines in turn; the value is its dotted path."""
    path = f"sessions_plus.backends.{request.param}"
    # Through the fixture, which takes back what was set in it in the right order.
    settings.SESSION_ENGINE = path
    return path


@pytest.fixture(autouse=True)
def _rates_begin_anew() -> None:
    """What one test asked of the API counts for no other."""
    cache.clear()


@pytest.fixture(autouse=True)
def _settings_are_as_before() -> Iterator[None]:
    """Overrides that end in another order than they began would hold for all tests after."""
    known: Any = django_settings
    before = known._wrapped
    yield
    assert known._wrapped is before


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: pytest_django.DjangoDbBlocker
) -> Iterator[None]:
    """
    Empty it quickly between tests, and part from threads that hold it before it is dropped.

    Its tables are in partitions by month if ``TEST_PARTITIONS`` is set.

    The threads of asyncio's executors live until the process ends, and PostgreSQL drops
    no database that somebody is connected to.
    """
    if os.environ.get("TEST_PARTITIONS"):
        with django_db_blocker.unblock():
            move_into_partitions()
    with pytest.MonkeyPatch.context() as patch:
        empty_quickly(patch)
        yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(autouse=True)
def _todays_tiers() -> Iterator[None]:
    """Forget a cache tier of a test that travelled: it trusts no copy of before its future."""
    yield
    if any(tier.trusted_since > time.time() + 2 for tier in copies.known()):
        copies.reset()


class World:
    """
    Call either twin of a method: ``world(session, "save")`` is ``save()`` or ``asave()``.

    So a rule is written once and holds in both worlds.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_async = name == "async"

    def __call__(self, owner: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if not self.is_async:
            return getattr(owner, method)(*args, **kwargs)
        return async_to_sync(getattr(owner, f"a{method}"))(*args, **kwargs)

    def __repr__(self) -> str:
        return self.name


@pytest.fixture(params=["sync", "async"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


@pytest.fixture
def _nobody_else_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Missing keys of events are those of former tests: no counting waits for them.

    Where a database cannot tell who writes, that would take ten minutes.
    """
    monkeypatch.setattr(event_reader, "DECIDED_AFTER", timedelta(days=-1))
