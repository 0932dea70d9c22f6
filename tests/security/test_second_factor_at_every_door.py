"""
Half-authenticated is not authenticated, whichever door somebody came through.

The attacker knows the password and has no second factor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core.management import call_command
from django.db import connection
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, resolve
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sessions_plus.keys import new_public_id
from sessions_plus.models import Challenge, Event, Scope, Session, SessionEvent, Throttle
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"


def who(client: Client) -> str:
    return client.get("/sync/who/").content.decode()


def through_our_page(client: Client, user: User, password: str) -> Any:
    return client.post(
        "/account/login/", {"username": user.username, "password": password, "next": "/"}
    )


def through_django(client: Client, user: User, password: str) -> Any:
    return client.post("/django/login/", {"username": user.username, "password": password})


def through_the_admin(client: Client, user: User, password: str) -> Any:
    given = {"username": user.username, "password": password, "next": "/admin/"}
    return client.post("/admin/login/?next=/admin/", given)


def through_a_reset(client: Client, user: User, password: str) -> Any:
    name = urlsafe_base64_encode(force_bytes(user.pk))
    url = f"/reset/{name}/{default_token_generator.make_token(user)}/"
    form_url = client.get(url)["Location"]
    new = {"new_password1": "a-new-and-long-one", "new_password2": "a-new-and-long-one"}
    return client.post(form_url, new)


def through_other_code(client: Client, user: User, password: str) -> Any:
    return client.get("/sync/sign-in/", {"name": user.username})


def through_other_async_code(client: Client, user: User, password: str) -> Any:
    return client.get("/async/sign-in/", {"name": user.username})


def through_a_program(client: Client, user: User, password: str) -> Any:
    return client.get("/program/", {"name": user.username})


def through_force_login(client: Client, user: User, password: str) -> Any:
    client.force_login(user)
    return client.get("/")


DOORS = [
    through_our_page,
    through_django,
    through_the_admin,
    through_a_reset,
    through_other_code,
    through_other_async_code,
    through_a_program,
    through_force_login,
]
PAGES = [through_our_page, through_django, through_the_admin, through_a_reset]
WITHOUT_PASSWORD = [through_a_reset, through_a_program, through_force_login]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_asvs_6_3_4_no_door_signs_in_by_password_alone(
    staff: User, password: str, door: Any, engine: str
) -> None:
    """Through each door the password alone leaves an anonymous session that waits."""
    enrol(staff)
    client = Client()

    door(client, staff, password)

    assert who(client) == "AnonymousUser"
    assert not Session.objects.filter(user=staff).exists()
    assert SESSION_KEY not in client.session
    assert Challenge.objects.filter(user_id=staff.pk, closed_at=None).count() == 1
    assert not SessionEvent.objects.filter(event=Event.SESSION_STARTED).exists()


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_each_door_signs_in_with_a_code(staff: User, password: str, door: Any) -> None:
    """What began at any door is finished on the challenge page, with both methods recorded."""
    app = enrol(staff)
    client = Client()
    door(client, staff, password)

    client.post("/account/challenge/", {"code": app.code()})

    assert who(client) == "root"
    session = Session.objects.get(user=staff)
    # Of those our backend knows that it looked at no password.
    first = "ext" if door in WITHOUT_PASSWORD else "pwd"
    assert session.methods == [first, "otp"]
    event = SessionEvent.objects.get(event=Event.SESSION_STARTED)
    assert event.reason == f"{first} otp"


@pytest.mark.parametrize("door", PAGES, ids=lambda door: door.__name__)
def test_a_page_leads_to_the_challenge_and_on(staff: User, password: str, door: Any) -> None:
    """A sign-in form's redirect goes to the challenge, which goes on to where it led."""
    app = enrol(staff)
    client = Client()

    response = door(client, staff, password)

    assert urlsplit(response["Location"]).path == "/account/challenge/"
    (target,) = parse_qs(urlsplit(response["Location"]).query)["next"]
    assert target == ("/admin/" if door is through_the_admin else "/")
    done = client.post(response["Location"], {"code": app.code(), "next": target}, follow=True)
    assert done.status_code == 200
    assert done.request["PATH_INFO"] == target


@pytest.mark.parametrize("page", ["/account/login/", "/django/login/", "/admin/login/"])
def test_a_sign_in_page_leads_to_what_waits(staff: User, password: str, page: str) -> None:
    """Whoever has a challenge waiting and is sent to sign in is shown the challenge."""
    enrol(staff)
    client = Client()
    through_a_program(client, staff, password)

    response = client.get(page, {"next": "/admin/auth/"})

    assert response["Location"] == "/account/challenge/?next=%2Fadmin%2Fauth%2F"


