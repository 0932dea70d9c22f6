"""The ten rules of sessions that are bound to their browser's device, each as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.devices.device_keys import registration
from sessions_plus.lifecycle import revoke
from sessions_plus.models import DeviceKey, Session, SessionEvent
from sessions_plus.store.engine import site_engine
from tests.conftest import PASSWORD, World
from tests.support.authenticators import enrol
from tests.support.bound_sessions import HTTPS, MOMENT, OVER, UNDER_WAY, ann, clock, thief_of
from tests.support.device_keys import REFRESH, REGISTER, KeyBrowser, nonce_in

__all__ = ["ann", "clock"]  # fixtures

pytestmark = [
    pytest.mark.urls("tests.support.bound_sites"),
    pytest.mark.django_db(transaction=True),
]

DEVICES = "/account/devices/"


@pytest.fixture(autouse=True)
def _bound() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(**HTTPS):
        yield


def columns() -> dict[str, Any]:
    return dict(Session.objects.values().order_by("pk")[0])


def reasons() -> list[str]:
    refused = SessionEvent.objects.filter(event="device_key.refused")
    return list(refused.values_list("reason", flat=True))


# 1: who may register, and when it is offered


@pytest.mark.parametrize(
    ("of", "status", "is_offered", "reason"),
    [
        ("nobody", 403, False, None),
        ("an anonymous session", 403, False, None),
        ("a waiting challenge", 403, False, None),
        ("a sign-in", 200, True, None),
        ("a page after it", 200, False, None),
        ("a bound session", 403, False, "second_key"),
    ],
)
def test_1_who_may_bind(
    engine: str,
    world: World,
    user: User,
    clock: Any,
    of: str,
    status: int,
    is_offered: bool,
    reason: str | None,
) -> None:
    """Whoever is fully signed in, once; it is offered with the sign-in and never again."""
    browser, asked = KeyBrowser(world), None
    if of == "an anonymous session":
        asked = browser.get("write")
    elif of == "a waiting challenge":
        enrol(user)
        asked = browser.ask("POST", "/account/login/", data=_form("ann"))
    elif of != "nobody":
        browser.sign_in("ann")
        asked = browser.response
        offered = browser.offer
        if of == "a bound session":
            assert browser.register().status_code == 200
        if of != "a sign-in":
            asked = browser.get("write")
        browser.offer = offered
    sent = browser.offer or 'challenge="none"'
    browser.offer = sent

    answer = browser.register()

    assert answer.status_code == status
    assert (asked is not None and "Secure-Session-Registration" in asked.headers) is is_offered
    assert reasons() == ([reason] if reason else [])


def _form(name: str) -> dict[str, str]:
    return {"username": name, "password": PASSWORD}


def test_1_two_registrations_at_once(ann: KeyBrowser, clock: Any) -> None:
    """Of two that found the session unbound, one binds it; the other is refused, and told of."""
    ann.sign_in("ann")  # the same row, unbound again
    DeviceKey.objects.all().delete()
    threads = 2 if connection.vendor == "sqlite" else 10  # it has one writer at a time
    stores = [site_engine()(ann.key) for _ in range(threads)]
    for store in stores:
        store.load()  # before any of them is bound
    proofs = [KeyBrowser(ann.world).key_pair.first_proof(ann.offered_nonce) for _ in stores]
    now = timezone.now()

    def ask(number: int) -> Any:
        try:
            return registration.register(
                stores[number], proofs[number], audience="https://testserver/", now=now
            )
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(ask, range(threads)))

    bound = [one for one in found if isinstance(one, registration.Bound)]
    assert len(bound) == 1
    assert found.count(registration.Refused.SECOND_KEY) == threads - 1
    assert DeviceKey.objects.get().public_id == bound[0].device_key
    assert Session.objects.get().device_key_id == bound[0].device_key
    assert reasons() == ["second_key"] * (threads - 1)


# 2: what a refresh is found by


@pytest.mark.parametrize(
    ("name", "cookie", "proof", "status"),
    [
        ("own", "own", "good", 200),
        ("own", "none", "good", 200),
        ("lost", "own", "good", 200),
        ("lost", "none", "good", 404),
        ("own", "another's", "good", 404),
        ("another's", "own", "good", 404),
        ("own", "own", "none", 403),
        ("own", "own", "used", 403),
        ("own", "own", "of another key", 401),
        ("made up", "own", "good", 404),
    ],
)
def test_2_what_a_refresh_is_found_by(
    ann: KeyBrowser,
    other_user: User,
    clock: Any,
    name: str,
    cookie: str,
    proof: str,
    status: int,
) -> None:
    """The browser's name for it, or the cookie where that is lost, and both must agree."""
    other = KeyBrowser(ann.world)
    other.bind("ben")
    nonce = nonce_in(ann.ask_to_refresh())
    names = {"own": ann.identifier, "another's": other.identifier, "made up": "x", "lost": None}
    signers = {"of another key": other.key_pair}
    sent = signers.get(proof, ann.key_pair).proof(nonce) if proof != "none" else None
    if proof == "used":
        assert ann.ask_to_refresh(nonce).status_code == 200
    browser = {"own": ann, "another's": other, "none": KeyBrowser(ann.world)}[cookie]
    before = Session.objects.values().get(user__username="ann")
    clock.shift(timedelta(minutes=5))

    answer = browser.ask(
        "POST", REFRESH, sec_secure_session_id=names[name], secure_session_response=sent
    )

    assert answer.status_code == status
    assert bool(answer.cookies) is (status == 200)
    assert ("Secure-Session-Challenge" in answer.headers) is (status in (200, 403))
    assert Session.objects.values().get(user__username="ann") == before


