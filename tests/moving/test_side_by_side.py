"""Old code that still serves beside the new: nobody is signed out by either."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.lifecycle import revoke_all, revoke_others
from sessions_plus.lifecycle.passwords import end_or_keep_others, keep_sessions_if_rehashed
from sessions_plus.models import AdoptedKey, Reason, Session
from sessions_plus.store import old_engine as old_engine_module
from sessions_plus.store import old_tables
from sessions_plus.store.kept_old_keys import digest_of_kept_key, kept_old_key
from tests.conftest import World
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DIAGONAL, SERVERS, is_there, old_session
from tests.support.refusals import READ_ONLY, refusing

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


def made_there(engine: str, user: User, **data: Any) -> str:
    """Let somebody sign in to the old code in another browser; return its old key."""
    with override_settings(SESSION_COOKIE_NAME=OLD):  # by which it names its files
        return old_session(engine, user, **data)


def is_known_there(engine: str, key: str) -> bool:
    with override_settings(SESSION_COOKIE_NAME=OLD):
        return is_there(engine, key)


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


def test_what_has_expired_there(ann: Browser, kept: str, other_user: User) -> None:
    """Nobody signed out of it: who is active here goes on, until somebody signs in there."""
    has_left(kept)
    rows = old_tables.own_rows()
    if rows is None:
        pytest.skip("only a table tells what has expired from what was signed out of")
    ann.get("who")
    rows.update(expire_date=timezone.now() - timedelta(minutes=1))
    caches["default"].clear()

    assert old_process(kept, ann, "who") == "AnonymousUser"
    assert [ann.text("who") for _ in range(2)] == ["ann"] * 2
    old_process(kept, ann, "write", color="red")  # which makes a session of nobody's there
    assert ann.text("who") == "ann"
    old_process(kept, ann, "sign-in", name=other_user.username)
    assert ann.text("who") == other_user.username


def test_visitor_who_signed_in_here(kept: str, arrive: Arrive, user: User, settings: Any) -> None:
    """What was nobody's there nobody signs out of there: neither a cart nor a sign-in ends here."""
    has_left(kept)
    visitor = arrive(color="red")
    settings.SESSION_COOKIE_NAME = NEW
    visitor.get("read")
    old_engine_module.end([visitor.cookies[OLD].value])
    del visitor.cookies[OLD]

    assert visitor.text("read") == "red"
    visitor.get("sign-in", name="ann")
    assert visitor.text("who") == "ann"
    old_process(kept, visitor, "write", color="blue")
    assert [visitor.text(view) for view in ("who", "read")] == ["ann", "red"]


def test_password_that_is_hashed_anew_here(ann: Browser, kept: str, user: User) -> None:
    """The old engine lets its session go then, as Django does; nobody signed out of it."""
    has_left(kept)
    ann.get("who")
    with keep_sessions_if_rehashed(user):
        user.password = make_password("the same", salt="another")
        user.save(update_fields=["password"])

    assert old_process(kept, ann, "who") == "AnonymousUser"
    assert ann.text("who") == "ann"


def test_new_password_is_noted(ann: Browser, kept: str, user: User) -> None:
    """Of who chose it here, so that they stay signed in where they did."""
    ann.get("who")
    own = Session.objects.get().public_id
    user.set_password("another one entirely")
    end_or_keep_others(user, own=own)

    assert not AdoptedKey.objects.get().is_signed_in
    assert Session.objects.active().get().public_id == own


