"""Sessions that are bound to their browser's device (DBSC): the browser, the thief, the proxies."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.db.models import Q
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.devices.device_keys import refresh as refreshing
from sessions_plus.lifecycle import revoke
from sessions_plus.models import DeviceKey, Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.bound_sessions import (
    HTTPS,
    MOMENT,
    OVER,
    START,
    UNDER_WAY,
    ann,
    clock,
    thief_of,
)
from tests.support.device_keys import REFRESH, REGISTER, KeyBrowser, SoftwareKey, nonce_in

__all__ = ["ann", "clock"]  # fixtures

pytestmark = [
    pytest.mark.urls("tests.support.bound_sites"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture(autouse=True)
def _bound() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(**HTTPS):
        yield


def columns() -> dict[str, Any]:
    return dict(Session.objects.values().order_by("pk")[0])


def events(name: str) -> list[SessionEvent]:
    return list(SessionEvent.objects.filter(event=name).order_by("pk"))


# The browser


def test_the_offer_comes_with_the_sign_in(
    engine: str, world: World, user: User, clock: Any
) -> None:
    """And with no other page: whoever has a stolen cookie could bind it first."""
    browser = KeyBrowser(world)
    browser.sign_in("ann")

    assert browser.offer is not None
    assert browser.offer.startswith(f'(ES256 RS256);path="{REGISTER}";challenge="')
    assert "Secure-Session-Registration" not in browser.get("who").headers


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_a_session_is_bound(
    engine: str, world: World, user: User, clock: Any, algorithm: str
) -> None:
    """Registration answers as Chromium takes it; the key is kept sealed, and told of."""
    browser = KeyBrowser(world, algorithm=algorithm)
    browser.sign_in("ann")

    answer = browser.register()

    told, cookie = answer.json(), answer.cookies[browser.proof_cookie]
    assert told["refresh_url"] == REFRESH
    assert told["scope"]["origin"] == "https://testserver"
    assert told["scope"]["scope_specification"][0]["path"] == "/static/"
    assert told["credentials"][0]["attributes"] == "Path=/; Secure; HttpOnly; SameSite=Lax"
    assert "Secure-Session-Challenge" not in answer.headers
    assert (cookie["path"], cookie["secure"], cookie["httponly"]) == ("/", True, True)
    assert (cookie["max-age"], cookie["domain"]) == (600, "")
    assert "no-store" in answer.headers["Cache-Control"]
    key, session = DeviceKey.objects.get(), Session.objects.get()
    assert (key.algorithm, key.session) == (algorithm, session)
    assert session.device_key_id == key.public_id
    assert browser.key_pair.jwk["kty"].encode() not in bytes(key.sealed_jwk)
    assert events("device_key.registered")[0].session_public_id == session.public_id


def test_the_first_proof_brings_a_nonce(ann: KeyBrowser, clock: Any) -> None:
    """On an ordinary page, as some proxies eat a 403: one POST then refreshes."""
    other = KeyBrowser(ann.world)
    other.sign_in("ann")
    other.register()

    page = other.get("who")

    assert Session.objects.order_by("-pk")[0].is_bound
    assert other.ask_to_refresh(nonce_in(page)).status_code == 200
    assert "Secure-Session-Challenge" not in other.get("who").headers


def test_refresh(ann: KeyBrowser, clock: Any) -> None:
    """Without a nonce 403 and one; with it a new cookie, and the next nonce."""
    before = ann.cookies[ann.proof_cookie].value

    first = ann.ask_to_refresh()
    clock.shift(MOMENT)
    answer = ann.ask_to_refresh(nonce_in(first))

    assert first.status_code == 403
    assert f';id="{ann.identifier}"' in first.headers["Secure-Session-Challenge"]
    assert answer.status_code == 200
    assert ann.cookies[ann.proof_cookie].value != before
    clock.shift(timedelta(minutes=14))
    assert ann.ask_to_refresh(nonce_in(answer)).status_code == 200
    assert DeviceKey.objects.get().last_proved_at == timezone.now()


def test_refresh_needs_no_other_cookie(ann: KeyBrowser, clock: Any) -> None:
    """Chromium may ask without any; and where a proxy ate the name, the session's tells."""
    bare = KeyBrowser(ann.world)
    bare.identifier, bare.key_pair = ann.identifier, ann.key_pair
    nameless = ann.ask("POST", REFRESH)
    answer = ann.ask(
        "POST", REFRESH, secure_session_response=ann.key_pair.proof(nonce_in(nameless))
    )

    clock.shift(MOMENT)
    assert bare.refresh().status_code == 200
    assert answer.status_code == 200


