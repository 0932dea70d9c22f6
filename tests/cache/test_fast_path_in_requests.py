"""A request served on the fast path ends as one whose session was judged in full."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Device, Session, SessionEvent
from tests.conftest import World, people
from tests.support.browsers import Browser
from tests.support.sites import BACKEND

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

ENGINE = "sessions_plus.backends.cached_db"

WORDS = "words"


def sign_in(request: HttpRequest) -> None:
    login(request, get_user_model()._default_manager.get(username="ann"), backend=BACKEND)
    begin(request)


def begin(request: HttpRequest) -> None:
    request.session[WORDS] = ["first"]


def read(request: HttpRequest) -> None:
    """Nothing but what every one of these views does first."""


def change_inside(request: HttpRequest) -> None:
    request.session[WORDS].append("second")
    request.session.modified = True


def change_and_fail(request: HttpRequest) -> HttpResponse:
    change_inside(request)
    return HttpResponse(status=500)


def save_at_once(request: HttpRequest) -> None:
    request.session[WORDS].append("second")
    request.session.save()


def sign_in_again(request: HttpRequest) -> None:
    login(request, get_user_model()._default_manager.get(username="ann"), backend=BACKEND)


def sign_in_as_another(request: HttpRequest) -> None:
    login(request, get_user_model()._default_manager.get(username="ben"), backend=BACKEND)


def expire_soon(request: HttpRequest) -> None:
    request.session.set_expiry(100)


def expire_with_the_browser(request: HttpRequest) -> None:
    request.session.set_expiry(0)


def expire_at(request: HttpRequest) -> None:
    request.session.set_expiry(timezone.now() + timedelta(hours=1))


def end_and_change(request: HttpRequest) -> None:
    revoke(Session.objects.get(revoked_at=None))
    request.session["color"] = "red"


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user))


def age(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.session.get_expiry_age() > 100))


def cookie_of_its_own(request: HttpRequest) -> HttpResponse:
    response = HttpResponse()
    response.set_cookie("sessionid", request.session.session_key or "")
    return response


def vary(request: HttpRequest) -> HttpResponse:
    return HttpResponse(headers={"Vary": "Accept"})


ENDS: list[Callable[[HttpRequest], object]] = [
    read, change_inside, change_and_fail, save_at_once, sign_in_again, sign_in_as_another,
    expire_soon, expire_with_the_browser, expire_at, end_and_change, who, age,
    cookie_of_its_own, vary, logout,
]  # fmt: skip
METHODS = ["cycle_key", "create", "delete", "clear", "flush", "load", "session_key"]

served_on_fast_path: list[bool] = []


def look(request: HttpRequest) -> None:
    request.session.get(WORDS)
    served_on_fast_path.append(request.session._copy is not None)  # type: ignore[attr-defined]


def in_both_worlds(name: str, act: Callable[[HttpRequest], object]) -> list[Any]:
    def view(request: HttpRequest) -> HttpResponse:
        look(request)
        found = act(request)
        return found if isinstance(found, HttpResponse) else HttpResponse()

    async def aview(request: HttpRequest) -> HttpResponse:
        await request.session.aget(WORDS)
        return await sync_to_async(view)(request)

    return [path(f"sync/{name}/", view), path(f"async/{name}/", aview)]


def calling(name: str) -> Callable[[HttpRequest], object]:
    def act(request: HttpRequest) -> None:
        found = getattr(request.session, name)
        if callable(found):
            found()

    return act


urlpatterns = [
    page for act in (sign_in, begin, *ENDS) for page in in_both_worlds(act.__name__, act)
] + [page for name in METHODS for page in in_both_worlds(name, calling(name))]


def what_became_of(name: str, beginning: str, world: World) -> Any:
    """Begin a session, ask for a page, and return all that one can tell of it afterwards."""
    for model in (Session, Device, SessionEvent):
        model.objects.all().delete()
    caches["default"].clear()
    copies.reset()
    copies.tier()
    browser = Browser(world)
    browser.get(beginning)
    key = browser.key
    response = browser.get(name)
    cookies = {
        cookie: (morsel["max-age"], morsel.value == key)
        for cookie, morsel in response.cookies.items()
    }
    headers = [response.headers.get(header) for header in ("Vary", "Cache-Control")]
    rows = [
        (row.user_id, row.revoked_reason, row.successor_seen, row.version > 1)
        for row in Session.objects.order_by("pk")
    ]
    events = list(SessionEvent.objects.order_by("pk").values_list("event", "reason"))
    was_seen = served_on_fast_path[-1]
    return was_seen, [response.content, cookies, headers, rows, events, browser.text("who")]


@pytest.mark.parametrize("save_every_request", [False, True], ids=["", "saved every time"])
@pytest.mark.parametrize("beginning", ["sign_in", "begin"])
@pytest.mark.parametrize("name", [*(act.__name__ for act in ENDS), *METHODS])
def test_fast_path_changes_nothing(
    name: str, beginning: str, save_every_request: bool, world: World, user: User, other_user: User
) -> None:
    """Cookies, headers, rows and events are the same, whatever the view does."""
    with override_settings(SESSION_ENGINE=ENGINE, SESSION_SAVE_EVERY_REQUEST=save_every_request):
        on_fast_path, found = what_became_of(name, beginning, world)
        # Where networks are told apart, nothing is served on the fast path.
        with override_settings(SESSIONS_PLUS_NETWORK_CHANGE="record"):
            again, in_full = what_became_of(name, beginning, world)

    assert (on_fast_path, again) == (True, False)
    assert found == in_full


def test_user_who_is_refused_is_signed_out_at_once(world: World, user: User) -> None:
    """A disabled user's session ends with the first request that asks who it is."""
    with override_settings(SESSION_ENGINE=ENGINE):
        caches["default"].clear()
        browser = Browser(world)
        browser.get("sign_in")
        people().filter(pk=user.pk).update(is_active=False)

        browser.get("who")

        assert served_on_fast_path[-1]
        assert Session.objects.get().revoked_reason == "user_inactive"
        assert not browser.has_key