def test_ending_the_others_here(
    ann: Browser, kept: str, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on beside this session stays; of others' the old engine's table tells."""
    has_left(kept)
    own, other = ann.cookies[OLD].value, made_there(kept, user)
    ann.get("who")
    monkeypatch.setattr(old_tables, "keys_of", lambda user_id: [own, other])

    revoke_others(user, keep=Session.objects.get().public_id)

    assert [is_known_there(kept, key) for key in (own, other)] == [True, False]
    assert ann.text("who") == "ann"


def signs_in_there_again(kept: str, ann: Browser) -> str:
    """Let Ann sign out at the old process, and in again; return her old key."""
    old_process(kept, ann, "sign-out")
    old_process(kept, ann, "sign-in", name="ann")
    return str(ann.cookies[OLD].value)


def test_same_person_who_signs_in_there_again(ann: Browser, kept: str, user: User) -> None:
    """They keep what they have here, also after they ended the others; then both are one again."""
    has_left(kept)
    ann.get("write", color="red")
    revoke_others(user, keep=Session.objects.get().public_id)
    signs_in_there_again(kept, ann)

    assert [ann.text(view) for view in ("who", "read", "who")] == ["ann", "red", "ann"]
    assert Session.objects.count() == 1

    old_process(kept, ann, "sign-out")
    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


def test_later_one_ends_with_the_session_here(ann: Browser, kept: str) -> None:
    """As the first would have."""
    has_left(kept)
    ann.get("who")
    later = signs_in_there_again(kept, ann)
    ann.get("who")

    ann.get("sign-out")

    assert not is_known_there(kept, later)


def test_who_acts_as_another_there(ann: Browser, kept: str, other_user: User) -> None:
    """A helper is nobody else here meanwhile, and stays signed in."""
    has_left(kept)
    ann.get("who")
    old_engine_module.end([ann.cookies[OLD].value])
    ann.cookies[OLD] = made_there(kept, other_user, hijack_history=["1"])

    response = ann.get("who")

    assert response.content == b"ann"
    assert OLD not in response.cookies


def test_leaving_while_nothing_can_be_written(ann: Browser, kept: str) -> None:
    """Whoever signed out there is a stranger here, without an error; the next request ends it."""
    has_left(kept)
    ann.get("who")
    old_process(kept, ann, "sign-out")

    with refusing(READ_ONLY):
        response = ann.get("who")
    assert response.content == b"AnonymousUser"
    assert NEW not in response.cookies

    response = ann.get("who")
    assert response.content == b"AnonymousUser"
    assert response.cookies[NEW]["max-age"] == 0
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


def test_cache_that_hides_its_failures(
    ann: Browser, kept: str, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As django-redis with IGNORE_EXCEPTIONS: that it has nothing says nothing then."""
    if not kept.endswith(".cache"):
        pytest.skip("where there is a table, that tells")
    ann.get("who")
    del ann.cookies[OLD]
    silent = SimpleNamespace(get=lambda name: None, set=lambda name, value, timeout: None)
    monkeypatch.setattr(old_engine_module, "caches", {settings.SESSION_CACHE_ALIAS: silent})

    assert ann.text("who") == "ann"


def fail_in_the_database(*_: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM nowhere")


@pytest.mark.parametrize("asked", ["old table", "table of old keys"])
def test_table_that_cannot_be_read_in_a_transaction(
    ann: Browser, kept: str, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    """The view that asks whose session it is goes on with its transaction."""
    if not kept.endswith(".db"):
        pytest.skip("the others have no table, or ask their cache first")
    ann.get("who")
    del ann.cookies[OLD]
    digest_of_kept_key.cache_clear()
    place, name = {
        "old table": (old_engine_module.store_class(), "load"),
        "table of old keys": (AdoptedKey.objects, "using"),
    }[asked]
    monkeypatch.setattr(place, name, fail_in_the_database)

    with transaction.atomic():
        assert ann.text("who") == "ann"
        assert Session.objects.active().count() == 1


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


@pytest.mark.parametrize("shown", [True, False], ids=["shown", "not shown"])
@pytest.mark.parametrize("error", [OperationalError, InterfaceError])
def test_database_that_is_away(
    ann: Browser, kept: str, engine: str, error: type[Exception], shown: bool
) -> None:
    """Who has a copy in the cache goes on, as without an old engine."""
    if not engine.endswith(".cached_db"):
        pytest.skip("without copies nobody is known then")
    ann.get("write", color="red")
    ann.get("read")
    if not shown:
        del ann.cookies[OLD]
    digest_of_kept_key.cache_clear()

    def fail(*_: object) -> None:
        raise error("connection refused")

    with connection.execute_wrapper(fail):
        response = ann.get("read")

    assert b"red" in response.content
    assert NEW not in response.cookies


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