def test_refresh_is_no_activity(ann: KeyBrowser, clock: Any) -> None:
    """A browser that proves its key in the background keeps nothing alive."""
    before = columns()
    clock.shift(timedelta(minutes=20))

    assert ann.refresh().status_code == 200

    assert columns() == before


def test_a_proof_opens_the_session_until_it_ends(ann: KeyBrowser, clock: Any) -> None:
    """Its own age and a minute more; the browser then proves again, and goes on."""
    clock.shift(OVER - MOMENT - UNDER_WAY)
    assert ann.text("who") == "ann"

    clock.shift(MOMENT)

    assert ann.get("who").content == b"AnonymousUser"
    ann.lose_proof()
    ann.refresh()
    assert ann.text("who") == "ann"


def test_a_lost_answer_locks_nobody_out(engine: str, world: World, user: User, clock: Any) -> None:
    """A browser that never showed a proof is not asked for one, however late."""
    browser = KeyBrowser(world)
    browser.sign_in("ann")
    browser.register()
    browser.lose_proof()
    clock.shift(timedelta(hours=1))

    assert browser.text("who") == "ann"
    assert not Session.objects.get().is_bound


def test_requests_under_way_are_let_in(engine: str, world: World, user: User, clock: Any) -> None:
    """What was asked for before the browser had its proof arrives within ten seconds."""
    browser = KeyBrowser(world)
    browser.bind("ann")
    slow = thief_of(browser)
    assert slow.text("who") == "ann"

    clock.shift(UNDER_WAY)

    assert slow.text("who") == "AnonymousUser"


def test_rotation_keeps_the_key(ann: KeyBrowser, clock: Any) -> None:
    """A new session key is of the same session, so the proof holds for it."""
    before = ann.key
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=timedelta(seconds=1)):
        assert [ann.text("who") for _ in range(3)] == ["ann"] * 3

    assert ann.key != before
    assert ann.text("who") == "ann"
    assert Session.objects.get().is_bound


def test_signing_in_again_binds_anew(ann: KeyBrowser) -> None:
    """Also after a lost proof, which is how a person gets on whose browser lost its key."""
    ann.lose_proof()
    ann.sign_in("ann")
    assert ann.offer is not None
    assert ann.register().status_code == 200

    assert ann.text("who") == "ann"
    live = Session.objects.get(revoked_at=None)
    assert DeviceKey.objects.count() == 2
    assert live.device_key_id == DeviceKey.objects.order_by("-pk")[0].public_id


def test_signing_in_within_the_session_binds_anew(ann: KeyBrowser) -> None:
    """The same row, a new key; what was bound before is over for the browser."""
    old = ann.identifier
    ann.sign_in("ann")
    assert ann.offer is not None
    assert not Session.objects.get().is_bound

    ann.identifier = old
    answer = ann.ask_to_refresh()

    assert answer.json() == {"session_identifier": old, "continue": False}


def test_the_end_of_the_session_is_the_end_of_the_key(ann: KeyBrowser) -> None:
    """However it ended: the browser forgets its key, and gets no proof."""
    revoke(Session.objects.get(), reason=Reason.REVOKED)

    answer = ann.ask_to_refresh()

    assert answer.status_code == 200
    assert answer.json()["continue"] is False
    assert answer.cookies[ann.proof_cookie]["max-age"] == 0
    assert ann.text("who") == "AnonymousUser"


def test_a_dead_database_loses_no_key(ann: KeyBrowser, monkeypatch: pytest.MonkeyPatch) -> None:
    """503: the browser goes on with its key, and tries again."""

    def fail(*args: object) -> None:
        raise DatabaseError

    with monkeypatch.context() as patch:
        patch.setattr("sessions_plus.views.device_keys.find_key", fail)
        assert ann.ask_to_refresh().status_code == 503

    assert ann.refresh().status_code == 200


# Who is shown it


