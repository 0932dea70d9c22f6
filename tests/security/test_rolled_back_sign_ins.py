"""
A view that takes back what it wrote strands nobody at their second factor, and forgives nothing.

``ATOMIC_REQUESTS`` rolls back with each exception, REST framework with each error.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import authenticate, login
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.exceptions import InvalidCode, WrongPassword
from sessions_plus.mfa import challenge, sign_in
from sessions_plus.mfa.recovery_codes import LENGTH
from sessions_plus.mfa.verification import verify_code, verify_password
from sessions_plus.models import Challenge, Event, Scope, Session, SessionEvent, Throttle
from sessions_plus.store.of_request import current_store
from tests.conftest import PASSWORD, World, people
from tests.support import sites
from tests.support.authenticators import SESSION, enrol
from tests.support.guessing import WRONG, Guesser

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def sign_in_by_password(request: HttpRequest, given: Any) -> None:
    user: Any = authenticate(request, username=given["username"], password=given["password"])
    login(request, user)


def takes_it_for_granted(request: HttpRequest) -> HttpResponse:
    """A view that fails, as whoever it signed in is not."""
    sign_in_by_password(request, request.POST)
    assert request.user.is_authenticated
    return HttpResponse("never comes here")


def answers_with_an_error(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        sign_in_by_password(request, request.POST)
        transaction.set_rollback(True)
    return HttpResponse("failed", status=500)


def leads_on(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        sign_in_by_password(request, request.POST)
        transaction.set_rollback(True)
    return HttpResponse(headers={"Location": "/"}, status=302)


def saves(request: HttpRequest) -> HttpResponse:
    """A view that stores its session itself, and takes back all of it."""
    with transaction.atomic():
        sign_in_by_password(request, request.POST)
        request.session.save()
        transaction.set_rollback(True)
    return HttpResponse(headers={"Location": "/"}, status=302)


def signs_in_twice(request: HttpRequest) -> HttpResponse:
    """The second sign-in gives the first one up."""
    with transaction.atomic():
        sign_in_by_password(request, request.POST)
        sign_in_by_password(request, request.POST)
        transaction.set_rollback(True)
    return HttpResponse(headers={"Location": "/"}, status=302)


def gives_up(request: HttpRequest) -> HttpResponse:
    with transaction.atomic():
        sign_in_by_password(request, request.POST)
        sign_in.leave(current_store(request), now=timezone.now())
        transaction.set_rollback(True)
    return HttpResponse("given up")


class Refusing(APIView):
    """An API's view that refuses whoever is not signed in after ``login()``."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request) -> Response:
        sign_in_by_password(request._request, request.data)
        raise PermissionDenied


@csrf_exempt
def proves(request: HttpRequest) -> HttpResponse:
    """A site's own page that asks for a code or a password, and takes back what it refuses."""
    proof = {"client": request.client_info, "now": timezone.now()}  # type: ignore[attr-defined]
    with transaction.atomic():
        try:
            if "proof" in request.POST:
                verify_password(people().get(), request.POST["proof"], **proof)
            else:
                verify_code(people().get(), request.POST["code"], **proof)
        except (InvalidCode, WrongPassword):
            transaction.set_rollback(True)
            return HttpResponse("no", status=400)
    return HttpResponse("proved")


urlpatterns = [
    path("account/", include("sessions_plus.urls")),
    path("granted/", takes_it_for_granted),
    path("error/", answers_with_an_error),
    path("leads-on/", leads_on),
    path("saves/", saves),
    path("twice/", signs_in_twice),
    path("gives-up/", gives_up),
    path("api/", Refusing.as_view()),
    path("proves/", proves),
    *sites.urlpatterns,
]


@pytest.fixture(autouse=True)
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


class Person(Guesser):
    """Somebody whose requests are a transaction each, in one of the two worlds."""

    def ask(self, name: str) -> str:
        get = async_to_sync(self.client.get) if self.is_async else self.client.get
        # Django puts no transaction around an async view, and says so with an error.
        return str(get(f"/sync/{name}/").content.decode())

    def who(self) -> str:
        return self.ask("who")


def has_waiting_challenge(user: User) -> bool:
    return Challenge.objects.filter(user_id=user.pk, closed_at=None).count() == 1


PAGES = ["/granted/", "/error/", "/leads-on/", "/saves/", "/twice/"]


@pytest.mark.parametrize("place", PAGES)
def test_a_person_ends_at_the_second_factor(
    user: User, world: World, engine: str, place: str
) -> None:
    """Whatever the view took back, the page that it leads to knows who waits, and lets them in."""
    app, person = enrol(user), Person(world)
    person.ask("write")  # a visitor with something in the basket

    led = person(place, password=PASSWORD)

    assert (led.status_code, led["Location"].partition("?")[0]) == (302, "/account/challenge/")
    assert person.who() == "AnonymousUser"
    person("/account/challenge/", code=app.code())
    assert person.who() == "ann"
    assert Session.objects.get(user=user).methods == ["pwd", "otp"]


@pytest.mark.parametrize("place", ["/granted/", "/api/"])
def test_a_program_is_told_of_the_second_factor(
    user: User, world: World, engine: str, place: str
) -> None:
    """So it is for who asks for JSON; the code is then asked for where it always is."""
    app, person = enrol(user), Person(world)

    refused = person(place, password=PASSWORD, accept="application/json")

    assert refused.status_code == (401 if place == "/granted/" else 403)
    person("/account/challenge/", code=app.code())
    assert person.who() == "ann"


def test_is_recorded_once(user: User, world: World) -> None:
    """The audit has one beginning, also where its view was rolled back."""
    enrol(user)

    Person(world)("/granted/", password=PASSWORD)

    assert has_waiting_challenge(user)
    assert SessionEvent.objects.filter(event=Event.CHALLENGE_STARTED).count() == 1


def test_what_was_given_up_does_not_come_back(user: User, world: World) -> None:
    """A challenge that its own request began and gave up is not begun again."""
    enrol(user)

    Person(world)("/gives-up/", password=PASSWORD)

    assert not Challenge.objects.exists()


def test_outside_of_a_request(user: User, now: datetime) -> None:
    """A program that takes back its own challenge has none."""
    with transaction.atomic():
        challenge.begin(
            user,
            backend="",
            methods=("pwd",),
            session_public_id=SESSION,
            client=None,
            now=now,
        )
        transaction.set_rollback(True)

    assert not Challenge.objects.exists()


@pytest.mark.parametrize(
    ("scope", "given"),
    [
        pytest.param(Scope.ACCOUNT, {"code": "wrong"}, id="code of an app"),
        pytest.param(Scope.AUTHENTICATOR, {"code": "wrong"}, id="code, by authenticator"),
        pytest.param(Scope.RECOVERY, {"code": "0" * LENGTH}, id="recovery code"),
        pytest.param(Scope.PASSWORD, {"proof": WRONG}, id="password asked for again"),
    ],
)
def test_rollback_forgives_no_proof(
    user: User, world: World, scope: Scope, given: dict[str, str]
) -> None:
    """A site's own page that proves people with our functions forgives no guess either."""
    app, person = enrol(user), Person(world)
    if given.get("code") == "wrong":
        given = {"code": app.wrong_code()}

    answers = [person("/proves/", **given).status_code for _ in range(12)]

    assert answers == [400] * 10 + [429] * 2
    assert Throttle.objects.get(scope=scope).attempts == 10