# 3: from when on a proof is asked for


@pytest.mark.parametrize(
    ("is_shown", "later", "who"),
    [
        (False, timedelta(0), "ann"),
        (False, timedelta(hours=1), "ann"),
        (True, timedelta(seconds=10), "ann"),
        (True, UNDER_WAY, "AnonymousUser"),
    ],
    ids=["just bound", "never shown", "under way", "afterwards"],
)
def test_3_from_when_on_a_proof_is_asked_for(
    engine: str, world: World, user: User, clock: Any, is_shown: bool, later: timedelta, who: str
) -> None:
    """Not before the browser showed one, and not in the seconds after it was bound."""
    browser = KeyBrowser(world)
    browser.sign_in("ann")
    browser.register()
    without = thief_of(browser)
    if is_shown:
        browser.text("who")
    clock.shift(later)

    assert without.text("who") == who


# 4: without a proof nothing happens to the session


def _signs_out(thief: KeyBrowser, clock: Any) -> None:
    thief.get("sign-out")


def _reads(thief: KeyBrowser, clock: Any) -> None:
    clock.shift(timedelta(minutes=5))  # a lease would be due
    thief.text("who")


def _is_another_browser(thief: KeyBrowser, clock: Any) -> None:
    thief.user_agent = "curl/8"
    with override_settings(SESSIONS_PLUS_CLIENT_CHANGE="revoke"):
        thief.text("who")


def _comes_when_a_key_is_due(thief: KeyBrowser, clock: Any) -> None:
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=MOMENT):
        clock.shift(timedelta(minutes=1))
        thief.text("who")


def _asks_the_api(thief: KeyBrowser, clock: Any) -> None:
    assert thief.ask("GET", "/api/sessions/").status_code in (401, 403)


def _shows_the_key_as_a_bearer(thief: KeyBrowser, clock: Any) -> None:
    key, thief.client.cookies = thief.key, KeyBrowser(thief.world).cookies
    answer = thief.ask("GET", "/api/sessions/", authorization=f"Bearer {key}")
    assert answer.status_code == 401


def _proves_themselves(thief: KeyBrowser, clock: Any) -> None:
    answer = thief.ask("POST", "/account/reauthenticate/", data={"password": PASSWORD})
    assert answer.status_code == 302
    assert "login" in answer.headers["Location"]


@pytest.mark.parametrize(
    "act",
    [
        _signs_out,
        _reads,
        _is_another_browser,
        _comes_when_a_key_is_due,
        _asks_the_api,
        _shows_the_key_as_a_bearer,
        _proves_themselves,
    ],
)
def test_4_a_thief_moves_nothing(
    ann: KeyBrowser, clock: Any, act: Callable[[KeyBrowser, Any], None]
) -> None:
    """Whatever they do with all its cookies: no column, no cookie, no key, no end."""
    before, thief = columns(), thief_of(ann)
    key = thief.key

    act(thief, clock)

    assert columns() == before
    assert "__Host-sessionid" not in thief.cookies or thief.key == key
    assert SessionEvent.objects.filter(event="device_key.missing").count() == 1
    assert ann.refresh().status_code == 200
    assert ann.text("who") == "ann"


def test_4_an_old_key_tells_no_new_one(ann: KeyBrowser, clock: Any) -> None:
    """Nor does it accuse: it is not even looked at."""
    old = thief_of(ann)
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=MOMENT):
        clock.shift(MOMENT)
        ann.text("who")
    key = old.key
    assert ann.key != key

    assert old.text("who") == "AnonymousUser"  # within the grace period
    clock.shift(timedelta(minutes=5))
    assert old.text("who") == "AnonymousUser"
    del old.cookies["__Host-device"]  # who has a key alone is taken for a thief
    assert old.text("who") == "AnonymousUser"

    assert old.key == key
    assert Session.objects.get().revoked_at is None


# 5: a link from another site


