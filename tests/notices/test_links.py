"""Where the link in a mail leads: to the site, whatever host a stranger asked for."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings

from sessions_plus.events import record
from sessions_plus.models import Event, Notice, Session
from tests.conftest import World
from tests.notices.mails import html_of, link_in, only_mail
from tests.support.browsers import FIREFOX, SAFARI, Browser

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]


def sign_in_at(host: str, *, secure: bool = False) -> None:
    """Sign in on two devices, so that a mail tells of the second one."""
    for agent in (FIREFOX, SAFARI):
        client = Client(headers={"user-agent": agent, "host": host})
        response = client.get("/sync/sign-in/", {"name": "ann"}, secure=secure)
        assert response.content == b"signed in"


def test_leads_to_the_host_that_was_asked_for(user: User) -> None:
    """Without a setting, a host that the site names in full is good for the link."""
    sign_in_at("localhost:8000")

    assert link_in(only_mail()).startswith("http://localhost:8000/account/notices/")


def test_keeps_https(user: User) -> None:
    """A site on HTTPS is linked to as such."""
    sign_in_at("testserver", secure=True)

    assert link_in(only_mail()).startswith("https://testserver/account/notices/")


@pytest.mark.parametrize("allowed", [["*"], [".example.net"]], ids=["any host", "any part of it"])
def test_host_of_a_strangers_choice_is_not_linked_to(user: User, allowed: list[str]) -> None:
    """Where a site answers to hosts that it does not name, whoever signs in chooses no link."""
    with override_settings(ALLOWED_HOSTS=allowed):
        sign_in_at("evil.example.net")

    message = only_mail()
    assert "evil.example.net" not in message.body + html_of(message)
    assert "change your password" in message.body
    assert "<a " not in html_of(message)
    assert Notice.objects.count() == 0


@pytest.mark.parametrize("address", ["https://shop.example", "https://shop.example/"])
def test_leads_to_the_site_of_the_setting(user: User, address: str) -> None:
    """The setting wins over the host of any request."""
    with override_settings(SESSIONS_PLUS_SITE_URL=address, ALLOWED_HOSTS=["*"]):
        sign_in_at("evil.example.net")

    message = only_mail()
    assert link_in(message).startswith("https://shop.example/account/notices/")
    assert "Account: ann (shop.example)" in message.body


def test_shell_has_no_host(user: User) -> None:
    """What is done in a shell is told without a link, or with one where the setting says."""
    record(Event.PASSWORD_CHANGED, user=user)
    assert "http" not in only_mail().body


def test_shell_links_to_the_site_of_the_setting(user: User) -> None:
    """A command's mail has a link where the site says where it is."""
    with override_settings(SESSIONS_PLUS_SITE_URL="https://shop.example"):
        record(Event.PASSWORD_CHANGED, user=user)

    assert link_in(only_mail()).startswith("https://shop.example/account/notices/")


@pytest.mark.urls("tests.support.sites")
def test_site_without_our_pages_has_no_link(user: User) -> None:
    """A site that mounts only the engine sends its mails without a link."""
    sign_in_at("testserver")

    assert "If this was not you, change your password" in only_mail().body
    assert Notice.objects.count() == 0


@override_settings(DEBUG=True, ALLOWED_HOSTS=[])
def test_own_machine_while_developing(user: User) -> None:
    """A developer who names no hosts gets links to their own machine."""
    sign_in_at("127.0.0.1:8000")

    assert link_in(only_mail()).startswith("http://127.0.0.1:8000/")


def test_each_mail_has_a_link_of_its_own(user: User, mailoutbox: list[Any]) -> None:
    """Two mails name two notices; a row holds the digest of its link only."""
    with override_settings(SESSIONS_PLUS_SITE_URL="https://shop.example"):
        for _ in range(2):
            record(Event.PASSWORD_CHANGED, user=user)

    links = {link_in(message) for message in mailoutbox}
    assert len(links) == Notice.objects.count() == 2
    for notice in Notice.objects.all():
        assert not any(notice.token_hash in link for link in links)


def test_ends_where_it_happened(user: User) -> None:
    """News of an account can be undone for the session and the device that caused them."""
    browser = Browser(World("sync"), user_agent=SAFARI)
    browser.get("sign-in", name="ann")
    browser.get("add-authenticator")

    notice = Notice.objects.get()
    session = Session.objects.get()
    assert (notice.session_public_id, notice.device_id) == (session.public_id, session.device_id)
    assert "Device: Safari on iOS" in only_mail().body


def test_anothers_session_is_not_named(user: User, staff: User) -> None:
    """What staff do to somebody's account names no session of theirs."""
    browser = Browser(World("sync"))
    browser.get("sign-in", name="root")
    with override_settings(SESSIONS_PLUS_SITE_URL="https://shop.example"):
        record(Event.AUTHENTICATOR_REMOVED, user=user, actor=staff)

    notice = Notice.objects.get()
    assert (notice.session_public_id, notice.device_id) == (None, None)