def test_in_the_async_world(staff: User) -> None:
    """An async client is led the same way, and signs in with a code."""
    app = enrol(staff)
    client = AsyncClient()

    async def walk() -> tuple[str, str, str]:
        await client.get("/async/sign-in/", {"name": "root"})
        before = (await client.get("/async/who/")).content.decode()
        led = await client.get("/admin/login/?next=/admin/")
        await client.post("/account/challenge/", {"code": app.code()})
        after = (await client.get("/async/who/")).content.decode()
        return before, led["Location"], after

    assert async_to_sync(walk)() == (
        "AnonymousUser",
        "/account/challenge/?next=%2Fadmin%2F",
        "root",
    )


def every_path(patterns: list[Any], prefix: str = "/") -> Iterator[str]:
    """Yield one address for each URL there is, with something plausible for its parameters."""
    for entry in patterns:
        route = str(entry.pattern)
        path = prefix + re.sub(r"<(?:\w+:)?(\w+)>", _sample, route.lstrip("^").rstrip("$"))
        if isinstance(entry, URLResolver):
            yield from every_path(entry.url_patterns, path)
        elif isinstance(entry, URLPattern) and "(" not in path:
            yield path


def _sample(found: re.Match[str]) -> str:
    return str(new_public_id()) if "uuid" in found.group(0) else "1"


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("urlconf", ["tests.support.doors", "tests.urls", "demo_project.urls"])
def test_no_address_opens_half_way(
    staff: User, password: str, urlconf: str, method: str, settings: Any
) -> None:
    """Half-authenticated, every address of the site answers exactly as to a stranger."""
    settings.ROOT_URLCONF = urlconf
    if urlconf.startswith("demo"):
        settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "demo_project.shop"]
        call_command("migrate", verbosity=0)
    enrol(staff)
    half, stranger = Client(raise_request_exception=False), Client(raise_request_exception=False)
    waiting = {"sign-in", "program", "login", "challenge", "fail", "password_reset"}
    seen = 0
    for path in every_path(get_resolver().url_patterns):
        if waiting & set(path.strip("/").split("/")):
            continue
        half.force_login(staff)

        ours, theirs = getattr(half, method)(path), getattr(stranger, method)(path)

        seen += 1
        assert getattr(ours.wsgi_request, "user", None) is None or (
            not ours.wsgi_request.user.is_authenticated
        ), path
        assert ours.status_code == theirs.status_code, path
        assert "root" not in ours.content.decode(errors="replace"), path
    assert seen > 25
    assert not Session.objects.filter(user=staff).exists()


def test_asvs_6_4_3_a_reset_ends_what_was(staff: User, password: str) -> None:
    """A reset password signs nobody in without the code, and ends a challenge that waited."""
    app = enrol(staff)
    waiting, resetting = Client(), Client()
    through_our_page(waiting, staff, password)
    staff.refresh_from_db()

    through_a_reset(resetting, staff, password)
    waiting.post("/account/challenge/", {"code": app.code()})

    assert who(waiting) == "AnonymousUser"
    assert who(resetting) == "AnonymousUser"


def test_another_browser_cannot_finish(staff: User, password: str) -> None:
    """A challenge is passed only where it was begun."""
    app = enrol(staff)
    begun, other = Client(), Client()
    through_our_page(begun, staff, password)
    challenge = begun.session["_sessions_plus_challenge"]
    session = other.session
    session["_sessions_plus_challenge"] = challenge
    session.save()

    other.post("/account/challenge/", {"code": app.code()})

    assert who(other) == "AnonymousUser"
    assert Challenge.objects.get(public_id=challenge).closed_at is None


def test_the_key_changes_at_each_step(staff: User, password: str) -> None:
    """No session key from before the password or the code is good after it."""
    app = enrol(staff)
    client = Client()
    keys = []
    client.get("/sync/write/")
    keys.append(client.cookies["sessionid"].value)
    through_our_page(client, staff, password)
    keys.append(client.cookies["sessionid"].value)
    client.post("/account/challenge/", {"code": app.code()})
    keys.append(client.cookies["sessionid"].value)

    assert len(set(keys)) == 3
    for old in keys[:2]:
        thief = Client()
        thief.cookies["sessionid"] = old
        assert who(thief) == "AnonymousUser"


def test_a_cart_survives_and_a_person_does_not(staff: User, user: User, password: str) -> None:
    """What was anonymous is kept for whoever signs in; what was somebody's is not."""
    app = enrol(staff)
    client = Client()
    client.get("/sync/write/", {"color": "red"})
    through_our_page(client, staff, password)
    client.post("/account/challenge/", {"code": app.code()})
    assert client.get("/sync/read/").content == b"red"
    Session.objects.filter(user=staff).update(auth_methods="pwd")

    through_our_page(client, staff, password)
    through_our_page(client, user, password)

    assert who(client) == "ann"
    assert client.get("/sync/read/").content == b"none"


