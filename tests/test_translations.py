"""Every text is translated, as it is in the code, and people read it in their language."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import gettext, override

from sessions_plus.events import record
from sessions_plus.models import Event
from sessions_plus.notices.composing import one_line
from sessions_plus.notices.letters import LETTERS
from sessions_plus.templatetags.sessions_plus import in_words
from tests.notices.mails import html_of, only_mail
from tests.support.authenticators import enrol
from tests.support.moments import utc
from tests.support.services import obtain
from tests.support.services.process import find_program
from tests.support.translations import (
    LANGUAGES,
    PACKAGES,
    ROOT,
    SOURCES,
    places,
    read_compiled,
    read_source,
    tags,
)

SETTINGS = "DJANGO_SETTINGS_MODULE"
REMEDY = "run `make messages`, translate what is empty or fuzzy, run it again, and commit"

EACH_SOURCE = pytest.mark.parametrize(
    "source",
    [
        pytest.param(source, id=f"{source.relative_to(ROOT).parts[0]}, {source.parts[-3]}")
        for source in SOURCES
    ],
)

# What a language's printers never do. Only where a rule of it has no exceptions.
MISPRINTS = {
    # Before a high sign of punctuation, and inside guillemets, a space that does not break.
    "fr": re.compile(r"(?<!\xa0)(?:[;!?»]|:(?=\s|$))|«(?!\xa0)|'"),
}

ANYBODYS_PAGES = (
    "login/",
    "login/recover/",
    "password/reset/",
    "password/reset/sent/",
    "password/reset/done/",
)
ONES_OWN_PAGES = (
    *("devices/", "devices/revoke-others/", "activity/", "data/"),
    *("security/", "security/passkeys/", "security/password/", "reauthenticate/"),
)


def test_languages() -> None:
    """German and French are whole, and each language is spoken by the package and the demo."""
    assert {"de", "fr"} <= set(LANGUAGES)
    assert len(SOURCES) == len(LANGUAGES) * len(PACKAGES)
    for source in SOURCES:
        assert len(read_source(source)) > (300 if "sessions_plus" in source.parts else 50)


@EACH_SOURCE
def test_is_translated(source: Path) -> None:
    """Each text has its translation, in each number, and none is a guess of the tool."""
    found = [
        message.name
        for message in read_source(source)
        if "fuzzy" in message.flags
        or len(message.translations) != message.forms
        or not all(message.translations)
    ]

    assert found == [], REMEDY


@EACH_SOURCE
def test_leaves_the_same_places_open(source: Path) -> None:
    """A translation has the places of its text: one less would lose a fact, one more fails."""
    found = [
        text
        for message in read_source(source)
        for text in message.translations
        if not message.least_places <= places(text) <= message.most_places
        or tags(text) != tags(message.singular)
    ]

    assert found == []


@EACH_SOURCE
def test_is_compiled(source: Path) -> None:
    """What is served is what was translated."""
    translated = {
        name: text for message in read_source(source) for name, text in message.compiled().items()
    }

    assert read_compiled(source.with_suffix(".mo")) == translated, REMEDY


@EACH_SOURCE
def test_has_no_misprint(source: Path) -> None:
    """Signs and spaces are as the language is printed."""
    misprint = MISPRINTS.get(source.parts[-3])
    texts = [text for message in read_source(source) for text in message.translations]

    assert [text for text in texts if misprint and misprint.search(text)] == []


@pytest.mark.services
def test_has_every_text_of_the_code(tmp_path: Path) -> None:
    """No text of the code is missing in a translation, and none is left over."""
    obtain(lambda: find_program("xgettext"))
    for name in (*PACKAGES, "templates"):
        ignored = shutil.ignore_patterns("__pycache__", "*.mo")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    shutil.copy(ROOT / "manage.py", tmp_path)

    # Django's tool wants no settings, and those of the tests are not to be found from there.
    environment = {name: os.environ[name] for name in os.environ if name != SETTINGS}
    options = ["makemessages", "--all", "--no-obsolete"]
    for directory, command in (
        (tmp_path / "sessions_plus", ["-m", "django", *options]),
        (tmp_path, ["manage.py", *options, "--ignore=sessions_plus"]),
    ):
        words = [sys.executable, *command]
        subprocess.run(
            words, cwd=directory, env=environment, check=True, capture_output=True, timeout=120
        )

    for source in SOURCES:
        collected = {m.name for m in read_source(tmp_path / source.relative_to(ROOT))}
        assert collected == {m.name for m in read_source(source)}, REMEDY


class Texts(HTMLParser):
    """The texts of a page: what is between two tags, and what programs read aloud."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.language = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "html":
            self.language = named.get("lang") or ""
        self.found.add(named.get("aria-label") or "")

    def handle_data(self, data: str) -> None:
        self.found.add(data.strip())


