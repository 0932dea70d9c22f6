"""Moments, where the site has time zones and where it has none (``USE_TZ``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone as site_clock
from pytest_django import Settings

from sessions_plus.moments import from_timestamp, in_local, in_utc, of_site
from sessions_plus.rows import statements

MOMENT = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
IN_NEW_YORK = datetime(2030, 1, 1, 22, 4, 5)  # noqa: DTZ001 - as a site without zones has it
ELSEWHERE = MOMENT.astimezone(timezone(timedelta(hours=5)))


@pytest.fixture(params=[True, False], ids=["zones", "no zones"])
def zones(request: pytest.FixtureRequest, settings: Settings) -> Iterator[bool]:
    """A site in New York, with time zones and without."""
    settings.TIME_ZONE = "America/New_York"
    settings.USE_TZ = request.param
    # A site has one USE_TZ for good; what was prepared for the other goes.
    statements.converters_of.cache_clear()
    yield bool(request.param)
    statements.converters_of.cache_clear()


def test_what_the_clock_tells_can_be_compared(zones: bool) -> None:
    """A moment of either kind is one moment, as the site's clock would tell it."""
    expected = MOMENT if zones else IN_NEW_YORK

    for moment in (MOMENT, ELSEWHERE, IN_NEW_YORK):
        assert of_site(moment) == expected
    assert from_timestamp(MOMENT.timestamp()) == expected
    assert of_site(site_clock.now()) - site_clock.now() < timedelta(seconds=1)


def test_what_leaves_says_which_moment_it_is(zones: bool) -> None:
    """Programs get UTC, people their local time, and both with the offset."""
    moment = of_site(MOMENT)

    assert in_utc(moment).isoformat() == "2030-01-02T03:04:05+00:00"
    assert in_local(moment).isoformat() == "2030-01-01T22:04:05-05:00"


@pytest.mark.django_db
def test_a_session_is_shown_in_utc(zones: bool, user: User, password: str) -> None:
    """The API gives out tokens and shows moments, and the pages show them, in either case."""
    pytest.importorskip("rest_framework")
    account = {"username": "ann", "password": password}
    client = Client()

    tokens = client.post("/api/tokens/", account, content_type="application/json").json()
    client.post("/account/login/", account)

    bearer = {"authorization": f"Bearer {tokens['access']}"}
    (_, shown) = client.get("/api/sessions/", headers=bearer).json()["results"]
    assert 0 < tokens["expires_in"] <= 300
    age = datetime.now(UTC) - datetime.fromisoformat(shown["created_at"])
    assert shown["created_at"].endswith("Z")
    assert timedelta(0) <= age < timedelta(hours=1)
    for page in ("devices", "activity"):
        assert client.get(f"/account/{page}/").status_code == 200
