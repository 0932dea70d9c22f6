"""Views that fail after a ``login()`` that waits lead to the second factor all the same."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import alogin, get_user_model, login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

from sessions_plus.models import Challenge
from tests.conftest import World
from tests.support.authenticators import enrol
from tests.support.sites import BACKEND

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]


def ann() -> Any:
    return get_user_model()._default_manager.get(username="ann")


def asserts(request: HttpRequest) -> HttpResponse:
    """Take it for granted that whoever was signed in is signed in, as some packages do."""
    login(request, ann(), backend=BACKEND)
    assert request.user.is_authenticated
    return HttpResponse("in")


async def aasserts(request: HttpRequest) -> HttpResponse:
    await alogin(request, await get_user_model()._default_manager.aget(username="ann"), BACKEND)
    assert (await request.auser()).is_authenticated
    return HttpResponse("in")


def answers_500(request: HttpRequest) -> HttpResponse:
    login(request, ann(), backend=BACKEND)
    return HttpResponse("not signed in?", status=500)


def by_role(request: HttpRequest) -> HttpResponse:
    """Ask for what only a user has, and not an AnonymousUser."""
    login(request, ann(), backend=BACKEND)
    return HttpResponse(request.user.email)  # type: ignore[union-attr]


def fails_before(request: HttpRequest) -> HttpResponse:
    raise ValueError("before anybody signed in")


urlpatterns = [
    path("sync/asserts/", asserts),
    path("async/asserts/", aasserts),
    path("500/", answers_500),
    path("by-role/", by_role),
    path("before/", fails_before),
    path("account/", include("sessions_plus.urls")),
]


class Caller:
    """A browser of one world."""

    def __init__(self, world: World) -> None:
        self.is_async = world.is_async
        self.client: Any = (AsyncClient if world.is_async else Client)(
            raise_request_exception=False
        )

    def get(self, path: str, **headers: str) -> Any:
        get = async_to_sync(self.client.get) if self.is_async else self.client.get
        return get(path, headers=headers)


def paths(world: World) -> list[str]:
    return [f"/{world}/asserts/", "/500/", "/by-role/"]


def test_the_browser_ends_at_the_second_factor(user: User, world: World, engine: str) -> None:
    """An exception, or a 500, after a begun sign-in is the way to the challenge that waits."""
    enrol(user)
    for address in paths(world):
        caller = Caller(world)

        response = caller.get(f"{address}?next=/orders/")

        assert response.status_code == 302, address
        assert response["Location"] == "/account/challenge/?next=%2Forders%2F"
        assert caller.get(response["Location"]).status_code == 200
    assert Challenge.objects.filter(closed_at=None).count() == len(paths(world))


def test_a_program_is_told(user: User, world: World) -> None:
    """Who takes no HTML gets the API's answer to a sign-in that waits."""
    enrol(user)

    response = Caller(world).get(f"/{world}/asserts/", accept="application/json")

    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")


def test_it_is_logged_once(user: User, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The developer finds the exception in the log, as a warning; it is no error of the site."""
    enrol(user)

    with caplog.at_level(logging.INFO, logger="sessions_plus"):
        Caller(world).get(f"/{world}/asserts/")

    (line,) = [record for record in caplog.records if record.name == "sessions_plus"]
    assert line.levelno == logging.WARNING
    assert (line.exc_info or [None])[0] is AssertionError
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_other_failures_stay(user: User, world: World) -> None:
    """Nobody is led to a challenge by an error that has nothing to do with one."""
    assert Caller(world).get("/before/").status_code == 500
    assert Caller(world).get("/500/").status_code == 500
    enrol(user)
    caller = Caller(world)
    caller.get(f"/{world}/asserts/")

    assert caller.get("/before/").status_code == 500