def test_the_same_person_again_begins_no_new_life(staff: User, password: str) -> None:
    """A password typed again in a two-factor session keeps it, without a new lifetime."""
    app = enrol(staff)
    client = Client()
    through_our_page(client, staff, password)
    client.post("/account/challenge/", {"code": app.code()})
    before = Session.objects.get(user=staff)

    through_our_page(client, staff, password)

    after = Session.objects.get(user=staff)
    assert who(client) == "root"
    assert (after.public_id, after.authenticated_at) == (before.public_id, before.authenticated_at)
    assert after.methods == ["pwd", "otp"]
    assert after.key_hash != before.key_hash


@pytest.mark.parametrize("keep", [True, False])
def test_the_wish_to_stay_signed_in_outlives_the_challenge(
    user: User, password: str, keep: bool
) -> None:
    """What was ticked on the sign-in page holds for the session that the code begins."""
    app = enrol(user)
    client = Client()
    given = {"username": "ann", "password": password} | ({"keep_signed_in": "on"} if keep else {})
    client.post("/account/login/", given)

    client.post("/account/challenge/", {"code": app.code()})

    assert bool(client.cookies["sessionid"]["max-age"]) == keep


def test_giving_up_lets_somebody_else_sign_in(staff: User, user: User, password: str) -> None:
    """Cancelling ends the challenge for good, and the browser is free."""
    app = enrol(staff)
    client = Client()
    through_our_page(client, staff, password)

    assert client.post("/account/challenge/cancel/")["Location"] == "/account/login/"

    client.post("/account/challenge/", {"code": app.code()})
    assert who(client) == "AnonymousUser"
    through_our_page(client, user, password)
    assert who(client) == "ann"


def test_a_new_sign_in_ends_the_waiting_one(staff: User, password: str) -> None:
    """One browser waits for one challenge at a time."""
    enrol(staff)
    client = Client()
    through_our_page(client, staff, password)

    through_our_page(client, staff, password)

    assert Challenge.objects.filter(closed_at=None).count() == 1


def test_people_without_an_authenticator_pay_one_query(user: User, password: str) -> None:
    """Who has no authenticator signs in as before; it costs one EXISTS."""
    client = Client()
    with CaptureQueriesContext(connection) as queries:
        through_our_page(client, user, password)

    asked = [query["sql"] for query in queries if "sessions_plus_authenticator" in query["sql"]]
    assert len(asked) == 1
    assert not any("sessions_plus_challenge" in query["sql"] for query in queries)
    assert who(client) == "ann"


@override_settings(
    MIDDLEWARE=[
        "sessions_plus.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "django.contrib.auth.middleware.PersistentRemoteUserMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ],
    AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.RemoteUserBackend"],
)
def test_a_header_that_signs_in_each_request(user: User) -> None:
    """Where a proxy names the user with each request, one challenge waits, and can be passed."""
    app = enrol(user)
    client = Client(headers={}, REMOTE_USER="ann")
    for _ in range(3):
        assert client.get("/sync/who/").content == b"AnonymousUser"

    assert Challenge.objects.count() == 1
    client.post("/account/challenge/", {"code": app.code()})
    assert who(client) == "ann"
    assert Session.objects.get(user=user).methods == ["ext", "otp"]


def test_asvs_6_3_8_strangers_learn_nothing(staff: User, user: User, password: str) -> None:
    """A wrong password answers the same whether or not the account has a second factor."""
    enrol(staff)
    answers = []
    for name in ("root", "ann", "nobody"):
        response = Client().post("/account/login/", {"username": name, "password": "wrong"})
        text = re.sub(r'value="[^"]*"', "", response.content.decode()).replace(name, "")
        answers.append((response.status_code, text))

    assert answers[0] == answers[1] == answers[2]
    assert not Challenge.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_atomic_requests_forgive_no_guess(
    staff: User, password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where each request is a transaction, what is counted is not rolled back with it."""
    app = enrol(staff)
    client = Client()
    through_our_page(client, staff, password)
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    for path in ("/account/challenge/", "/account/reauthenticate/"):
        assert "default" in resolve(path).func._non_atomic_requests  # type: ignore[attr-defined]

    for _ in range(3):
        client.post("/account/challenge/", {"code": app.wrong_code()})

    assert Throttle.objects.get(scope=Scope.ACCOUNT).attempts == 3


def test_a_code_without_a_password_is_nothing(staff: User) -> None:
    """Without a challenge a right code is not even looked at."""
    app: App = enrol(staff)
    client = Client()

    response = client.post("/account/challenge/", {"code": app.code()})

    assert response["Location"] == "/account/login/"
    assert who(client) == "AnonymousUser"


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "\\\\evil"]
)
def test_nobody_is_led_off_the_site(staff: User, password: str, target: str) -> None:
    """``next`` leads nowhere else."""
    app = enrol(staff)
    client = Client()
    given = {"username": "root", "password": password, "next": target}
    led = client.post("/account/login/", given)["Location"]
    assert "evil" not in led

    done = client.post("/account/challenge/", {"code": app.code(), "next": target})

    assert done["Location"] == "/"
