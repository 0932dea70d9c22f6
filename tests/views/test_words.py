"""How facts read on the pages."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from sessions_plus.models import Reason
from sessions_plus.moments import in_local
from sessions_plus.templatetags.sessions_plus import (
    day_in_words,
    fully,
    in_words,
    methods_in_words,
    reason_in_words,
    when,
)
from tests.support.moments import utc


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        pytest.param(timedelta(seconds=-90), "just now", id="a clock that runs ahead"),
        pytest.param(timedelta(0), "just now", id="now"),
        pytest.param(timedelta(seconds=59), "just now", id="under a minute"),
        pytest.param(timedelta(seconds=60), "1\xa0minute ago", id="a minute exactly"),
        pytest.param(timedelta(minutes=3, seconds=50), "3\xa0minutes ago", id="minutes"),
        pytest.param(timedelta(days=15), "2\xa0weeks ago", id="weeks"),
    ],
)
def test_how_long_ago(now: datetime, ago: timedelta, words: str) -> None:
    """A moment reads as its largest unit; less than a minute is "just now"."""
    assert in_words(now - ago, now) == words


def test_exact_time_is_at_hand() -> None:
    """Words come with the exact time, for programs and for people."""
    html = when(utc(2024, 5, 6, 7, 8, 9))

    is_utc = settings.TIME_ZONE == "UTC"
    exact = "2024-05-06T07:08:09+00:00" if is_utc else "2024-05-06T03:08:09-04:00"
    assert f'datetime="{exact}"' in html
    words = "7:08 a.m. UTC" if is_utc else "3:08 a.m. EDT"
    assert f'title="May 6, 2024, {words}"' in html


def test_time_and_zone_can_be_read() -> None:
    """Where a moment stands in full, its zone stands beside it, and not only where a mouse is."""
    html = fully(utc(2024, 5, 6, 7, 8, 9))

    shown = html.partition(">")[2]
    words = "7:08 a.m. UTC" if settings.TIME_ZONE == "UTC" else "3:08 a.m. EDT"
    assert shown.startswith(f"May 6, 2024, {words} (")
    assert "ago)</time>" in shown


@pytest.mark.parametrize(
    ("methods", "words"),
    [
        ("", ""),
        ("pwd", "password"),
        ("pwd otp", "password and authenticator code"),
        ("pwd new", "password"),
        ("new", ""),
    ],
)
def test_methods(methods: str, words: str) -> None:
    """Methods read as words; one that has none is left out."""
    assert methods_in_words(methods) == words


@pytest.mark.parametrize(
    ("reason", "words"),
    [(Reason.DEVICE_REVOKED.value, "Device removed"), ("pwd otp", ""), ("", "")],
)
def test_reasons(reason: str, words: str) -> None:
    """Only why a session ended is told; an event's other reasons are for programs."""
    assert reason_in_words(reason) == words


def test_days() -> None:
    """The last two days go by name."""
    today = in_local(timezone.now()).date()

    names = [day_in_words(today - timedelta(days=days)) for days in (0, 1)]

    assert names == ["Today", "Yesterday"]
