"""Requests that come with a bearer token, to plain Django views."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_plus.decorators import mfa_required
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from sessions_plus.tokens.guards import bearer_required
from tests.conftest import World
from tests.tokens.factories import new_tokens
from tests.tokens.test_refresh import renewed

pytestmark = pytest.mark.django_db(transaction=True)


@bearer_required
def guarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required(verification="stateless")
def stateless(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required
def name(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.user.get_username())


@bearer_required
async def aguarded(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required(verification="stateless")
async def astateless(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required(verification="stateless")
@mfa_required
def proved(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required(verification="stateless")
@mfa_required
async def aproved(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


@bearer_required
async def aname(request: HttpRequest) -> HttpResponse:
    return HttpResponse((await request.auser()).get_username())


def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse(str(request.user.pk))


urlpatterns = [
    path("guarded", guarded),
    path("stateless", stateless),
    path("name", name),
    path("async/guarded", aguarded),
    path("async/stateless", astateless),
    path("async/name", aname),
    path("proved", proved),
    path("async/proved", aproved),
    path("plain", plain),
]


class Caller:
    """Call a view in one of the two worlds; what is asserted is the same in both."""

    def __init__(self, world: World) -> None:
        self.is_async = world.is_async

    def __call__(self, view: str, token: str | None, method: str = "get") -> Any:
        headers = {"user-agent": "shop/1.0"}  # as at the sign-in
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        if not self.is_async:
            return getattr(Client(enforce_csrf_checks=True), method)(f"/{view}", headers=headers)
        view = f"/async/{view}" if view != "plain" else f"/{view}"
        client = AsyncClient(enforce_csrf_checks=True)
        return async_to_sync(getattr(client, method))(view, headers=headers)


@pytest.fixture
def call(world: World, settings: Settings) -> Caller:
    settings.ROOT_URLCONF = __name__
    return Caller(world)


def test_token_signs_in(user: Any, engine: str, call: Caller) -> None:
    """A request with an access token is from the token's user."""
    response = call("guarded", new_tokens(user).access)

    assert (response.status_code, response.content) == (200, str(user.pk).encode())


def test_view_asks_for_more(user: Any, engine: str, call: Caller) -> None:
    """Whatever else of the user a view asks for is read then, in async views by ``auser()``."""
    response = call("name", new_tokens(user).access)

    assert (response.status_code, response.content) == (200, b"ann")


def test_nothing_is_read_for_a_guard(
    user: Any, call: Caller, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """Whoever asks for a second factor asks the token, in either world, and not for its user."""
    token = new_tokens(user, methods=("pwd", "otp")).access
    call("proved", token)  # the signing keys are read once

    with django_assert_num_queries(0):
        response = call("proved", token)

    assert (response.status_code, response.content) == (200, str(user.pk).encode())


def test_no_csrf_token_is_needed(user: Any, call: Caller) -> None:
    """No browser sends a bearer token by itself, so there is nothing to forge."""
    assert call("guarded", new_tokens(user).access, "post").status_code == 200


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "a b", "ü"])
def test_without_a_token(call: Caller, token: str | None) -> None:
    """Without a token, or with one that is none, a view is not reached."""
    response = call("guarded", token)

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.json()["code"] == (
        "invalid_token" if token is not None else "not_authenticated"
    )


def test_cookie_opens_nothing(user: Any, client: Client, settings: Settings) -> None:
    """A view for bearer tokens does not take a cookie instead."""
    settings.ROOT_URLCONF = __name__
    client.force_login(user)

    assert client.get("/guarded").status_code == 401


def test_session_that_ended(user: Any, engine: str, call: Caller) -> None:
    """Once its session was ended a token opens nothing, except where a view wants no state."""
    tokens = new_tokens(user)
    assert call("guarded", tokens.access).status_code == 200

    revoke(Session.objects.get())

    assert call("guarded", tokens.access).status_code == 401
    assert call("stateless", tokens.access).status_code == 200


def test_verification_by_setting(user: Any, settings: Settings, call: Caller) -> None:
    """The setting decides for views that do not."""
    settings.SESSIONS_PLUS_TOKEN_VERIFICATION = "stateless"
    tokens = new_tokens(user)

    revoke(Session.objects.get())

    assert call("guarded", tokens.access).status_code == 200


@pytest.mark.parametrize(
    ("engine_name", "view", "queries"),
    [("db", "stateless", 0), ("db", "guarded", 1), ("cached_db", "guarded", 0)],
)
def test_cost(
    user: Any,
    settings: Settings,
    call: Caller,
    django_assert_num_queries: DjangoAssertNumQueries,
    engine_name: str,
    view: str,
    queries: int,
) -> None:
    """Without state a token costs no query; with it one, or none where the cache is in front."""
    settings.SESSION_ENGINE = f"sessions_plus.backends.{engine_name}"
    tokens = new_tokens(user)
    call(view, tokens.access)

    with django_assert_num_queries(queries):
        assert call(view, tokens.access).status_code == 200


