"""A session bound to its device, in a real Chromium over TLS whose keys are software."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import DatabaseError
from django.test import override_settings
from playwright.sync_api import Browser, BrowserContext, BrowserType, expect

from sessions_plus.models import DeviceKey, Session, SessionEvent
from tests.conftest import people
from tests.support.bound_browsers import (
    PATIENCE,
    REFRESH,
    certificate,
    chromium,
    launch_options,
    lose_proof,
    proof_of,
    sign_in,
    who,
)
from tests.support.tls import Certificate, Proxy, served

__all__ = ["certificate", "chromium", "launch_options"]  # fixtures

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SITE: dict[str, Any] = {
    "ROOT_URLCONF": "tests.support.bound_sites",
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSIONS_PLUS_DEVICE_BINDING": "enforce",
    "STATIC_URL": "/static/",
    "ALLOWED_HOSTS": ["localhost", "127.0.0.1"],
}


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
def site(
    engine: str, proxy: Proxy, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    caches["default"].clear()
    # Nothing of these tests is under way when a session was bound, and none waits for it.
    monkeypatch.setattr("sessions_plus.device_proof.rule.UNDER_WAY", timedelta(0))
    people().create_user("ann", "ann@example.com", "secret")
    people().create_user("ben", "ben@example.com", "secret")
    with override_settings(**SITE), served(certificate, proxy) as address:
        yield address


@pytest.fixture
def open_browser(chromium: Browser, site: str) -> Iterator[Callable[[], BrowserContext]]:
    """Open a profile of its own, as on another device."""
    opened: list[BrowserContext] = []

    def make() -> BrowserContext:
        context = chromium.new_context(base_url=site)
        context.set_default_timeout(PATIENCE)
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()


def test_a_person_notices_nothing(open_browser: Callable[[], BrowserContext], proxy: Proxy) -> None:
    """Bound at the sign-in, refreshed when the proof is over, in one POST."""
    context = open_browser()
    page = sign_in(context)
    assert Session.objects.get().is_bound
    lose_proof(context)
    proxy.seen.clear()

    assert who(page) == "ann"

    assert [status for _, path, status in proxy.seen if path == REFRESH] == [200]
    assert DeviceKey.objects.get().last_proved_at is not None
    page.goto("/account/devices/")
    expect(page.get_by_text("Bound to this device")).to_be_visible()


def test_a_thief_with_every_cookie_is_a_stranger(
    open_browser: Callable[[], BrowserContext],
) -> None:
    """They go in until the proof ends; the person goes on."""
    context, thief = open_browser(), open_browser()
    page = sign_in(context)
    thief.add_cookies(context.cookies())  # type: ignore[arg-type]  # the same facts
    assert who(thief.new_page()) == "ann"

    lose_proof(thief)

    assert who(thief.new_page()) == "AnonymousUser"
    lose_proof(context)
    assert who(page) == "ann"
    assert SessionEvent.objects.filter(event="device_key.missing").count() == 1
    assert Session.objects.get().revoked_at is None


def test_a_link_from_another_site_signs_nobody_out(
    open_browser: Callable[[], BrowserContext], site: str
) -> None:
    """The browser proves nothing for it, so the page asks for itself once more."""
    context = open_browser()
    page = sign_in(context)
    lose_proof(context)
    page.goto(f"{site.replace('localhost', '127.0.0.1')}/sync/nothing/")
    page.evaluate("url => { location.href = url }", f"{site}/sync/who/?from=elsewhere")

    expect(page.locator("body")).to_have_text("ann")
    assert page.url == f"{site}/sync/who/?from=elsewhere"


def test_eight_tabs_at_once(open_browser: Callable[[], BrowserContext], proxy: Proxy) -> None:
    """All are held until one proof is there, and none is a stranger's."""
    context = open_browser()
    page = sign_in(context)
    lose_proof(context)

    found = page.evaluate(
        "() => Promise.all([...Array(8)].map(() => fetch('/sync/who/').then(r => r.text())))"
    )

    assert found == ["ann"] * 8


def test_key_rotation_every_moment(open_browser: Callable[[], BrowserContext]) -> None:
    """A new session key with each request takes no proof away."""
    with override_settings(SESSIONS_PLUS_ROTATION_INTERVAL=timedelta(microseconds=1)):
        context = open_browser()
        page = sign_in(context)
        assert [who(page) for _ in range(4)] == ["ann"] * 4
        lose_proof(context)
        assert who(page) == "ann"


def test_sign_out_ends_it(open_browser: Callable[[], BrowserContext]) -> None:
    """And another account in the same browser is bound for itself."""
    context = open_browser()
    page = sign_in(context)
    page.goto("/sync/sign-out/")
    page = sign_in(context, "ben")
    lose_proof(context)

    assert who(page) == "ben"


def test_a_proxy_that_eats_every_403(
    open_browser: Callable[[], BrowserContext], proxy: Proxy
) -> None:
    """The nonce came with an ordinary page, so the first refresh needs no 403."""
    proxy.replaces = (403,)
    context = open_browser()
    page = sign_in(context)

    for _ in range(3):
        lose_proof(context)
        assert who(page) == "ann"


def test_a_proxy_that_eats_the_name(
    open_browser: Callable[[], BrowserContext], proxy: Proxy
) -> None:
    """The session's cookie tells which key is meant."""
    proxy.drops_sent = ("HTTP_SEC_SECURE_SESSION_ID",)
    context = open_browser()
    page = sign_in(context)
    lose_proof(context)

    assert who(page) == "ann"


def test_a_refresh_that_meets_a_dead_database(
    open_browser: Callable[[], BrowserContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page is a stranger's for that moment; then the browser goes on with its key."""

    def fail(*args: object) -> None:
        raise DatabaseError

    context = open_browser()
    page = sign_in(context)
    lose_proof(context)
    with monkeypatch.context() as patch:
        patch.setattr("sessions_plus.views.device_keys.find_key", fail)
        assert who(page) == "AnonymousUser"

    assert who(page) == "ann"


def test_keys_of_the_site_that_changed(open_browser: Callable[[], BrowserContext]) -> None:
    """A proof cookie that holds no more makes room for one that does."""
    context = open_browser()
    page = sign_in(context)
    name = proof_of(context)
    cookie = next(one for one in context.cookies() if one.get("name") == name)
    context.add_cookies([{**cookie, "value": "x" * 40}])  # type: ignore[typeddict-item]

    page.goto("/sync/nothing/")
    page.evaluate("() => { location.href = '/sync/who/' }")

    expect(page.locator("body")).to_have_text("ann")


def test_a_site_that_only_looks(open_browser: Callable[[], BrowserContext]) -> None:
    """With ``observe`` all is done, and nobody is refused."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING="observe"):
        context, thief = open_browser(), open_browser()
        sign_in(context)
        thief.add_cookies(context.cookies())  # type: ignore[arg-type]  # the same facts
        lose_proof(thief)

        assert who(thief.new_page()) == "ann"
    assert SessionEvent.objects.get(event="device_key.missing").reason == "observed"


def test_a_restart_of_the_browser(
    browser_type: BrowserType, launch_options: dict[str, Any], site: str, tmp_path: Path
) -> None:
    """The key is kept with the profile: the next day's first page proves it, and opens."""

    def start() -> BrowserContext:
        profile = browser_type.launch_persistent_context(tmp_path, base_url=site, **launch_options)
        profile.set_default_timeout(PATIENCE)
        return profile

    context = start()
    sign_in(context)
    lose_proof(context)
    context.close()
    context = start()

    assert who(context.new_page()) == "ann"
    assert DeviceKey.objects.get().last_proved_at is not None
    context.close()