def test_who_is_shown_that_a_session_is_bound(ann: KeyBrowser, staff: User) -> None:
    """Its user on their pages and by the API, staff in the admin: this one and no other."""
    root = KeyBrowser(ann.world)
    root.sign_in("root")
    session = Session.objects.get(is_anns)

    page = ann.ask("GET", "/account/devices/").content.decode()
    listed = ann.ask("GET", "/api/sessions/").json()["results"]
    bound, unbound = (
        root.ask("GET", "/admin/sessions_plus/session/", data={"bound": answer}).content.decode()
        for answer in ("yes", "no")
    )

    details = ann.ask("GET", f"/account/devices/sessions/{session.public_id}/").content.decode()
    shown = root.ask("GET", f"/admin/sessions_plus/session/{session.pk}/change/").content.decode()
    one = ann.ask("GET", f"/api/sessions/{session.public_id}/").json()

    assert page.count("Bound to this device") == 1
    assert details.count("Bound to this device") == 1
    assert one["is_bound"] is True
    assert "Bound to its device" in shown
    assert [session["is_bound"] for session in listed] == [True]
    name = str(Session.objects.get(user=staff).pk)
    assert "Bound to this device" not in root.ask("GET", "/account/devices/").content.decode()
    assert f"session/{name}/change" not in bound
    assert f"session/{name}/change" in unbound
    assert f"session/{Session.objects.get(is_anns).pk}/change" in bound


is_anns = Q(user__username="ann")


# The thief


def test_a_thief_is_a_stranger(ann: KeyBrowser) -> None:
    """All cookies without the proof open nothing, change nothing, and take nothing away."""
    before, thief = columns(), thief_of(ann)
    cookies = {name: morsel.value for name, morsel in thief.cookies.items()}

    answers = [thief.text("who") for _ in range(3)]

    assert answers == ["AnonymousUser"] * 3
    assert columns() == before
    assert {name: morsel.value for name, morsel in thief.cookies.items()} == cookies
    assert ann.text("who") == "ann"


def test_a_thief_is_seen_once_an_interval(ann: KeyBrowser, clock: Any) -> None:
    """In the events, however often they ask."""
    thief = thief_of(ann)
    for _ in range(3):
        thief.text("who")
    assert len(events("device_key.missing")) == 1

    clock.shift(conf.ACTIVITY_INTERVAL)
    thief.text("who")

    assert [event.outcome for event in events("device_key.missing")] == ["failure"] * 2


def test_a_thief_ends_nothing(ann: KeyBrowser, clock: Any) -> None:
    """Neither by signing out, nor with an old key that would accuse, nor as another browser."""
    thief = thief_of(ann)
    thief.get("sign-out")
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=timedelta(seconds=1)):
        ann.text("who")
        clock.shift(UNDER_WAY)
        ann.text("who")
    clock.shift(timedelta(minutes=5))
    with override_settings(SESSIONS_PLUS_CLIENT_CHANGE="revoke"):
        thief.user_agent = "curl/8"
        assert thief.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_at is None
    assert thief.key != ann.key
    assert ann.text("who") == "ann"


def test_an_old_key_with_a_proof_still_accuses(ann: KeyBrowser, clock: Any) -> None:
    """Whoever has the proof as well has all there is to steal: the session ends, as ever."""
    twin = thief_of(ann)
    twin.cookies[ann.proof_cookie] = ann.cookies[ann.proof_cookie].value
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=timedelta(seconds=1)):
        ann.text("who")
        ann.text("who")
    clock.shift(timedelta(minutes=5))

    assert twin.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_reason == Reason.KEY_REUSED


def test_a_thief_cannot_bind_the_session(ann: KeyBrowser) -> None:
    """Neither the bound one again, nor one whose offer went to somebody else."""
    thief = KeyBrowser(ann.world)
    for name, morsel in ann.cookies.items():
        thief.cookies[name] = morsel.value
    thief.offer = ann.offer

    assert thief.register().status_code == 403

    assert events("device_key.refused")[0].reason == "second_key"
    assert DeviceKey.objects.count() == 1


@pytest.mark.parametrize("of_whom", ["nobody", "ben", "an older sign-in"])
def test_a_nonce_of_another_binds_nothing(
    engine: str, world: World, user: User, other_user: User, clock: Any, of_whom: str
) -> None:
    """A nonce is of one session, and of its latest sign-in."""
    browser, other = KeyBrowser(world), KeyBrowser(world)
    browser.sign_in("ann")
    nonce = browser.offered_nonce
    if of_whom == "ben":
        other.sign_in("ben")
        nonce = other.offered_nonce
    elif of_whom == "nobody":
        nonce = "made-up"
    else:
        clock.shift(MOMENT)
        browser.sign_in("ann")

    answer = browser.register(browser.key_pair.first_proof(nonce))

    assert answer.status_code == 403
    assert events("device_key.refused")[0].reason == "nonce"
    assert Session.objects.filter(device_key_id=None).count() == Session.objects.count()


