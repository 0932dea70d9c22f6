"""
The rules of a site whose users are disabled by something else than a column ``is_active``.

Run by ``tests/rows/test_user_state.py``, in a process with other settings.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.conf import settings
from django.contrib.auth import get_user_model
from django.test import Client
from django.utils import timezone

from sessions_plus.models import Reason, Session
from sessions_plus.rows.user_state import why_gone
from tests.conftest import PASSWORD, World
from tests.support import sites
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

MODEL: Any = get_user_model()


def by_save(user: Any) -> None:
    user.state = "blocked"
    user.save()


def by_save_of_the_field(user: Any) -> None:
    user.state = "blocked"
    user.save(update_fields=["state"])


def by_update(user: Any) -> None:
    set_state(user, "blocked")


DISABLING = [by_save, by_save_of_the_field, by_update]


def set_state(user: Any, state: str) -> None:
    MODEL._base_manager.filter(pk=user.pk).update(state=state)


@pytest.fixture
def person() -> Any:
    return MODEL.objects.create_user("ann", "ann@example.com", PASSWORD)


@pytest.fixture
def ann(engine: str, world: World, person: Any, monkeypatch: pytest.MonkeyPatch) -> Browser:
    monkeypatch.setattr(sites, "BACKEND", settings.AUTHENTICATION_BACKENDS[0])
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def after_the_lease() -> Any:
    return time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False)


@pytest.mark.parametrize("disable", DISABLING)
def test_a_disabled_user_is_out_for_good(ann: Browser, person: Any, disable: Any) -> None:
    """The session ends with its lease at the latest, and is not revived with the user."""
    key = ann.key

    disable(person)
    with after_the_lease():
        ann.text("read")
        set_state(person, "welcome")
        ann.key = key
        assert ann.text("who") == "AnonymousUser"

    row = Session.objects.get()
    assert (row.revoked_reason, bytes(row.data)) == (Reason.USER_INACTIVE, b"")


@pytest.mark.parametrize("disable", [by_save, by_save_of_the_field])
def test_saving_ends_at_once(ann: Browser, person: Any, disable: Any) -> None:
    """Where a signal tells of it, nothing waits for a request."""
    disable(person)

    assert Session.objects.get().revoked_reason == Reason.USER_INACTIVE


def test_everybody_else_goes_on(ann: Browser, person: Any) -> None:
    """Who may sign in stays signed in: through a save, and through a renewal of the lease."""
    person.email = "anne@example.com"
    person.save()
    with after_the_lease():
        assert ann.text("who") == "ann"
        assert Session.objects.get().last_activity == timezone.now()

    assert why_gone(person.pk) is None


def test_a_deleted_user_is_gone(ann: Browser, person: Any) -> None:
    """No row is another reason than a row that may not sign in."""
    MODEL._base_manager.filter(pk=person.pk)._raw_delete("default")
    assert why_gone(person.pk) == Reason.USER_DELETED

    with after_the_lease():
        ann.text("read")

    assert Session.objects.get().revoked_reason == Reason.USER_DELETED


@pytest.mark.urls("tests.urls")
def test_tokens_end_too(person: Any) -> None:
    """A bearer is no user at once, and is given no new tokens; nor is one who signs in."""
    account = {"username": "ann", "password": PASSWORD}
    client = Client(headers={"user-agent": "shop/1.0"})
    tokens = client.post("/api/tokens/", account, content_type="application/json").json()
    bearer = {"authorization": f"Bearer {tokens['access']}"}
    assert client.get("/api/sessions/", headers=bearer).status_code == 200

    by_update(person)

    refresh = {"refresh": tokens["refresh"]}
    for path, sent in (("/api/tokens/", account), ("/api/tokens/refresh/", refresh)):
        answer = client.post(path, sent, content_type="application/json")
        assert answer.status_code == 401, answer.content
    with after_the_lease():
        assert client.get("/api/sessions/", headers=bearer).status_code == 401
