"""Every text is translated, as it is in the code, and people read it in their language."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils.translation import override

from sessions_plus.templatetags.sessions_plus import in_words
from tests.support.moments import utc
from tests.support.services import obtain
from tests.support.services.process import find_program
from tests.support.translations import Message, places, read_compiled, read_source

PACKAGE = Path(__file__).resolve().parent.parent / "sessions_plus"
PLURAL_FORMS = re.compile(r"Plural-Forms: nplurals=(\d)")


def plural_forms(source: Path) -> int:
    """How many forms a number takes in this language: two in German, three in Polish."""
    found = PLURAL_FORMS.search(source.read_text(encoding="utf-8"))
    assert found is not None, f"{source} has no Plural-Forms"
    return int(found[1])


SOURCES = sorted(PACKAGE.glob("locale/*/LC_MESSAGES/django.po"))
MESSAGES = [
    pytest.param(message, plural_forms(source), id=f"{source.parent.parent.name}: {message.name}")
    for source in SOURCES
    for message in read_source(source)
]
SETTINGS = "DJANGO_SETTINGS_MODULE"
REMEDY = "run `make messages`, translate what is empty or fuzzy, run it again, and commit"


def test_there_is_a_german_translation() -> None:
    """German is one of the languages, and it is whole: several hundred texts."""
    german = read_source(PACKAGE / "locale/de/LC_MESSAGES/django.po")

    assert len(german) > 300


@pytest.mark.parametrize(("message", "forms"), MESSAGES)
def test_is_translated(message: Message, forms: int) -> None:
    """Each text has its translation, in each number, and none is a guess of the tool."""
    assert "fuzzy" not in message.flags, REMEDY
    assert len(message.translations) == (forms if message.plural else 1)
    assert all(message.translations), REMEDY


@pytest.mark.parametrize(("message", "forms"), MESSAGES)
def test_leaves_the_same_places_open(message: Message, forms: int) -> None:
    """A translation has the places of its text: one less would lose a fact, one more fails."""
    either = places(message.singular) | places(message.plural)
    both = places(message.singular) & places(message.plural) if message.plural else either

    for translation in message.translations:
        assert both <= places(translation) <= either


@pytest.mark.parametrize("source", SOURCES, ids=[s.parent.parent.name for s in SOURCES])
def test_is_compiled(source: Path) -> None:
    """What is served is what was translated."""
    translated = {
        name: text for message in read_source(source) for name, text in message.compiled().items()
    }

    assert read_compiled(source.with_suffix(".mo")) == translated, REMEDY


@pytest.mark.services
def test_has_every_text_of_the_code(tmp_path: Path) -> None:
    """No text of the code is missing in a translation, and none is left over."""
    obtain(lambda: find_program("xgettext"))
    copy = tmp_path / "sessions_plus"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))

    # Django's tool wants no settings, and those of the tests are not to be found from there.
    environment = {name: os.environ[name] for name in os.environ if name != SETTINGS}
    command = [sys.executable, "-m", "django", "makemessages", "--all", "--no-obsolete"]
    subprocess.run(command, cwd=copy, env=environment, check=True, capture_output=True, timeout=120)

    for source in SOURCES:
        collected = {m.name for m in read_source(copy / source.relative_to(PACKAGE))}
        assert collected == {m.name for m in read_source(source)}, REMEDY


@pytest.mark.django_db
def test_pages_follow_the_browser() -> None:
    """Whoever prefers German reads German."""
    html = Client(headers={"Accept-Language": "de"}).get("/account/login/").content.decode()

    assert "Auf diesem Gerät angemeldet bleiben" in html
    assert "Keep me signed in" not in html


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        pytest.param(timedelta(seconds=5), "gerade eben", id="now"),
        pytest.param(timedelta(days=1), "vor 1\xa0Tag", id="one"),
        pytest.param(timedelta(days=3), "vor 3\xa0Tagen", id="several"),
    ],
)
def test_how_long_ago_is_inflected(ago: timedelta, words: str) -> None:
    """A span of time has the form that its language wants after "ago"."""
    now = utc(2030, 1, 31)

    with override("de"):
        assert in_words(now - ago, now) == words