def test_registration_needs_a_session(engine: str, world: World, user: User, clock: Any) -> None:
    """Whoever is not signed in binds nothing, and is written down nowhere."""
    browser = KeyBrowser(world)
    browser.offer = 'challenge="x"'

    assert browser.register().status_code == 403
    assert not SessionEvent.objects.exists()


def test_a_proof_counts_once(ann: KeyBrowser, clock: Any) -> None:
    """Neither a second time, nor after a newer one; the browser is told what to sign instead."""
    older = nonce_in(ann.ask_to_refresh())
    clock.shift(MOMENT)
    newer = nonce_in(ann.ask_to_refresh())
    assert ann.ask_to_refresh(newer).status_code == 200

    answers = [ann.ask_to_refresh(nonce) for nonce in (older, newer)]

    assert [answer.status_code for answer in answers] == [403, 403]
    assert all(nonce_in(answer) for answer in answers)


def test_another_key_proves_nothing(ann: KeyBrowser) -> None:
    """Not signed by the registered key, or for another session: 401, and no cookie."""
    nonce = nonce_in(ann.ask_to_refresh())
    ann.key_pair = SoftwareKey()

    answer = ann.ask_to_refresh(nonce)

    assert answer.status_code == 401
    assert not answer.cookies


def test_a_swapped_row_proves_nothing(ann: KeyBrowser) -> None:
    """Whoever can write to the database cannot put their own key under another's session."""
    thief = KeyBrowser(ann.world)
    thief.bind("ann")
    mine, theirs = DeviceKey.objects.order_by("pk")
    DeviceKey.objects.filter(pk=mine.pk).update(sealed_jwk=theirs.sealed_jwk)
    ann.key_pair = thief.key_pair

    assert ann.ask_to_refresh(nonce_in(ann.ask_to_refresh())).status_code == 401


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "https://evil.example"}, 403),
        ({"sec_secure_session_id": "made-up"}, 404),
        ({"secure_session_response": "x" * 5000}, 403),
        ({"secure_session_response": "a.b.c"}, 401),
    ],
    ids=["cross-site", "same-site", "origin", "unknown", "oversize", "garbage"],
)
def test_odd_refreshes(ann: KeyBrowser, header: dict[str, str], status: int) -> None:
    """Nobody but the browser itself gets anything, and nothing fails."""
    answer = ann.ask_to_refresh(**header)

    assert answer.status_code == status
    assert not answer.cookies
    if status != 403 or "secure_session_response" not in header:
        assert "Secure-Session-Challenge" not in answer.headers


def test_an_unknown_name_costs_nothing(ann: KeyBrowser) -> None:
    """What we never named is refused without asking the database."""
    with CaptureQueriesContext(connection) as asked:
        assert ann.ask_to_refresh(sec_secure_session_id="x" * 34).status_code == 404

    assert not asked


def test_another_sessions_cookie_refreshes_nothing(ann: KeyBrowser, other_user: User) -> None:
    """A name that does not belong to the session that came along is nobody's."""
    other = KeyBrowser(ann.world)
    other.bind("ben")
    other.identifier, other.key_pair = ann.identifier, ann.key_pair

    assert other.ask_to_refresh().status_code == 404


# Coming again with a proof


def test_a_link_from_another_site_asks_again(ann: KeyBrowser) -> None:
    """Browsers prove nothing for it: a page that asks for itself makes it their own."""
    ann.lose_proof()

    answer = ann.ask(
        "GET",
        f"/{ann.world.name}/who/?a=1&b=%22",
        sec_fetch_site="cross-site",
        sec_fetch_mode="navigate",
    )

    assert answer.status_code == 200
    assert answer.headers["Refresh"] == f"0;url=/{ann.world.name}/who/?a=1&b=%22"
    assert "no-store" in answer.headers["Cache-Control"]
    assert b"<script" not in answer.content
    assert b"AnonymousUser" not in answer.content
    ann.refresh()
    assert ann.text("who") == "ann"


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"sec_fetch_site": "same-origin", "sec_fetch_mode": "navigate"}),
        ("GET", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "cors"}),
        ("POST", {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate"}),
        ("GET", {}),
    ],
    ids=["the second time", "no page", "a form", "another browser"],
)
def test_nothing_goes_round_in_a_circle(
    ann: KeyBrowser, method: str, headers: dict[str, str]
) -> None:
    ann.lose_proof()

    answer = ann.ask(method, f"/{ann.world.name}/who/", **headers)

    assert "Refresh" not in answer.headers
    assert answer.content == b"AnonymousUser"


