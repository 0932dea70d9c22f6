"""How long one is signed in, the warning before the end, and staying."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.template import Context, Template
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse

from sessions_plus.cache import copies
from sessions_plus.models import Session
from tests.support.moments import START

pytestmark = pytest.mark.django_db(transaction=True)

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with (
        override_settings(SESSIONS_PLUS_PROFILE="aal3"),
        time_machine.travel(START, tick=False) as traveller,
    ):
        yield traveller
    copies.reset()  # it noted when it began


@pytest.fixture
def ann(engine: str, user: User, password: str) -> Client:
    client = Client(enforce_csrf_checks=False)
    page = client.post(reverse("sessions_plus:login"), {"username": "ann", "password": password})
    assert page.status_code == 302
    return client


def remaining(client: Client) -> Any:
    return client.get(reverse("sessions_plus:session_remaining"))


def test_it_says_how_long(ann: Client, clock: Any) -> None:
    """A signed-in session says when it ends, and whether staying would help."""
    clock.shift(5 * MINUTE)

    assert remaining(ann).json() == {
        "ends_at": "2030-01-02T03:19:05+00:00",
        "seconds": 600,
        "can_stay": True,
    }


def test_asking_prolongs_nothing(ann: Client, clock: Any) -> None:
    """Whoever only asks is signed out at the same moment as if they had not."""
    for _ in range(14):
        clock.shift(MINUTE)
        assert remaining(ann).status_code == 200

    clock.shift(MINUTE)

    response = remaining(ann)
    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")


def test_staying_prolongs_at_once(ann: Client, clock: Any) -> None:
    """Staying counts as activity, also right after the last one."""
    clock.shift(timedelta(seconds=3))

    answer = ann.post(reverse("sessions_plus:session_stay")).json()

    assert answer["seconds"] == 15 * 60
    assert Session.objects.get().last_activity == START + timedelta(seconds=3)


def test_nobody_stays_beyond_the_absolute_lifetime(ann: Client, clock: Any) -> None:
    """Near its absolute end a session says that staying does not help."""
    for _ in range(71):
        clock.shift(10 * MINUTE)
        ann.post(reverse("sessions_plus:session_stay"))

    assert remaining(ann).json() == {
        "ends_at": "2030-01-02T15:04:05+00:00",
        "seconds": 600,
        "can_stay": False,
    }


def test_staying_needs_a_token(ann: Client) -> None:
    """Another site cannot keep somebody signed in."""
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = ann.cookies

    assert strict.post(reverse("sessions_plus:session_stay")).status_code == 403
    assert ann.get(reverse("sessions_plus:session_stay")).status_code == 405


def test_strangers_have_no_time_left(engine: str) -> None:
    """Whoever is not signed in is told so, and gets no session."""
    for ask in (Client().get, Client().head):
        assert ask(reverse("sessions_plus:session_remaining")).status_code == 401
    assert Client().post(reverse("sessions_plus:session_stay")).status_code == 401
    assert not Session.objects.exists()


def rendered(client: Client | None) -> str:
    from importlib import import_module

    from django.conf import settings

    request = RequestFactory().get("/")
    key = client.cookies["sessionid"].value if client is not None else None
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(key)
    template = Template("{% load sessions_plus %}{% session_warning warn_seconds=60 %}")
    return template.render(Context({"request": request, "csrf_token": "the-token"}))


def test_warning_has_all_that_its_script_needs(ann: Client) -> None:
    """The dialog carries the time left, where to ask and a token; nothing in it is inline."""
    html = rendered(ann)

    assert 'data-seconds="900"' in html
    assert 'data-warn-seconds="60"' in html
    assert reverse("sessions_plus:session_remaining") in html
    assert 'value="the-token"' in html
    assert "<script src=" in html
    assert not any(inline in html for inline in ("style=", "onclick", "<script>"))


def test_strangers_are_not_warned(engine: str) -> None:
    """Where nobody is signed in there is no dialog and no script."""
    assert rendered(None).strip() == ""


def test_unticking_lets_the_cookie_go_with_the_window(
    engine: str, user: User, password: str
) -> None:
    """Who does not want to be kept signed in gets a cookie without an end."""
    given = {"username": "ann", "password": password}
    with override_settings(SESSIONS_PLUS_PROFILE="aal1"):
        url = reverse("sessions_plus:login")
        assert b"keep_signed_in" in Client().get(url).content
        brief = Client().post(url, given)
        kept = Client().post(url, given | {"keep_signed_in": "on"})

    assert brief.cookies["sessionid"]["max-age"] == ""
    assert kept.cookies["sessionid"]["max-age"] == 30 * 24 * 3600


def test_nobody_is_asked_where_no_cookie_is_kept(engine: str) -> None:
    """A profile whose cookies go with the window offers no choice."""
    assert b"keep_signed_in" not in Client().get(reverse("sessions_plus:login")).content
