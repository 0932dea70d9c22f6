"""One passkey on two domains of a site, in Chromium over TLS (WebAuthn §5.11, Related Origins)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib import admin
from django.test import override_settings
from django.urls import include, path
from playwright.sync_api import Browser, BrowserContext, BrowserType, Page, expect

from sessions_plus.models import Authenticator, Session, SessionEvent
from tests.conftest import PASSWORD, people
from tests.journeys.holder import NO_AUTOFILL, Holder
from tests.journeys.visitor import Visitor
from tests.support.bound_browsers import PATIENCE, certificate
from tests.support.tls import Certificate, Proxy, served

__all__ = ["certificate"]  # a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOME, RELATED, STRANGE = "shop.example", "shop.test", "other.test"

SITE: dict[str, Any] = {
    "ROOT_URLCONF": __name__,
    "STATIC_URL": "/static/",
    "SESSION_COOKIE_SECURE": True,
    "CSRF_COOKIE_SECURE": True,
    "ALLOWED_HOSTS": [HOME, RELATED, STRANGE],
    "SESSIONS_PLUS_SITE_URL": f"https://{HOME}",
    "SESSIONS_PLUS_PASSKEY_ORIGINS": [f"https://{HOME}", f"https://{RELATED}"],
}

urlpatterns = [
    path("account/", include("sessions_plus.urls")),
    path("admin/", admin.site.urls),
    path(".well-known/", include("sessions_plus.well_known_urls")),
]


@pytest.fixture
def proxy() -> Proxy:
    return Proxy()


@pytest.fixture
def site(proxy: Proxy, certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The site of all three domains; the value is where it really is."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's loop is in this thread
    people().create_user("ann", "ann@example.com", PASSWORD)
    with override_settings(**SITE), served(certificate, proxy) as address:
        yield address


@pytest.fixture
def browser_of_names(
    site: str,
    certificate: Certificate,
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
) -> Iterator[Browser]:
    """A Chromium for which the three domains, at their usual port, are this site."""
    port = urlsplit(site).port
    rules = [f"MAP {name} 127.0.0.1:{port}" for name in (HOME, RELATED, STRANGE)]
    options = {**browser_type_launch_args}
    options["args"] = [
        *options.get("args", []),
        f"--host-resolver-rules={', '.join(rules)}, MAP * ~NOTFOUND",
        f"--ignore-certificate-errors-spki-list={certificate.fingerprint}",
    ]
    browser = browser_type.launch(**options)
    yield browser
    browser.close()


@pytest.fixture
def context(browser_of_names: Browser) -> Iterator[BrowserContext]:
    context = browser_of_names.new_context()
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def holder(context: BrowserContext) -> Holder:
    """Ann, with a passkey that she made at the site's own domain."""
    page = context.new_page()
    page.add_init_script(NO_AUTOFILL)
    holder = Holder(Visitor(page, PASSWORD))
    sign_in_by_password(page)
    page.goto(f"https://{HOME}/account/security/passkeys/")
    page.get_by_label("Name").fill("My phone")
    holder.visitor.button("Add passkey").click()
    holder.keep_codes()
    assert Authenticator.objects.get().rp_id == HOME
    return holder


def sign_in_by_password(page: Page) -> None:
    page.goto(f"https://{HOME}/account/login/?next=/account/security/")
    Visitor(page, PASSWORD).fill_in_sign_in("ann")
    expect(page).to_have_url(f"https://{HOME}/account/security/")


def use_passkey_at(page: Page, host: str) -> None:
    page.goto(f"https://{host}/account/login/?next=/account/security/")
    page.get_by_role("button", name="Sign in with a passkey").click()


def test_a_passkey_of_one_domain_signs_in_at_the_other(holder: Holder, proxy: Proxy) -> None:
    """The browser asks the site's own domain which others are its, and signs there too."""
    proxy.seen.clear()

    use_passkey_at(holder.page, RELATED)

    expect(holder.page).to_have_url(f"https://{RELATED}/account/security/")
    expect(holder.page.get_by_text("My phone")).to_be_visible()
    assert ("GET", "/.well-known/webauthn", 200) in proxy.seen
    assert Session.objects.latest("pk").methods == ["pky", "swk"]


def test_a_passkey_made_at_the_other_domain_is_the_sites(holder: Holder) -> None:
    """Added on the related domain it is bound to the site's own, and signs in there."""
    page = holder.page
    use_passkey_at(page, RELATED)
    expect(page).to_have_url(f"https://{RELATED}/account/security/")
    holder.lose()
    page.goto(f"https://{RELATED}/account/security/passkeys/")
    page.get_by_label("Name").fill("My tablet")
    holder.visitor.button("Add passkey").click()
    expect(page.get_by_text("My tablet is set up.")).to_be_visible()
    page.context.clear_cookies()

    use_passkey_at(page, HOME)

    expect(page).to_have_url(f"https://{HOME}/account/security/")
    assert {row.rp_id for row in Authenticator.objects.all()} == {HOME}


def test_a_domain_that_nobody_named_gets_nothing(holder: Holder, proxy: Proxy) -> None:
    """There the browser refuses, the page says so, and the site is sent nothing to check."""
    before = Session.objects.count(), SessionEvent.objects.count()
    proxy.seen.clear()

    use_passkey_at(holder.page, STRANGE)

    expect(holder.page.get_by_role("alert")).to_be_visible()
    posts = [(path, status) for method, path, status in proxy.seen if method == "POST"]
    assert posts == [("/account/login/passkey/options/", 200)]
    assert (Session.objects.count(), SessionEvent.objects.count()) == before