def test_a_wrong_proof_cookie_makes_room(ann: KeyBrowser) -> None:
    """Our keys changed: the browser drops it, asks again, and proves its key before."""
    ann.cookies[ann.proof_cookie] = "x" * 40
    path = f"/{ann.world.name}/who/"

    answer = ann.ask("GET", path, sec_fetch_site="same-origin")

    assert (answer.status_code, answer.headers["Location"]) == (307, path)
    assert answer.cookies[ann.proof_cookie]["max-age"] == 0
    ann.lose_proof()
    assert ann.ask("GET", path, sec_fetch_site="same-origin").content == b"AnonymousUser"


def test_a_stranger_may_begin_anew(ann: KeyBrowser) -> None:
    """Whose browser lost its key needs a session to sign in with; the bound one lives on."""
    stranger = thief_of(ann)

    stranger.get("write", color="red")

    assert stranger.text("read") == "red"
    assert stranger.key != ann.key
    assert ann.text("who") == "ann"


def test_a_browser_that_will_prove_later_keeps_its_cookie(ann: KeyBrowser) -> None:
    """It says so where it could not reach us: what the page stored for a stranger is not kept."""
    browser = thief_of(ann)
    browser.headers["Secure-Session-Skipped"] = "unreachable"

    browser.get("write", color="red")

    assert browser.key == ann.key


# The operator


def test_off_offers_nothing(engine: str, world: World, user: User, clock: Any) -> None:
    """No header, no column, no statement."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="off"):
        browser = KeyBrowser(world)
        browser.sign_in("ann")

    assert browser.offer is None
    assert not any("Secure-Session" in name for name in browser.response.headers)


def test_off_again_asks_for_no_proof(ann: KeyBrowser) -> None:
    """A site that changes its mind locks nobody out, and writes nothing down."""
    ann.lose_proof()
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="off"):
        assert ann.text("who") == "ann"

    assert not events("device_key.missing")


def test_observe_refuses_nothing(ann: KeyBrowser) -> None:
    """It says what would be refused."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="observe"):
        assert thief_of(ann).text("who") == "ann"

    assert [event.reason for event in events("device_key.missing")] == ["observed"]


def only_staff(user: Any) -> str:
    return "enforce" if user.is_staff else "off"


@pytest.mark.parametrize("how", [only_staff, f"{__name__}.only_staff"], ids=["function", "path"])
def test_a_function_decides_for_each_user(
    engine: str, world: World, user: User, staff: User, clock: Any, how: Any
) -> None:
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING=how):
        ann, root = KeyBrowser(world), KeyBrowser(world)
        ann.sign_in("ann")
        root.bind("root")
        clock.shift(UNDER_WAY)
        root.lose_proof()

        assert ann.offer is None
        assert root.text("who") == "AnonymousUser"


def test_plain_http_offers_nothing(engine: str, world: World, user: User) -> None:
    """Browsers would not take it up."""
    browser = KeyBrowser(world)
    url, parameters = f"/{world.name}/sign-in/", {"name": "ann"}
    response = world(_Asking(browser), "ask", url, parameters)

    assert "Secure-Session-Registration" not in response.headers


class _Asking:
    """Asks by plain HTTP."""

    def __init__(self, browser: KeyBrowser) -> None:
        self.client = browser.client

    def ask(self, url: str, parameters: dict[str, str]) -> Any:
        return self.client.get(url, parameters)

    async def aask(self, url: str, parameters: dict[str, str]) -> Any:
        return await self.client.get(url, parameters)


@pytest.mark.parametrize("engine", ["cached_db"], indirect=True)
def test_a_proved_read_asks_no_database(ann: KeyBrowser) -> None:
    """A bound session is served by its copy, as any other; a thief is not."""
    ann.text("read")

    with CaptureQueriesContext(connection) as asked:
        assert ann.text("read") == "none"

    assert not asked


def test_one_proof_counts_once_among_forty(ann: KeyBrowser, clock: Any) -> None:
    """Forty requests with one proof at the same time: one gets a cookie."""
    threads = 4 if connection.vendor == "sqlite" else 40  # it has one writer at a time
    key = DeviceKey.objects.get()
    proof = ann.key_pair.proof(nonce_in(ann.ask_to_refresh()))
    here = f"https://testserver{REFRESH}"

    def ask(_: int) -> refreshing.Answer:
        try:
            return refreshing.refresh(
                key, proof, audience=here, now=START + timedelta(seconds=20)
            ).answer
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        answers = list(pool.map(ask, range(40)))

    assert answers.count(refreshing.Answer.PROVED) == 1
    assert answers.count(refreshing.Answer.TRY_AGAIN) == 39