@cache
def texts_without_places(language: str) -> dict[str, set[str]]:
    """
    Our texts that stand on a page as they are, each with what it may read in the language.

    A site has one catalogue: another app's word for the same text may come before ours.
    """
    found: dict[str, set[str]] = {}
    with override(language):
        for message in read_source(ROOT / f"sessions_plus/locale/{language}/LC_MESSAGES/django.po"):
            if not message.most_places:
                readings = {*message.translations, gettext(message.singular)}
                found.setdefault(message.singular, set()).update(readings)
    return found


def assert_speaks(language: str, english: str, translated: str) -> int:
    """Each of our texts on an English page is there in the language; return how many."""
    page, other = Texts(english), Texts(translated)
    known = texts_without_places(language)
    ours = page.found & set(known)

    assert other.language == language
    assert {text for text in ours if not known[text] & other.found} == set()
    assert {text for text in ours & other.found if text not in known[text]} == set()
    return len(ours)


def assert_each_speaks(client: Client, paths: Sequence[str]) -> None:
    """See that each of the pages is in each language what it is in English."""
    for path, language in product(paths, LANGUAGES):
        pages = [
            client.get(f"/account/{path}", headers={"Accept-Language": wanted}).content.decode()
            for wanted in ("en", language)
        ]
        assert assert_speaks(language, *pages) >= 4, path


@pytest.mark.django_db
def test_pages_follow_the_browser() -> None:
    """Whoever prefers a language reads it before signing in."""
    assert_each_speaks(Client(), ANYBODYS_PAGES)


def test_pages_of_an_account_follow_the_browser(user: User) -> None:
    """Who signs in reads of the second factor, devices and activity in their language."""
    app = enrol(user)
    client = Client()
    client.force_login(user)
    assert_each_speaks(client, ["challenge/", "challenge/?recovery"])

    client.post("/account/challenge/", {"code": app.code()})
    assert_each_speaks(client, ONES_OWN_PAGES)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("event", LETTERS)
@pytest.mark.django_db(transaction=True)
def test_mails_are_in_the_readers_language(
    user: User, staff: User, settings: Any, event: str, language: str
) -> None:
    """Each mail is in the language that the site knows of its reader, in both its forms."""
    settings.SESSIONS_PLUS_NOTICE_LANGUAGE = lambda user: language
    letter = LETTERS[event]
    record(
        Event(event),
        user=user,
        reason="".join(letter.by_staff[:1]),
        actor=staff if letter.by_staff else None,
    )

    message = only_mail()
    html = html_of(message)
    assert Texts(html).language == language
    with override(language):
        spoken = [str(part) for part in (letter.subject, letter.lead, letter.harmless)]
    english = [str(part) for part in (letter.subject, letter.lead, letter.harmless)]
    assert message.subject == one_line(spoken[0])
    for form in (message.body, html):
        assert all(part in form for part in spoken[1:])
        assert not any(part in form for part in english)


@pytest.mark.parametrize(
    ("language", "ago", "words"),
    [
        pytest.param("de", timedelta(seconds=5), "gerade eben", id="now"),
        pytest.param("de", timedelta(days=1), "vor 1\xa0Tag", id="one"),
        pytest.param("de", timedelta(days=3), "vor 3\xa0Tagen", id="several"),
        pytest.param("fr", timedelta(days=1), "il y a 1\xa0jour", id="one in French"),
        pytest.param("fr", timedelta(days=3), "il y a 3\xa0jours", id="several in French"),
    ],
)
def test_how_long_ago_is_inflected(language: str, ago: timedelta, words: str) -> None:
    """A span of time has the form that its language wants after "ago"."""
    now = utc(2030, 1, 31)

    with override(language):
        assert in_words(now - ago, now) == words
