"""Old code that still serves beside the new: nobody is signed out by either."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import AdoptedKey, Reason, Session
from sessions_plus.store import old_engine as old_engine_module
from sessions_plus.store.adoption import kept_old_key
from tests.conftest import World
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


def old_process(engine: str, browser: Browser, view: str, /, **parameters: str) -> str:
    """Ask a process that still runs the old code: its engine, its cookie's name, Django's way."""
    middleware = "django.contrib.sessions.middleware.SessionMiddleware"
    with override_settings(
        SESSION_ENGINE=engine,
        SESSION_COOKIE_NAME=OLD,
        MIDDLEWARE=[middleware, "django.contrib.auth.middleware.AuthenticationMiddleware"],
    ):
        process = Browser(browser.world)  # a client of its own, as each keeps its middleware
        process.client.cookies = browser.client.cookies
        return process.text(view, **parameters)


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


# What happens at the old process. Of signing in there: test_roll_out.py, with real ones.


def has_left(kept: str) -> None:
    if kept not in SERVERS:
        pytest.skip("a cookie that holds the session is never found gone")


def test_signing_out_there(ann: Browser, kept: str) -> None:
    """Whoever signs out there is signed out here, on their next request."""
    has_left(kept)
    for _ in range(3):
        ann.get("who")  # until its copy would serve by itself
    old_process(kept, ann, "sign-out")

    response = ann.get("who")

    assert response.content == b"AnonymousUser"
    assert response.cookies[NEW]["max-age"] == 0
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


def test_signing_in_there_in_several_tabs(ann: Browser, kept: str, other_user: User) -> None:
    """What they ask next is answered alike: the first ends what was, and nobody loses a cookie."""
    has_left(kept)
    ann.get("who")
    old_process(kept, ann, "sign-in", name=other_user.username)
    tabs = [ann.twin() for _ in range(3)]

    answers = [tab.get("who") for tab in tabs]

    assert [answer.content.decode() for answer in answers] == [other_user.username] * 3
    assert {answer.cookies[NEW].value for answer in answers} == {tabs[0].key}
    assert not any(OLD in answer.cookies for answer in answers)
    ended, lives = Session.objects.order_by("pk")
    assert (ended.revoked_reason, lives.user) == (Reason.SIGNED_OUT, other_user)


def test_old_cookie_that_is_lost(ann: Browser, kept: str) -> None:
    """It may have had another path than the new one. Its session is there, so nothing ends."""
    ann.get("who")
    del ann.cookies[OLD]

    assert [ann.text("who") for _ in range(2)] == ["ann"] * 2


def test_old_engine_that_cannot_be_asked(
    ann: Browser, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody is signed out as it does not answer."""
    ann.get("who")
    old_process(kept, ann, "sign-out")

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("the old engine does not answer")

    monkeypatch.setattr(old_engine_module.store_class(), "load", fail)
    monkeypatch.setattr(old_engine_module, "caches", {"default": SimpleNamespace(get=fail)})

    assert ann.text("who") == "ann"


def test_who_signed_in_here_is_looked_for_once(
    kept: str, world: World, engine: str, user: User, settings: Any
) -> None:
    """A session that was never taken over has nothing there: each process asks that once."""
    settings.SESSION_COOKIE_NAME = NEW
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    asked = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as captured:
            assert browser.text("who") == "ann"
        asked.append(sum("adoptedkey" in query["sql"] for query in captured))

    assert asked == [1, 0, 0]


def test_stranger_with_an_old_key_of_ours_ends_nothing(ann: Browser, kept: str) -> None:
    """Whoever lacks the current key says nothing of who left what."""
    has_left(kept)
    ann.get("who")
    stolen = ann.twin()
    ann.get("sign-in", name="ann")  # which changes the key
    del stolen.cookies[OLD]
    old_engine_module.end([kept_old_key(Session.objects.active().get().public_id) or ""])
    stolen.get("who")

    assert Session.objects.active().count() == 1