@pytest.mark.parametrize(
    ("method", "site", "mode", "asks_again"),
    [
        ("GET", "cross-site", "navigate", True),
        ("HEAD", "cross-site", "navigate", True),
        ("POST", "cross-site", "navigate", False),
        ("GET", "same-origin", "navigate", False),
        ("GET", "same-site", "navigate", False),
        ("GET", "none", "navigate", False),
        ("GET", "cross-site", "cors", False),
        ("GET", "cross-site", None, False),
        ("GET", None, None, False),
    ],
)
def test_5_what_asks_for_itself_again(
    ann: KeyBrowser, method: str, site: str | None, mode: str | None, asks_again: bool
) -> None:
    """Only a page that another site links to, as browsers prove nothing for it. So no circle."""
    ann.lose_proof()
    path = f"/{ann.world.name}/who/?a=1"

    answer = ann.ask(method, path, sec_fetch_site=site, sec_fetch_mode=mode)

    assert answer.status_code == 200
    assert answer.headers.get("Refresh") == (f"0;url={path}" if asks_again else None)
    assert ("no-store" in answer.headers.get("Cache-Control", "")) is asks_again


# 6: a proof cookie that holds no more


@pytest.mark.parametrize(
    ("method", "site", "value", "makes_room"),
    [
        ("GET", "same-origin", "x" * 40, True),
        ("GET", "none", "x" * 40, True),
        ("HEAD", "same-origin", "x" * 40, True),
        ("POST", "same-origin", "x" * 40, False),
        ("GET", "same-site", "x" * 40, False),
        ("GET", None, "x" * 40, False),
        ("GET", "same-origin", None, False),
    ],
)
def test_6_what_makes_room_for_a_proof(
    ann: KeyBrowser, method: str, site: str | None, value: str | None, makes_room: bool
) -> None:
    """Once, for a page of one's own: the browser drops the cookie, and asks again with a proof."""
    ann.lose_proof()
    if value is not None:
        ann.cookies[ann.proof_cookie] = value
    path = f"/{ann.world.name}/who/"

    answer = ann.ask(method, path, sec_fetch_site=site)

    assert answer.status_code == (307 if makes_room else 200)
    assert answer.headers.get("Location") == (path if makes_room else None)
    assert (ann.proof_cookie in answer.cookies) is makes_room


# 7: what keeps a session bound, and what binds it anew


def _rotation(browser: KeyBrowser, clock: Any) -> None:
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=MOMENT):
        clock.shift(MOMENT)
        browser.text("who")


def _reauthentication(browser: KeyBrowser, clock: Any) -> None:
    data = {"password": PASSWORD}
    browser.response = browser.ask("POST", "/account/reauthenticate/", data=data)


def _new_password(browser: KeyBrowser, clock: Any) -> None:
    new = "a password that is long"
    data = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    browser.response = browser.ask("POST", "/account/security/password/", data=data)


def _sign_in(browser: KeyBrowser, clock: Any) -> None:
    browser.sign_in("ann")


def _sign_out(browser: KeyBrowser, clock: Any) -> None:
    browser.get("sign-out")


def _revocation(browser: KeyBrowser, clock: Any) -> None:
    revoke(Session.objects.get())


@pytest.mark.parametrize(
    ("act", "key_is", "is_offered"),
    [
        (_rotation, "kept", False),
        (_reauthentication, "kept", False),
        (_new_password, "kept", False),
        (_sign_in, "over", True),
        (_sign_out, "over", False),
        (_revocation, "over", False),
    ],
)
def test_7_what_keeps_a_session_bound(
    ann: KeyBrowser,
    clock: Any,
    act: Callable[[KeyBrowser, Any], None],
    key_is: str,
    is_offered: bool,
) -> None:
    """What changes its key alone; a sign-in binds anew, and what ends it ends the key."""
    ann.response, before = None, ann.key

    act(ann, clock)

    offer = ann.response is not None and "Secure-Session-Registration" in ann.response.headers
    assert offer is is_offered
    clock.shift(MOMENT)
    answer = ann.ask_to_refresh()
    if key_is == "kept":
        assert ann.key != before
        assert ann.refresh().status_code == 200
        assert ann.text("who") == "ann"
        assert Session.objects.get(revoked_at=None).is_bound
    else:
        assert answer.status_code == 200
        assert answer.json()["continue"] is False


# 8: which pages bring a nonce


@pytest.mark.parametrize(
    ("page", "brings_one"),
    [("the first with a proof", True), ("the next", False), ("one without a proof", False)],
)
def test_8_which_page_brings_a_nonce(
    engine: str, world: World, user: User, clock: Any, page: str, brings_one: bool
) -> None:
    """One ordinary page after the registration, for browsers behind proxies that eat a 403."""
    browser = KeyBrowser(world)
    browser.sign_in("ann")
    browser.register()
    if page == "one without a proof":
        browser.lose_proof()
    answer = browser.get("who")
    if page == "the next":
        answer = browser.get("who")

    assert ("Secure-Session-Challenge" in answer.headers) is brings_one
    if brings_one:
        clock.shift(MOMENT)
        assert browser.ask_to_refresh(nonce_in(answer)).status_code == 200


