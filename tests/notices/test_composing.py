"""The words of a mail: in its reader's language, with nothing in them that a stranger wrote."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings
from django.utils import timezone, translation

from sessions_plus.devices.naming import rename
from sessions_plus.events import record
from sessions_plus.models import Device, Event
from sessions_plus.moments import in_local
from sessions_plus.notices.composing import not_a_link, one_line
from sessions_plus.notices.letters import LETTERS
from tests.notices.mails import html_of, link_in, only_mail, sign_in_elsewhere
from tests.support.browsers import SAFARI

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]

PHISHING = "Mozilla/5.0 evil.example.com/1 <a href=https://evil.example>click</a>"
NASTY_AGENTS = [
    pytest.param(PHISHING, id="link and tag"),
    pytest.param("evil.example.com/1", id="product that is a domain"),
    pytest.param("Evil\r\nBcc: eve@example.com\r\n\r\nhello/1", id="header"),
    pytest.param("\x1b[2J\u202egnp.exe/1", id="escape and bidi"),
    pytest.param("{{ settings.SECRET_KEY }}/1 {% debug %} %s {0}", id="template"),
    pytest.param("A" * 100_000 + "/1", id="100 kB"),
]


@pytest.mark.parametrize("agent", NASTY_AGENTS)
def test_user_agents_are_no_words_of_ours(user: User, agent: str) -> None:
    """Whatever a stranger's browser calls itself adds no header, line, tag or link."""
    sign_in_elsewhere(user_agent=agent.encode("utf-8").decode("latin-1"))

    message = only_mail()

    addresses = set(re.findall(r"https?://[^\s\"<]+", message.body))
    assert addresses == {link_in(message)}
    assert "evil.example" not in message.body + html_of(message)
    assert html_of(message).count("<a ") == 1
    assert set(message.message().keys()) == {
        *("Content-Type", "MIME-Version", "Subject", "From", "To", "Date", "Message-ID")
    }
    assert all(sign.isprintable() or sign == "\n" for sign in message.body)
    assert len(message.body) < 2000


def test_device_names_are_no_words_of_ours(user: User) -> None:
    """A device that somebody else named cannot send its owner elsewhere."""
    sign_in_elsewhere()
    device = Device.objects.get(system="iOS")
    rename(device, "Reset at https://evil.example/<b>now</b>")
    mail.outbox.clear()

    record(Event.DEVICE_TRUSTED, user=user, device=device)

    message = only_mail()
    assert "Device: Reset at https evil example/<b>now</b>" in message.body
    assert "Reset at https evil example/&lt;b&gt;now&lt;/b&gt;" in html_of(message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Firefox on Linux", "Firefox on Linux"),
        ("Ann's old iPad.", "Ann's old iPad."),
        ("see https://evil.example/x", "see https evil example/x"),
        ("evil.example.com", "evil example com"),
        ("//evil.example", "evil example"),
        ("mail eve@example.com", "mail eve example com"),
        ("javascript:alert(1)", "javascript alert(1)"),
        ("two\nlines\u2028three", "two lines three"),
    ],
)
def test_not_a_link(text: str, expected: str) -> None:
    """No mail program finds an address in a text that a stranger may have written."""
    assert not_a_link(text) == expected


def test_one_line() -> None:
    """Line breaks of every kind, controls and bidirectional overrides go."""
    assert one_line(" a\r\nb\x00c\u2028d\u202ee\x1b[2Jf ") == "a b c d e [2Jf"


def test_names_that_are_addresses_stay(user: User) -> None:
    """On a site where people sign in with their address, the mail names it."""
    user.username = "ann@example.com"

    record(Event.PASSWORD_CHANGED, user=user)

    assert "Account: ann@example.com" in only_mail().body


def test_names_that_are_sites_do_not(user: User) -> None:
    """Nobody's name on the site leads away from it."""
    user.username = "evil.example"

    record(Event.PASSWORD_CHANGED, user=user)

    assert "Account: evil example\n" in only_mail().body


def test_language_is_the_readers(user: User) -> None:
    """A stranger's browser does not choose the language of a mail; the site does."""
    with translation.override("fr"):
        record(Event.PASSWORD_CHANGED, user=user)

    message = only_mail()
    assert '<html lang="en" dir="ltr">' in html_of(message)
    assert re.search(r"When: [A-Z][a-z]+\.? \d+, \d{4}", message.body)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("tests.notices.senders.german", "de"),
        (lambda user: "ar", "ar"),
        ("tests.notices.senders.no_language", "en"),
    ],
    ids=["path", "function", "none"],
)
def test_site_chooses_the_language(user: User, chosen: object, expected: str) -> None:
    """A site that knows its people's languages says so."""
    with override_settings(SESSIONS_PLUS_NOTICE_LANGUAGE=chosen):
        record(Event.PASSWORD_CHANGED, user=user)

    assert f'<html lang="{expected}"' in html_of(only_mail())


def test_time_zone_is_the_sites(user: User) -> None:
    """A mail tells when in the site's time zone, and names it, whatever the request's was."""
    with timezone.override("Pacific/Kiritimati"), override_settings(TIME_ZONE="Europe/Berlin"):
        record(Event.PASSWORD_CHANGED, user=user)

    assert re.search(r"When: .*\(CES?T\)", only_mail().body)


@pytest.mark.parametrize("event", LETTERS)
def test_every_letter_says_when_there_is_nothing_to_do(user: User, staff: User, event: str) -> None:
    """A mail says what happened, when it is harmless, and what to do if it is not."""
    letter = LETTERS[event]
    record(
        Event(event),
        user=user,
        reason="".join(letter.by_staff[:1]),
        actor=staff if letter.by_staff else None,
    )

    message = only_mail()
    for part in (letter.lead, letter.harmless):
        assert str(part) in message.body
    assert "If this was not you, change your password" in message.body
    assert str(letter.lead) in html_of(message)


def test_staff_is_named_as_such(user: User, staff: User) -> None:
    """A mail says where an administrator did it, and not which."""
    record(Event.AUTHENTICATOR_REMOVED, user=user, actor=staff)

    body = only_mail().body
    assert "Done by: an administrator of the site" in body
    assert "root" not in body


def test_agent_is_named(user: User) -> None:
    """Person, device, address and moment are in both forms of a mail."""
    sign_in_elsewhere(user_agent=SAFARI)

    message = only_mail()
    zone = str(in_local(timezone.now()).tzname())
    for part in ("ann", "testserver", "Safari on iOS", "127.0.0.1", zone):
        assert part in message.body
        assert part in html_of(message)
