"""A cookie that was carried to another browser or network: noticed at once, as the site asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import override_settings
from pytest_django import DjangoAssertNumQueries

from sessions_plus.conf import conf
from sessions_plus.models import Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.moments import START

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]

NEWER_FIREFOX = FIREFOX.replace("140.0", "141.0")
CHROME = (
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/138.0.0.0 Safari/537.36"
)
FIREFOX_ON_WINDOWS = FIREFOX.replace("X11; Linux x86_64", "Windows NT 10.0; Win64; x64")

EVENT = "session.client_changed"

Clock = Any


@pytest.fixture(autouse=True)
def _one_proxy() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(SESSIONS_PLUS_TRUSTED_PROXY_COUNT=1):
        yield


@pytest.fixture
def clock() -> Any:
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller


@pytest.fixture
def ann(engine: str, world: World, user: User, clock: Clock) -> Browser:
    """Ann's Firefox on Linux, signed in and used."""
    browser = Browser(world)
    call_from(browser, "127.0.0.1")
    browser.get("sign-in", name="ann")
    assert browser.text("who") == "ann"
    return browser


def stolen(browser: Browser, user_agent: str = CHROME, ip_address: str = "127.0.0.1") -> Browser:
    """Carry all cookies of a browser to another one."""
    thief = Browser(browser.world, user_agent=user_agent)
    call_from(thief, ip_address)
    for name, morsel in browser.cookies.items():
        thief.cookies[name] = morsel.value
    return thief


def call_from(browser: Browser, ip_address: str) -> None:
    """Let a browser call through the site's proxy from now on."""
    browser.headers["x-forwarded-for"] = ip_address


def changes() -> list[tuple[str, str]]:
    found = SessionEvent.objects.filter(event=EVENT).order_by("pk")
    return list(found.values_list("outcome", "reason"))


def choose(client: str = "ignore", network: str = "ignore") -> override_settings:
    return override_settings(
        SESSIONS_PLUS_CLIENT_CHANGE=client, SESSIONS_PLUS_NETWORK_CHANGE=network
    )


CASES: dict[str, Callable[[Browser], Browser]] = {
    "browser": lambda ann: stolen(ann, CHROME),
    "system": lambda ann: stolen(ann, FIREFOX_ON_WINDOWS),
    "browser system": lambda ann: stolen(ann, SAFARI),
    "network": lambda ann: stolen(ann, FIREFOX, "203.0.113.7"),
}


@pytest.mark.parametrize("what", CASES)
def test_revoke_ends_it_at_once(ann: Browser, what: str) -> None:
    """Under `revoke` the other client is a stranger, within the activity interval, too."""
    with choose("revoke", "revoke"):
        assert CASES[what](ann).text("who") == "AnonymousUser"
        assert ann.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_reason == Reason.CLIENT_CHANGED
    assert changes() == [("failure", what)]


@pytest.mark.parametrize("what", CASES)
def test_record_lets_it_go_on(ann: Browser, what: str) -> None:
    """Under `record` the other client goes on, and an event tells what is different."""
    with choose("record", "record"):
        assert CASES[what](ann).text("who") == "ann"

    assert changes() == [("success", what)]


@pytest.mark.parametrize("what", CASES)
def test_ignore_ignores(ann: Browser, what: str) -> None:
    """Under `ignore` nothing happens."""
    with choose():
        assert CASES[what](ann).text("who") == "ann"

    assert changes() == []


def test_defaults(ann: Browser) -> None:
    """Out of the box a change of browser is recorded, and one of network is nobody's business."""
    assert stolen(ann, FIREFOX, "203.0.113.7").text("who") == "ann"
    assert changes() == []

    assert stolen(ann, CHROME).text("who") == "ann"
    assert changes() == [("success", "browser")]


@pytest.mark.parametrize("strict", ["revoke", "reauthenticate"])
@pytest.mark.parametrize(
    ("user_agent", "ip_address"),
    [
        pytest.param(NEWER_FIREFOX, "127.0.0.1", id="browser updated"),
        pytest.param(FIREFOX, "127.0.0.200", id="same network"),
        pytest.param(FIREFOX.replace("rv:140.0", "rv:140.1"), "127.0.0.1", id="patched"),
    ],
)
def test_what_is_no_change(ann: Browser, strict: str, user_agent: str, ip_address: str) -> None:
    """An update of the browser, or another address of the same network, is the same client."""
    with choose(strict, strict):
        assert stolen(ann, user_agent, ip_address).text("who") == "ann"

    assert changes() == []


