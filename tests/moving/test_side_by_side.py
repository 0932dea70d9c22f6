"""Old code that still serves beside the new: nobody is signed out by either."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import AdoptedKey, Session
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DIAGONAL, SERVERS, is_there

pytestmark = [
    pytest.mark.urls("tests.support.sites"),
    pytest.mark.django_db(transaction=True),
    DIAGONAL,
]

OLD, NEW = "sessionid", "new"


@pytest.fixture
def kept(old_engine: str, settings: Any) -> str:
    settings.SESSIONS_PLUS_ADOPT_COOKIE_NAME = OLD
    settings.SESSIONS_PLUS_ADOPT_KEEP_OLD = True
    return old_engine


@pytest.fixture
def ann(kept: str, arrive: Arrive, user: User, settings: Any) -> Browser:
    """Ann's browser, as it came from the old code; the new sets a cookie of another name."""
    ann = arrive(user)
    settings.SESSION_COOKIE_NAME = NEW
    return ann


def old_process(engine: str, browser: Browser, name: str) -> str:
    """Ask a process that still runs the old code: its engine, its cookie's name, Django's way."""
    middleware = "django.contrib.sessions.middleware.SessionMiddleware"
    with override_settings(
        SESSION_ENGINE=engine,
        SESSION_COOKIE_NAME=OLD,
        MIDDLEWARE=[middleware, "django.contrib.auth.middleware.AuthenticationMiddleware"],
    ):
        return browser.text(name)


def test_side_by_side(ann: Browser, kept: str) -> None:
    """One request here, one there, as often as may be: always the same person."""
    for _ in range(3):
        assert ann.text("who") == "ann"
        assert old_process(kept, ann, "who") == "ann"
        ann.get("write", color="red")
        old_process(kept, ann, "write")

    assert {OLD, NEW} <= set(ann.cookies)
    assert Session.objects.count() == 1


def test_signing_out_here(ann: Browser, kept: str) -> None:
    """Whoever signs out here is signed out there, and both cookies go."""
    old_key = ann.cookies[OLD].value
    ann.get("who")
    response = ann.get("sign-out")

    assert response.cookies[NEW]["max-age"] == 0
    assert response.cookies[OLD]["max-age"] == 0
    assert old_process(kept, ann, "who") == "AnonymousUser"
    if kept in SERVERS:
        assert not is_there(kept, old_key)


def test_ended_from_elsewhere(ann: Browser, kept: str, user: User) -> None:
    """Where the sessions are ended from elsewhere, the old one goes, too."""
    if kept not in SERVERS:
        pytest.skip("a cookie that holds the session cannot be ended")
    ann.get("who")
    revoke_all(user)

    assert old_process(kept, ann, "who") == "AnonymousUser"
    assert ann.text("who") == "AnonymousUser"


def test_the_old_key_is_kept_sealed(ann: Browser, kept: str) -> None:
    """Nothing in the table is a key that could be used."""
    old_key = ann.cookies[OLD].value
    ann.get("who")

    adopted = AdoptedKey.objects.get()
    assert adopted.sealed_old_key
    assert old_key.encode() not in bytes(adopted.sealed_old_key)
