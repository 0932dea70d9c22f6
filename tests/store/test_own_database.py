"""Sessions in a database of their own, and replicas that lag: neither revives nor signs out."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches as django_caches
from django.test import override_settings

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.models import Session
from sessions_plus.rows import session_row
from tests.support import caches
from tests.support.other_sites import assert_they_pass

pytestmark = pytest.mark.django_db(transaction=True)


class ReadsFromAReplica:
    """A router that sends every read to a replica, which knows nothing yet."""

    def db_for_read(self, model: type, **hints: Any) -> str:
        return "replica"

    def db_for_write(self, model: type, **hints: Any) -> str:
        return "default"


@pytest.fixture
def _replica() -> Any:
    with override_settings(DATABASE_ROUTERS=[f"{__name__}.ReadsFromAReplica"]):
        yield


@pytest.mark.usefixtures("_replica")
def test_engine_never_asks_a_replica() -> None:
    """Load, save, touch and existence go to the database that is written to."""
    assert session_row.database() == "default"
    with caches.site_with(caches.local()):
        store = SessionStore()
        store["color"] = "red"
        store.save()  # pytest-django refuses any query to another alias
        django_caches["default"].clear()

        again = SessionStore(store.session_key)
        assert again["color"] == "red"
        again["color"] = "blue"
        again.save()

        assert SessionStore(store.session_key)["color"] == "blue"
        assert SessionStore().exists(str(store.session_key))
        again.delete()
        assert not SessionStore().exists(str(store.session_key))


def test_user_may_live_elsewhere() -> None:
    """No constraint of the database ties a session to the table of users."""
    field = Session._meta.get_field("user")

    assert field.db_constraint is False  # type: ignore[attr-defined]


def test_sessions_may_live_apart_from_users() -> None:
    """Sign-ins, refused ones and every way to end a session work across two databases."""
    assert_they_pass("tests/support/two_databases.py", settings="tests.settings_own_database")