def test_update_is_written_with_the_next_touch(ann: Browser, clock: Clock) -> None:
    """What the browser says of itself is kept up to date."""
    clock.shift(conf.ACTIVITY_INTERVAL)
    with choose("revoke", "revoke"):
        stolen(ann, NEWER_FIREFOX).text("who")

    assert Session.objects.get().browser_version == "141"


@pytest.mark.parametrize(
    ("privacy", "known"),
    [("full", True), ("truncated", True), ("none", False)],
)
def test_network_under_privacy(
    engine: str, world: World, user: User, privacy: str, known: bool
) -> None:
    """A network is told apart from what may be stored of the address; from nothing, nothing."""
    with choose(network="revoke"), override_settings(SESSIONS_PLUS_IP_ADDRESS_PRIVACY=privacy):
        browser = Browser(world)
        call_from(browser, "127.0.0.1")
        browser.get("sign-in", name="ann")
        thief = stolen(browser, FIREFOX, "203.0.113.7")

        assert thief.text("who") == ("AnonymousUser" if known else "ann")


def test_ipv6_network(engine: str, world: World, user: User) -> None:
    """Of IPv6 a /48 is one network."""
    with choose(network="revoke"):
        browser = Browser(world)
        call_from(browser, "2001:db8:1:1::1")
        browser.get("sign-in", name="ann")

        assert stolen(browser, FIREFOX, "2001:db8:1:ffff::2").text("who") == "ann"
        assert stolen(browser, FIREFOX, "2001:db8:2:1::1").text("who") == "AnonymousUser"


@pytest.mark.parametrize("view", ["who", "write"])
def test_clients_that_take_turns_fill_no_table(ann: Browser, clock: Clock, view: str) -> None:
    """Under `record`, two networks in turn leave one event per interval, saves or not."""
    roaming = stolen(ann, FIREFOX, "203.0.113.7")

    with choose("record", "record"):
        for _ in range(30):
            for browser in (ann, roaming):
                browser.get(view)
            clock.shift(timedelta(seconds=4))

    assert 1 <= len(changes()) <= 2


def test_taking_turns_costs_no_write(
    engine: str, user: User, clock: Clock, django_assert_max_num_queries: Any
) -> None:
    """Between two recorded changes a change costs what any request does."""
    ann = Browser(World("sync"))
    call_from(ann, "127.0.0.1")
    ann.get("sign-in", name="ann")
    roaming = stolen(ann, FIREFOX, "203.0.113.7")
    with choose("record", "record"):
        roaming.get("read")
        ann.get("read")
        before = Session.objects.values().get()
        with django_assert_max_num_queries(20 if engine.endswith(".db") else 0):
            for browser in (ann, roaming) * 10:
                browser.get("read")

    assert Session.objects.values().get() == before