# 9: what the setting says


def of_user(user: Any) -> str:
    return "enforce"


@pytest.mark.parametrize(
    ("setting", "is_offered", "who", "reasons"),
    [
        ("off", False, "ann", []),
        ("observe", True, "ann", ["observed"]),
        ("enforce", True, "AnonymousUser", [""]),
        (of_user, True, "AnonymousUser", [""]),
    ],
)
def test_9_what_the_setting_says(
    ann: KeyBrowser, setting: Any, is_offered: bool, who: str, reasons: list[str]
) -> None:
    """Off: nothing; observe: all is done, nothing refused, and told; enforce: refused, and told."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING=setting):
        fresh = KeyBrowser(ann.world)
        fresh.sign_in("ann")
        assert thief_of(ann).text("who") == who

    assert (fresh.offer is not None) is is_offered
    missing = SessionEvent.objects.filter(event="device_key.missing")
    assert list(missing.values_list("reason", flat=True)) == reasons


# 10: the addresses


@pytest.fixture(params=[False, True], ids=["usual", "login required"])
def _wants_a_login(request: pytest.FixtureRequest, settings: Any) -> None:
    if request.param:
        required = "django.contrib.auth.middleware.LoginRequiredMiddleware"
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, required]


@pytest.mark.usefixtures("engine", "_wants_a_login")
@pytest.mark.parametrize("path", [REGISTER, REFRESH])
@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("POST", {}, None),
        ("POST", {"origin": "https://testserver"}, None),
        ("POST", {"sec_fetch_site": "same-origin"}, None),
        ("POST", {"sec_fetch_site": "same-site"}, 403),
        ("POST", {"sec_fetch_site": "cross-site"}, 403),
        ("POST", {"sec_fetch_site": "none"}, 403),
        ("POST", {"origin": "https://evil.example"}, 403),
        ("POST", {"origin": "http://testserver"}, 403),
        ("POST", {"origin": "null"}, 403),
        ("GET", {}, 405),
    ],
)
def test_10_the_addresses(
    world: World, db: None, path: str, method: str, headers: dict[str, str], status: int | None
) -> None:
    """No redirect, form, token or page; nothing for another site; and nobody keeps or frames it."""
    stranger = KeyBrowser(world)
    stranger.client.handler.enforce_csrf_checks = True

    answer = stranger.ask(method, path, **headers)

    usual = 403 if path == REGISTER else 404  # nobody is signed in; no key is named
    assert answer.status_code == (usual if status is None else status)
    assert "Secure-Session-Challenge" not in answer.headers
    assert "Location" not in answer.headers
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["X-Frame-Options"] == "DENY"


# Whoever is bound to nothing


def visit(world: World) -> list[Any]:
    """Sign in, look around, sign out; return what each response and its request came to."""
    browser, seen = KeyBrowser(world), []
    for name in ("sign-in", "who", "read", "write", "who", "sign-out"):
        with CaptureQueriesContext(connection) as asked:
            answer = browser.get(name, name="ann")
        names = set(answer.headers) - {"Secure-Session-Registration"}
        seen.append((name, sorted(names), sorted(answer.cookies), len(asked)))
    return seen


def test_what_is_bound_to_nothing(engine: str, world: World, user: User, clock: Any) -> None:
    """Other browsers get one header with the sign-in; no cookie, no column, no query more."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="off"):
        visit(world)  # what is made at first
        usual = visit(world)
    found = visit(world)

    assert found == usual
    bound = Session.objects.exclude(device_key_id=None, device_key_at=None, device_key_seen=True)
    assert not bound.exists()
    assert not DeviceKey.objects.exists()


def test_a_proof_cookie_is_worth_what_its_session_is(ann: KeyBrowser, clock: Any) -> None:
    """Under ``aal2`` the session's cookie goes with the browser, bound or not; so does its use."""
    with override_settings(SESSIONS_PLUS_PROFILE="aal2"):
        browser = KeyBrowser(ann.world)
        browser.sign_in("ann")
        assert browser.response.cookies["__Host-sessionid"]["max-age"] == ""
        answer = browser.register()
        assert answer.cookies[browser.proof_cookie]["max-age"] == 600
        browser.text("who")
        clock.shift(UNDER_WAY)
        assert browser.text("who") == "ann"
        closed = KeyBrowser(ann.world)
        closed.cookies[browser.proof_cookie] = browser.cookies[browser.proof_cookie].value

        assert closed.text("who") == "AnonymousUser"
        clock.shift(OVER)
        assert browser.text("who") == "AnonymousUser"