def test_stateless_asks_no_cache(user: Any, settings: Settings, call: Caller) -> None:
    """Without state not even the cache is asked."""
    tokens = new_tokens(user)
    call("stateless", tokens.access)

    with override_settings(CACHES={}):
        assert call("stateless", tokens.access).status_code == 200


def test_activity_is_recorded(user: Any, engine: str, call: Caller) -> None:
    """Requests with access tokens keep the session's last activity, an interval at a time."""
    now = timezone.now()
    with time_machine.travel(now, tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(seconds=29))
        call("guarded", tokens.access)
        assert Session.objects.get().last_activity == now
        clock.shift(timedelta(seconds=31))
        call("guarded", tokens.access)

    assert Session.objects.get().last_activity == now + timedelta(seconds=60)


def test_activity_is_recorded_ahead_of_time(user: Any, call: Caller, settings: Settings) -> None:
    """From half the interval on a copy serves, and one statement follows the view."""
    settings.SESSION_ENGINE = "sessions_plus.backends.cached_db"
    now = timezone.now()
    counts = []
    with time_machine.travel(now, tick=False) as clock:
        tokens = new_tokens(user)
        call("guarded", tokens.access)
        for pause in (29, 1):
            clock.shift(timedelta(seconds=pause))
            with CaptureQueriesContext(connection) as captured:
                call("guarded", tokens.access)
            counts.append(len(captured))

    assert counts[1] == counts[0] + 1
    assert Session.objects.get().last_activity == now + timedelta(seconds=30)


def test_access_token_proves_no_refresh_token(user: Any, engine: str, call: Caller) -> None:
    """Using an access token does not make a lost refresh token unanswerable."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(user)
        first = renewed(tokens.refresh)
        clock.shift(timedelta(minutes=2))
        assert call("guarded", tokens.access).status_code == 200

        assert renewed(tokens.refresh).refresh == first.refresh


def test_disabled_behind_our_back(user: Any, engine: str, call: Caller) -> None:
    """A user who was disabled by ``update()`` is out after one activity interval, for good."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(user)
        type(user).objects.update(is_active=False)
        clock.shift(timedelta(seconds=60))

        assert call("guarded", tokens.access).status_code == 401
        type(user).objects.update(is_active=True)
        assert call("guarded", tokens.access).status_code == 401


def test_disabled_user_is_not_read(user: Any, settings: Settings) -> None:
    """A view that asks more about a user who is disabled answers with 403, at once."""
    settings.ROOT_URLCONF = __name__
    tokens = new_tokens(user)
    type(user).objects.update(is_active=False)

    headers = {"authorization": f"Bearer {tokens.access}", "user-agent": "shop/1.0"}
    response = Client().get("/name", headers=headers)

    assert response.status_code == 403


def test_session_key_as_bearer(user: Any, client: Client, engine: str, call: Caller) -> None:
    """A browser's session key signs in from the header too; nothing but the place differs."""
    client.force_login(user)

    response = call("guarded", client.cookies["sessionid"].value)

    assert (response.status_code, response.content) == (200, str(user.pk).encode())


def test_refresh_token_as_bearer(user: Any, engine: str, call: Caller) -> None:
    """A refresh token opens no view, and survives the attempt."""
    tokens = new_tokens(user)

    assert call("guarded", tokens.refresh).status_code == 401
    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize("place", ["?access_token={}", "?token={}", "?authorization=Bearer {}"])
def test_never_in_the_url(user: Any, settings: Settings, place: str) -> None:
    """A token in the URL is not looked at."""
    settings.ROOT_URLCONF = __name__

    assert Client().get("/guarded" + place.format(new_tokens(user).access)).status_code == 401


MIDDLEWARE = "sessions_plus.tokens.guards.BearerMiddleware"


@pytest.fixture
def with_middleware(settings: Settings) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]


@pytest.mark.usefixtures("with_middleware")
def test_middleware(user: Any, call: Caller) -> None:
    """With the middleware every view knows who sent a token, and asks them for no CSRF token."""
    tokens = new_tokens(user)

    assert call("plain", tokens.access, "post").content == str(user.pk).encode()
    assert call("plain", None).content == b"None"
    assert call("plain", None, "post").status_code == 403
    assert call("plain", "a.b.c").status_code == 401


@pytest.mark.usefixtures("with_middleware")
def test_bad_token_beside_a_good_cookie(user: Any, client: Client, settings: Settings) -> None:
    """A bad token is an error, whatever cookie comes with it."""
    settings.ROOT_URLCONF = __name__
    client.force_login(user)

    response = client.get("/plain", headers={"authorization": "Bearer a.b.c"})

    assert response.status_code == 401


def test_guard_keeps_the_views_world() -> None:
    """A guarded view is async if the view is, so that no thread stands between."""
    assert iscoroutinefunction(aguarded)
    assert not iscoroutinefunction(guarded)
    assert guarded.__name__ == "guarded"