def test_same_client_costs_nothing(
    engine: str, user: User, clock: Clock, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """The strictest settings add no query to the client of before."""
    with choose("revoke", "revoke"):
        browser = Browser(World("sync"))
        browser.get("sign-in", name="ann")
        browser.get("read")
        with django_assert_num_queries(1 if engine.endswith(".db") else 0):
            browser.get("read")


def test_change_never_extends_the_absolute_lifetime(ann: Browser, clock: Clock) -> None:
    """However clients change, the session ends with its absolute lifetime."""
    roaming = stolen(ann, FIREFOX, "203.0.113.7")
    with choose("record", "record"):
        clock.shift(conf.ABSOLUTE_LIFETIME or timedelta())
        assert roaming.text("who") == "AnonymousUser"

    assert Session.objects.get().revoked_reason == Reason.ABSOLUTE


def test_anonymous_sessions_are_left_alone(engine: str, world: World, db: None) -> None:
    """A visitor's basket follows them, whatever they browse with."""
    visitor = Browser(world)
    visitor.get("write", color="red")

    with choose("revoke", "revoke"):
        assert stolen(visitor, SAFARI, "203.0.113.7").text("read") == "red"


def test_made_without_a_request(engine: str, world: World, user: User) -> None:
    """A session that a program made has no client yet: the first one that comes is taken."""
    browser = Browser(world, user_agent="")
    browser.get("sign-in", name="ann")

    with choose("revoke"):
        assert stolen(browser, FIREFOX).text("who") == "ann"


def test_signing_in_accepts_the_client(ann: Browser) -> None:
    """Whoever signs in, in whatever browser, has a session that is known by it."""
    with choose("revoke", "revoke"):
        other = Browser(ann.world, user_agent=SAFARI)
        other.get("sign-in", name="ann")

        assert other.text("who") == "ann"
        assert ann.text("who") == "ann"


class TestReauthenticate:
    """Under `reauthenticate` nothing goes on before its user proved themselves again."""

    @pytest.fixture(autouse=True)
    def _chosen(self) -> Any:
        with choose("reauthenticate", "reauthenticate"):
            yield

    def test_leads_to_the_page(self, ann: Browser) -> None:
        """A person is led to prove themselves, and comes back."""
        response = stolen(ann).get("who")

        assert response.status_code == 302
        target = f"/account/reauthenticate/?next=%2F{ann.world.name}%2Fwho%2F&factors=one"
        assert response["Location"] == target
        assert changes() == [("failure", "browser")]

    def test_programs_are_told(self, ann: Browser) -> None:
        """A script gets an error with a code."""
        thief = stolen(ann)
        thief.headers["sec-fetch-dest"] = "empty"

        response = thief.get("who")

        assert response.status_code == 403
        assert response.json()["code"] == "reauthentication_required"

    def test_holds_for_every_client(self, ann: Browser) -> None:
        """Neither the other client nor the one of before goes on."""
        stolen(ann).get("who")

        assert ann.get("who").status_code == 302
        assert ann.get("write").status_code == 302
        assert changes() == [("failure", "browser")]

    def test_refused_requests_keep_nothing_alive(self, ann: Browser, clock: Clock) -> None:
        """A session that waits to be proved again ends by its idle timeout, polled or not."""
        thief = stolen(ann)
        thief.get("who")
        with override_settings(SESSIONS_PLUS_IDLE_TIMEOUT=timedelta(hours=1)):
            for _ in range(6):
                clock.shift(timedelta(minutes=9))
                assert thief.get("who").status_code == 302
            clock.shift(timedelta(minutes=6))

            assert thief.text("who") == "AnonymousUser"

    def test_sign_out_is_open(self, engine: str, user: User) -> None:
        """Who cannot prove themselves may leave."""
        browser = Browser(World("sync"))
        browser.get("sign-in", name="ann")
        moved = stolen(browser)
        moved.get("who")

        response = moved.client.post("/account/logout/", headers={"user-agent": CHROME})

        assert response.status_code == 302
        assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT

    def test_proof_ends_it(self, engine: str, user: User, password: str) -> None:
        """With the password the session goes on, known by the new client, under a new key."""
        browser = Browser(World("sync"))
        browser.get("sign-in", name="ann")
        moved = stolen(browser, SAFARI, "203.0.113.7")
        moved.get("who")
        moved.client.defaults |= {
            "HTTP_USER_AGENT": SAFARI,
            "HTTP_X_FORWARDED_FOR": "203.0.113.7",
        }

        page = moved.client.get("/account/reauthenticate/?factors=one&next=/sync/who/")
        proved = moved.client.post(
            "/account/reauthenticate/?factors=one&next=/sync/who/", {"password": password}
        )

        assert page.status_code == 200
        assert (proved.status_code, proved["Location"]) == (302, "/sync/who/")
        assert moved.text("who") == "ann"
        session = Session.objects.get()
        assert (session.system, session.ip_address) == ("iOS", "203.0.113.7")
        assert browser.text("who") == "AnonymousUser"

    @pytest.mark.urls("tests.support.sites")
    def test_site_without_our_pages(self, ann: Browser) -> None:
        """Where there is no page to prove oneself on, the request is refused all the same."""
        assert stolen(ann).get("who").status_code == 403

    def test_turned_off_again(self, ann: Browser) -> None:
        """A site that no longer asks lets the sessions go on that waited."""
        stolen(ann).get("who")

        with choose("record"):
            assert ann.text("who") == "ann"
