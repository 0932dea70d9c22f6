"""Whoever may not sign in any more is out for good, however that came about."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.cache import caches
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.models import Device, Reason, Session, SessionEvent
from sessions_plus.rows import session_row
from sessions_plus.rows.user_state import why_gone
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.sql import verb_of

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

User: Any = get_user_model()
Disable = Callable[[Any], object]


def by_save(user: Any) -> None:
    user.is_active = False
    user.save()


def by_save_of_the_field(user: Any) -> None:
    user.is_active = False
    user.save(update_fields=["is_active"])


def by_update(user: Any) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def by_bulk_update(user: Any) -> None:
    user.is_active = False
    User.objects.bulk_update([user], ["is_active"])


def by_delete(user: Any) -> None:
    User.objects.get(pk=user.pk).delete()


def by_delete_of_a_queryset(user: Any) -> None:
    User.objects.filter(pk=user.pk).delete()


def by_delete_in_sql(user: Any) -> None:
    """As a statement would that no signal tells of."""
    User._base_manager.filter(pk=user.pk)._raw_delete("default")


DISABLING = [by_save, by_save_of_the_field, by_update, by_bulk_update]
DELETING = [by_delete, by_delete_of_a_queryset, by_delete_in_sql]


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    caches["default"].clear()
    copies.reset()
    copies.tier()  # notes when it began
    yield
    copies.reset()


@pytest.fixture
def ann(engine: str, world: World, user: Any) -> Browser:
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


@pytest.mark.parametrize("disable", DISABLING)
def test_reactivation_revives_nothing(ann: Browser, user: Any, disable: Disable) -> None:
    """A disabled user's session ends at its next request at the latest, and for good."""
    key = ann.key

    disable(user)
    assert ann.text("who") == "AnonymousUser"
    assert not ann.has_key
    User.objects.filter(pk=user.pk).update(is_active=True)

    ann.key = key
    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE
    assert bytes(Session.objects.get().data) == b""


@pytest.mark.parametrize("disable", [by_save, by_save_of_the_field])
def test_saving_ends_at_once(ann: Browser, user: Any, disable: Disable) -> None:
    """Where a signal tells of it, nothing waits for a request."""
    disable(user)

    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE


@pytest.mark.parametrize("disable", [by_update, by_delete_in_sql])
def test_a_session_that_asks_for_no_user_ends_with_its_lease(
    ann: Browser, user: Any, disable: Disable
) -> None:
    """A page that reads the session alone finds out within the activity interval."""
    ann.get("write", color="red")
    disable(user)

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert ann.text("read") == "none"

    assert Session.objects.get().revoked_at is not None


def test_all_sessions_end_when_one_finds_out(ann: Browser, user: Any) -> None:
    """One request of a disabled user ends their sessions everywhere."""
    other = Browser(ann.world)
    other.get("sign-in", name="ann")
    by_update(user)

    ann.text("who")

    assert {session.revoked_reason for session in Session.objects.all()} == {"user_inactive"}
    events = SessionEvent.objects.filter(event="session.revoked", reason="user_inactive")
    assert events.count() == 2


@pytest.mark.parametrize("disable", [by_save, by_update])
def test_trust_ends_too(ann: Browser, user: Any, disable: Disable) -> None:
    """A disabled user's trusted devices are strangers when they are enabled again."""
    until = timezone.now() + timedelta(days=9)
    Device.objects.update(trusted_until=until, trust_hash="0" * 64)

    disable(user)
    ann.text("who")

    device = Device.objects.get()
    assert (device.trusted_until, device.trust_hash) == (None, "")


@pytest.mark.parametrize("delete", DELETING)
def test_deleted_user_is_out(ann: Browser, user: Any, delete: Disable) -> None:
    """A deleted user's session ends at its next request at the latest."""
    delete(user)

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == Reason.USER_DELETED


def test_admin_disables(ann: Browser, user: Any, staff: Any) -> None:
    """Unticking *active* in Django's admin ends the sessions."""
    if not admin.site.is_registered(User):
        pytest.skip("these users are not in the admin")
    with override_settings(ROOT_URLCONF="tests.urls"):
        client = Client()
        client.force_login(staff)
        form = {
            "username": user.username,
            "email": user.email,
            "date_joined_0": "2030-01-01",
            "date_joined_1": "00:00:00",
        }
        response = client.post(f"/admin/auth/user/{user.pk}/change/", form)
    assert response.status_code == 302, response.content

    assert Session.objects.get(user=user).revoked_reason == Reason.USER_INACTIVE
    assert ann.text("who") == "AnonymousUser"


def test_other_users_go_on(ann: Browser, user: Any, other_user: Any) -> None:
    """Disabling one user leaves the others alone."""
    ben = Browser(ann.world)
    ben.get("sign-in", name="ben")

    by_save(user)

    assert ben.text("who") == "ben"


def test_saving_a_user_costs_nothing_more(user: Any) -> None:
    """Saving a user who may sign in is as many statements as without the app."""
    with CaptureQueriesContext(connection) as captured:
        user.save()
        user.is_active = True
        user.save(update_fields=["first_name"])

    assert len(captured) == 2


def test_lease_asks_in_the_same_statement(ann: Browser, engine: str) -> None:
    """That the user may still sign in is asked by the UPDATE that renews the lease."""
    with (
        time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False),
        CaptureQueriesContext(connection) as captured,
    ):
        ann.text("read")

    updates = [query["sql"] for query in captured if verb_of(query["sql"]) == "UPDATE"]
    assert len(updates) == 1
    assert User._meta.db_table in updates[0]
    assert len(captured) == (1 if engine.endswith("cached_db") else 2)


def test_backend_for_disabled_users_is_respected(ann: Browser, user: Any) -> None:
    """A site that chose Django's backend for disabled users lets them go on."""
    backend = "django.contrib.auth.backends.AllowAllUsersModelBackend"
    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        by_save(user)
        assert why_gone(user.pk) is None

        with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
            ann.text("read")

        assert Session.objects.get().revoked_at is None


def test_anonymous_sessions_have_no_user_to_lose(engine: str, world: World) -> None:
    """A visitor's session is renewed without anybody being signed in."""
    visitor = Browser(world)
    visitor.get("write")

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert visitor.text("read") == "blue"


def test_users_elsewhere_are_asked_apart(
    ann: Browser, user: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where one statement cannot ask of both tables, a second one does."""

    monkeypatch.setattr(session_row, "living_user", lambda alias: None)
    later = timezone.now() + timedelta(seconds=61)

    with time_machine.travel(later, tick=False):
        assert ann.text("read") == "none"
        assert Session.objects.get().last_activity == later
    by_update(user)
    with time_machine.travel(later + timedelta(seconds=61), tick=False):
        ann.text("read")

    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE


def test_passive_requests_find_out_too(ann: Browser, user: Any) -> None:
    """A page that polls after the lease does not outlive its user."""
    ann.get("write", color="red")
    by_update(user)

    with (
        override_settings(SESSIONS_PLUS_PASSIVE_PATHS=["/"]),
        time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False),
    ):
        assert ann.text("read") == "none"

    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE
