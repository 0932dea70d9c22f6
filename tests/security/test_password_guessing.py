"""
Whoever guesses at passwords has to wait, at whichever page; their owner does not.

OWASP: "Slow Down Online Guessing Attacks with Device Cookies"; ASVS 6.3.1.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
import time_machine
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.base_user import BaseUserManager
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import cache
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.auth_backends import BACKEND, MODEL_BACKEND
from sessions_plus.cookies import device_cookie_name
from sessions_plus.crypto import Purpose
from sessions_plus.current import enter, leave
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.exceptions import TooManyAttempts, WrongPassword
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.mfa import guesses, throttle
from sessions_plus.mfa.guesses import folded
from sessions_plus.mfa.verification import verify_password
from sessions_plus.models import Device, Event, Scope, SessionEvent, Throttle
from tests.conftest import PASSWORD, World
from tests.support import guessing
from tests.support.authenticators import enrol
from tests.support.guessing import (
    BESIDE,
    FORMS,
    PLACES,
    PROGRAMS,
    WRONG,
    CountingHasher,
    Elsewhere,
    Guesser,
    is_let_in,
)

pytestmark = [
    pytest.mark.urls("tests.support.guessing"),
    pytest.mark.django_db(transaction=True),
]

FREE = 10
"""What the default profile lets through."""

START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone.get_default_timezone())


@pytest.fixture(autouse=True)
def site(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = guessing.HASHERS
    settings.SESSIONS_PLUS_TRUSTED_PROXY_COUNT = 1
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = {"requests": None, "sign_in": None}
    settings.LOGIN_REDIRECT_URL = "/plain/"
    cache.clear()


@pytest.fixture
def ann(site: None, user: User) -> User:
    """Ann, who may also come in at the admin."""
    user.is_staff = True
    user.set_password(PASSWORD)
    user.save()
    CountingHasher.looked_at = Elsewhere.looked_at = 0
    mail.outbox.clear()
    return user


@pytest.fixture(params=["alone", "beside"])
def looked_at(request: pytest.FixtureRequest, settings: Settings) -> Callable[[], int]:
    """How often a password was looked at: by our backend, or by another that it stands before."""
    if request.param == "alone":
        return lambda: CountingHasher.looked_at
    settings.AUTHENTICATION_BACKENDS = BESIDE
    return lambda: Elsewhere.looked_at


def strangers(world: World, net: str = "198.51") -> Any:
    """Guessers, each from another network."""
    return (Guesser(world, f"{net}.{number // 250}.{number % 250}") for number in range(1, 9999))


def exhaust(world: World, name: str = "ann") -> None:
    """Guess at a name until it has to wait."""
    for stranger in strangers(world):
        if stranger("/plain/", name).status_code == 429:
            return


def owner(world: World, place: str = "/account/login/", address: str = "203.0.113.9") -> Guesser:
    """Ann on a device of hers."""
    found = Guesser(world, address)
    assert is_let_in(found(place, password=PASSWORD))
    assert device_cookie_name() in found.client.cookies
    return found


# At every page


@pytest.mark.parametrize("place", PLACES)
def test_asvs_6_3_1_guesses_end(
    ann: User, world: World, place: str, looked_at: Callable[[], int]
) -> None:
    """Of 40 guesses at a name, from 40 networks, ten are looked at; then one has to wait."""
    crowd = strangers(world)
    answers = [next(crowd)(place) for _ in range(40)]

    assert looked_at() == FREE
    assert [answer.status_code for answer in answers[FREE:]] == [429] * 30
    assert 429 not in [answer.status_code for answer in answers[:FREE]]


def told(response: HttpResponse) -> str:
    """Return what a person reads, who has to wait as long as a program."""
    seconds = response.headers["Retry-After"]
    return f"Too many attempts. Please try again in {seconds} seconds."


@pytest.mark.parametrize("place", FORMS)
def test_people_are_told_on_a_page(ann: User, world: World, place: str) -> None:
    """A form is answered by a page that says how long, with 429 and ``Retry-After``."""
    exhaust(world)

    response = Guesser(world)(place, password=PASSWORD)

    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 30
    assert response.headers["Content-Type"].startswith("text/html")
    assert told(response) in response.content.decode()
    assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.parametrize("place", PROGRAMS)
def test_programs_are_told_in_json(ann: User, world: World, place: str) -> None:
    """A program is answered by the code, with 429 and ``Retry-After``."""
    exhaust(world)

    response = Guesser(world)(place, password=PASSWORD)

    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 30
    assert response.json()["code"] == "too_many_attempts"


def test_a_script_on_a_page_is_a_program(ann: User) -> None:
    """A form that a script sends is answered by JSON."""
    exhaust(World("sync"))

    response = Client().post(
        "/plain/",
        {"username": "ann", "password": WRONG},
        headers={"sec-fetch-dest": "empty", "accept": "text/html"},
    )

    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")


@pytest.mark.urls("tests.support.sites_without_pages")
def test_a_site_without_our_pages(ann: User, world: World) -> None:
    """Where none of our pages has an address, the answer is the same, in plain text."""
    exhaust(world)

    response = Guesser(world)("/plain/")

    assert response.status_code == 429
    assert response.content.decode() == told(response)


def test_pages_share_what_they_count(ann: User, world: World) -> None:
    """Nobody gets ten guesses at each page."""
    crowd = strangers(world)
    for _ in range(3):
        for place in PLACES:
            next(crowd)(place)

    assert CountingHasher.looked_at == FREE


def test_right_password_waits_too(ann: User, world: World, looked_at: Callable[[], int]) -> None:
    """While it waits nothing is looked at: the right one is answered like a wrong one."""
    exhaust(world)
    before = looked_at()

    assert Guesser(world)("/account/login/", password=PASSWORD).status_code == 429
    assert looked_at() == before


@pytest.mark.parametrize(
    "backends", [[BACKEND], [BACKEND, MODEL_BACKEND], BESIDE], ids=["alone", "django's", "other"]
)
@pytest.mark.parametrize("place", PLACES)
def test_who_knows_the_password_is_never_told_to_wait(
    ann: User, world: World, settings: Settings, backends: list[str], place: str
) -> None:
    """Right passwords use nothing up, also where a view hands out a token and calls no login()."""
    settings.AUTHENTICATION_BACKENDS = backends

    for _ in range(2 * FREE):
        assert is_let_in(Guesser(world)(place, password=PASSWORD)), place

    assert set(Throttle.objects.values_list("attempts", flat=True)) == {0}


def test_right_password_before_a_second_factor(ann: User, world: World, settings: Settings) -> None:
    """A sign-in that waits for its code has used nothing up, whoever looked at the password."""
    settings.AUTHENTICATION_BACKENDS = BESIDE
    enrol(ann)

    for place in ("/api/tokens/", "/api/login/", "/account/login/", "/plain/"):
        assert Guesser(world)(place, password=PASSWORD).status_code in (302, 401, 200)

    assert set(Throttle.objects.values_list("attempts", flat=True)) == {0}


def test_failure_of_another_backend_is_no_success(
    ann: User, world: World, settings: Settings
) -> None:
    """Where the other system does not answer, and a view makes little of it, nothing is given
    back."""
    settings.AUTHENTICATION_BACKENDS = BESIDE
    crowd = strangers(world)
    for _ in range(FREE - 1):
        next(crowd)("/plain/")

    answers = [next(crowd)("/swallowing/", password="explode").status_code for _ in range(3)]

    assert answers == [400, 429, 429]


def test_many_in_one_request(ann: User, settings: Settings, looked_at: Callable[[], int]) -> None:
    """Guesses that are made at the same time in one request count each for itself."""
    names = " ".join(["ann"] * 4 + ["ben"] * 4)

    for network in range(4):
        Guesser(World("async"), f"198.51.{network}.1")("/many/", names)

    assert counted(Scope.NAME, "ann") == counted(Scope.NAME, "ben") == FREE
    assert looked_at() == 2 * FREE


def test_other_names_of_credentials_are_counted(
    ann: User, world: World, settings: Settings
) -> None:
    """A page that asks for an address instead of a name counts by that."""
    settings.AUTHENTICATION_BACKENDS = BESIDE
    crowd = strangers(world)

    answers = [next(crowd)("/by-mail/").status_code for _ in range(FREE + 2)]

    assert answers == [400] * FREE + [429] * 2
    assert next(crowd)("/by-mail/", "ben").status_code == 400


# The owner


@pytest.mark.parametrize("place", PLACES)
def test_owner_is_not_locked_out(
    ann: User, world: World, place: str, looked_at: Callable[[], int]
) -> None:
    """Who signs in where they did before comes in, however many guesses strangers make."""
    hers = owner(world)
    exhaust(world)
    more = (
        {"device_token": hers.client.cookies[device_cookie_name()].value}
        if place == "/api/tokens/"
        else {}
    )

    assert is_let_in(hers(place, password=PASSWORD, **more))


def test_owner_in_the_strangers_network(ann: User, world: World) -> None:
    """Nor does it matter that the strangers sit in the same network."""
    stranger = Guesser(world)
    hers = owner(world, address=stranger.address)
    answers = [stranger("/plain/", f"name{n}").status_code for n in range(10 * FREE + 1)]

    assert answers[-1] == 429
    assert is_let_in(hers("/account/login/", password=PASSWORD))


def test_owner_with_a_second_factor(ann: User, world: World) -> None:
    """With the password they reach the code, which strangers cannot use up either."""
    hers = owner(world)
    app = enrol(ann)
    exhaust(world)
    for number in range(10 * FREE + 1):
        Guesser(world, hers.address)("/plain/", f"name{number}")

    assert hers("/account/login/", password=PASSWORD).status_code == 302
    response = hers("/account/challenge/", code=app.code())

    assert response.status_code == 302


def test_program_is_known_by_its_device_token(ann: User, world: World) -> None:
    """An installation that sends its device token is known; a cookie counts for nothing there."""
    first = Guesser(world)("/api/tokens/", password=PASSWORD).json()
    hers = owner(world)
    exhaust(world)

    known = Guesser(world)("/api/tokens/", password=PASSWORD, device_token=first["device_token"])
    by_cookie = hers("/api/tokens/", password=PASSWORD)

    assert known.status_code == 200
    assert by_cookie.status_code == 429


def test_a_device_waits_by_itself(ann: User, world: World) -> None:
    """Wrong passwords on a device of theirs make that device wait, and nobody else."""
    hers, tablet = owner(world), owner(world)
    answers = [hers("/plain/").status_code for _ in range(FREE + 1)]

    assert answers == [400] * FREE + [429]
    assert is_let_in(tablet("/plain/", password=PASSWORD))
    assert is_let_in(Guesser(world)("/plain/", password=PASSWORD))


@pytest.mark.parametrize("whose", ["another's", "revoked", "forged", "made up", "an old one"])
def test_who_is_no_owner_of_a_device(ann: User, other_user: User, world: World, whose: str) -> None:
    """A device cookie counts for nothing but for whom it was given to, on a device in use."""
    hers = owner(world)
    token = hers.client.cookies[device_cookie_name()].value
    if whose == "another's":
        bens = Guesser(world)
        assert is_let_in(bens("/account/login/", "ben", PASSWORD))
        token = bens.client.cookies[device_cookie_name()].value
    elif whose == "revoked":
        revoke_device(Device.objects.get())
    elif whose == "forged":
        token = token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB")
    elif whose == "made up":
        token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)
    else:
        Device.objects.all().delete()
    exhaust(world)
    stranger = Guesser(world)
    stranger.client.cookies[device_cookie_name()] = token

    assert stranger("/account/login/", password=PASSWORD).status_code == 429


def test_success_forgets_the_names_guesses(ann: User, world: World) -> None:
    """Whoever knows the password begins from zero; those of the network still count."""
    crowd = strangers(world)
    for _ in range(FREE - 1):
        next(crowd)("/plain/")
    home = Guesser(world)
    home("/plain/", "ben")

    assert is_let_in(home("/plain/", password=PASSWORD))

    assert counted(Scope.NAME, "ann") == 0
    assert (
        Throttle.objects.get(
            scope=Scope.NETWORK, subject=throttle.of_address(home.address)
        ).attempts
        == 1
    )


def test_own_successes_buy_no_guesses_at_others(ann: User, other_user: User, world: World) -> None:
    """Between guesses at others, signing in as oneself gives the network nothing back."""
    stranger = Guesser(world)
    for number in range(10 * FREE):
        stranger("/forgetful/", f"name{number}")
        if number % 5 == 0:
            stranger("/forgetful/", "ben", PASSWORD)

    assert stranger("/plain/", "ann").status_code == 429


def test_a_new_password_begins_again(ann: User, world: World) -> None:
    """Locked out on a strange device, the owner resets the password and comes in."""
    exhaust(world)
    ann.set_password("another long and secret sentence")
    ann.save()

    assert is_let_in(Guesser(world)("/account/login/", password="another long and secret sentence"))


def test_a_new_password_begins_again_on_the_owners_device(ann: User, world: World) -> None:
    """Who mistyped an old one too often on a device of theirs need not wait with a new one."""
    hers = owner(world)
    for _ in range(FREE + 1):
        hers("/plain/")
    ann.set_password("another long and secret sentence")
    ann.save()

    assert is_let_in(hers("/plain/", password="another long and secret sentence"))


def test_strangers_are_forgotten_with_time(ann: User, world: World) -> None:
    """A day after the first guess the name begins again from zero."""
    with time_machine.travel(START, tick=False) as clock:
        exhaust(world)
        clock.shift(timedelta(days=1) - timedelta(seconds=1))
        Guesser(world)("/plain/")
        assert counted(Scope.NAME, "ann") == FREE + 1

        clock.shift(timedelta(minutes=2))
        Guesser(world)("/plain/")

        assert counted(Scope.NAME, "ann") == 1


def test_waits_grow(ann: User, world: World) -> None:
    """Each further guess waits twice as long, up to an hour: 40 guesses in a day, not 400."""
    with time_machine.travel(START, tick=False) as clock:
        for _ in range(24 * 60):
            Guesser(world)("/plain/")
            clock.shift(timedelta(minutes=1))

    assert CountingHasher.looked_at <= 40


# The network


@pytest.mark.parametrize(
    ("addresses", "is_one"),
    [
        pytest.param(["198.51.100.7"], True, id="IPv4"),
        pytest.param([f"2001:db8:1:2::{n:x}" for n in range(1, 400)], True, id="IPv6, a /64"),
        pytest.param([f"2001:db8:1:{n:x}::1" for n in range(1, 400)], False, id="IPv6, others"),
    ],
)
def test_asvs_6_3_1_many_names_from_one_network(
    ann: User, addresses: list[str], is_one: bool
) -> None:
    """Of guesses at ever other names from one network, a hundred are looked at."""
    answers = []
    for number in range(10 * FREE + 5):
        guesser = Guesser(World("sync"), addresses[number % len(addresses)])
        answers.append(guesser("/plain/", f"name{number}").status_code)

    assert answers.count(429) == (5 if is_one else 0)
    assert Guesser(World("sync"), "203.0.113.1")("/plain/").status_code == 400


def test_a_network_that_waits_leaves_no_names(ann: User, world: World) -> None:
    """Whoever makes up names leaves no row for each."""
    stranger = Guesser(world)
    for number in range(10 * FREE + 20):
        stranger("/forgetful/", f"name{number}")

    assert Throttle.objects.filter(scope=Scope.NAME).count() == 10 * FREE
    assert Throttle.objects.count() == 10 * FREE + 1


def test_a_name_that_waits_uses_up_no_network(ann: User, world: World) -> None:
    """What is not looked at counts nowhere: who hammers at one name locks out no office."""
    stranger = Guesser(world)
    for _ in range(12 * FREE):
        stranger("/forgetful/")

    network = Throttle.objects.get(scope=Scope.NETWORK)
    assert network.attempts == FREE
    assert is_let_in(Guesser(world)("/account/login/", "ben", PASSWORD)) is False
    assert Guesser(world)("/plain/", "ben").status_code == 400


def test_asked_again_is_counted_once(ann: User, world: World, settings: Settings) -> None:
    """A password typed again, which only another backend knows, is no sign-in as well."""
    settings.AUTHENTICATION_BACKENDS = BESIDE
    ann.set_unusable_password()
    request = RequestFactory().get("/")
    token = enter(request)
    try:
        with pytest.raises(WrongPassword):
            verify_password(ann, WRONG, client=None, now=timezone.now())
        verify_password(ann, PASSWORD, client=None, now=timezone.now())
    finally:
        leave(token)

    assert set(Throttle.objects.values_list("scope", flat=True)) == {Scope.ADDRESS, Scope.PASSWORD}


# Rows


def test_forgotten_rows_go_with_new_ones(ann: User, world: World) -> None:
    """Without any clean-up there are no more rows than are in use: each new one takes old ones."""
    with time_machine.travel(START, tick=False) as clock:
        for number in range(30):
            Guesser(world)("/forgetful/", f"name{number}")
        clock.shift(timedelta(days=3))

        Guesser(world)("/forgetful/", "a new one")

    assert Throttle.objects.filter(scope=Scope.NAME).count() == 1


def test_rows_name_nobody(ann: User, world: World) -> None:
    """A counter has digests under a key of the site's: neither name nor address."""
    Guesser(world)("/plain/")
    Guesser(world)("/plain/", "her-own-password")

    found = str(list(Throttle.objects.values_list()))
    assert "ann" not in found
    assert "her-own" not in found
    assert "198.51" not in found
    assert not Throttle.objects.filter(subject=str(ann.pk)).exists()


def counted(scope: Scope, name: str) -> int:
    return Throttle.objects.get(scope=scope, subject=throttle.of_name(name)).attempts


# Whatever becomes of the transaction


@pytest.mark.parametrize(
    "place",
    [
        "/rolled-back/",
        "/token/",
        "/plain/",
        "/basic/",
        "/django/",
        "/account/login/",
        "/admin/login/",
        "/api/tokens/",
        "/api/login/",
    ],
)
def test_rollback_forgives_no_guess(
    ann: User,
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    looked_at: Callable[[], int],
) -> None:
    """Where each request is a transaction that a refusal rolls back, guesses are counted."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    crowd = strangers(world)

    answers = [next(crowd)(place).status_code for _ in range(FREE + 5)]

    assert looked_at() == FREE
    assert answers[FREE:] == [429] * 5
    assert SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED).count() == FREE
    assert SessionEvent.objects.filter(event=Event.THROTTLED).count() == 1


def test_rollback_after_a_right_password(
    ann: User, world: World, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """A view that is rolled back though the password was right leaves the counters alone."""
    settings.AUTHENTICATION_BACKENDS = BESIDE
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    home = Guesser(world)
    home("/rolled-back/", "ben")

    for _ in range(3):
        for place in ("/token/", "/rolled-back/", "/late/"):
            assert is_let_in(Guesser(world)(place, password=PASSWORD))

    assert Throttle.objects.get(scope=Scope.NETWORK).attempts == 1
    assert counted(Scope.NAME, "ann") == 0


def test_asvs_6_3_1_parallel_guesses(ann: User) -> None:
    """Of thirty guesses at once no more are looked at than of thirty in a row."""
    barrier = Barrier(10)

    def guess(number: int) -> str:
        request = RequestFactory(REMOTE_ADDR=f"198.51.100.{number}").post("/")
        outcomes = []
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=60)
            for _ in range(3):
                try:
                    authenticate(request, username="ann", password=WRONG)
                    outcomes.append("looked at")
                except TooManyAttempts:
                    outcomes.append("refused")
        finally:
            connections.close_all()
        return " ".join(outcomes)

    with ThreadPoolExecutor(10) as pool:
        found = Counter(" ".join(pool.map(guess, range(10))).replace("looked at", "looked").split())

    assert found == {"looked": FREE, "refused": 20}


# Who exists


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("with_device", [False, True], ids=["no device", "a device of their own"])
@time_machine.travel(START, tick=False)
def test_asvs_6_3_8_nobody_learns_who_exists(
    ann: User, other_user: User, place: str, with_device: bool
) -> None:
    """Guess by guess, a name that nobody has is answered like Ann's, and costs as much."""
    token = owner_of(other_user) if with_device else None

    known = what_is_seen("ann", place, token, strangers(World("sync"), "198.51"))
    unknown = what_is_seen("nobody", place, token, strangers(World("sync"), "192.88"))

    assert known == unknown


def what_is_seen(name: str, place: str, token: str | None, crowd: Any) -> list[Any]:
    """Return what each guess is answered, and what it costs: hashing, and statements."""
    seen = []
    for _ in range(FREE + 2):
        guesser = next(crowd)
        if token is not None:
            guesser.client.cookies[device_cookie_name()] = token
        before = CountingHasher.looked_at
        with CaptureQueriesContext(connection) as queries:
            response = guesser(place, name)
        text = without_tokens(response.content.decode()).replace(name, "NAME")
        waits = response.headers.get("Retry-After")
        costs = (CountingHasher.looked_at - before, len(queries))
        seen.append((response.status_code, waits, text, costs))
    return seen


def owner_of(user: User) -> str:
    """Return the device token of a stranger with an account, and a device, of their own."""
    guesser = Guesser(World("sync"))
    assert is_let_in(guesser("/account/login/", user.get_username(), PASSWORD))
    return str(guesser.client.cookies[device_cookie_name()].value)


def without_tokens(html: str) -> str:
    return re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html)


def test_one_user_by_whatever_spelling(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a site finds ``ANN`` as ``ann``, spellings buy no guesses, nor tell who exists."""

    def find(manager: Any, name: str) -> Any:
        return manager.get(username__iexact=name)

    monkeypatch.setattr(type(User.objects), "get_by_natural_key", find, raising=False)
    crowd = strangers(World("sync"))
    for names in (("ann", "Ann", "ANN"), ("eve", "Eve", "EVE")):
        answers = [next(crowd)("/plain/", names[n % 3]).status_code for n in range(FREE + 3)]

        assert answers == [400] * FREE + [429] * 3


@pytest.mark.skipif(connection.vendor == "mysql", reason="There a name is the same in capitals")
def test_two_users_share_nothing(ann: User, world: World) -> None:
    """Where ``ANN`` is somebody else, their success forgives no guess at ``ann``."""
    User.objects.create_user("ANN", password=PASSWORD)
    exhaust(world)

    assert is_let_in(Guesser(world)("/plain/", "ANN", PASSWORD))

    assert Guesser(world)("/plain/").status_code == 429


@pytest.mark.skipif(connection.vendor != "mysql", reason="MariaDB alone finds names so")
def test_one_name_in_the_database(ann: User, world: World) -> None:
    """Where the database takes no notice of case and accents, neither do the counters."""
    crowd = strangers(world)
    for names in (("ann", "ANN", "änn"), ("eve", "EVE", "évé")):
        answers = [next(crowd)("/plain/", names[n % 3]).status_code for n in range(FREE + 3)]

        assert answers == [400] * FREE + [429] * 3


@pytest.mark.parametrize(
    ("folds", "name", "expected"),
    [
        pytest.param(False, "ÄNN ", "ÄNN ", id="as it is"),
        pytest.param(True, "ÄNN ", "ann", id="without case and accents"),
        pytest.param(True, "a\u00adn\u200bn", "ann", id="without what is not seen"),
        pytest.param(True, "ａｎｎ", "ann", id="without width"),
        pytest.param(False, "a" * 300, "a" * 254, id="at most so long"),
        pytest.param(False, "\ud800", "?", id="half a character"),
    ],
)
def test_folded(monkeypatch: pytest.MonkeyPatch, folds: bool, name: str, expected: str) -> None:
    """A name that nobody has is counted as the site would look for it."""
    monkeypatch.setattr(guesses, "_folds_names", lambda: folds)

    assert folded(name) == expected


# What operators see


def test_operators_see_who_waits(ann: User, world: World, caplog: pytest.LogCaptureFixture) -> None:
    """The first wait is an event; each refused attempt is a line in the log, and no row."""
    exhaust(world)
    rows = SessionEvent.objects.count()
    caplog.clear()

    for _ in range(3):
        Guesser(world)("/plain/")

    reached = SessionEvent.objects.get(event=Event.THROTTLED)
    assert (reached.user_id, reached.reason) == (ann.pk, "name")
    assert SessionEvent.objects.count() == rows
    lines = [r.getMessage() for r in caplog.records if r.name == "sessions_plus.security"]
    assert len(lines) == 3
    assert all('"throttle.reached"' in line and '"reason": "name"' in line for line in lines)


def test_a_network_is_nobodys(ann: User) -> None:
    """That a network has to wait says nothing about whoever was guessed at last."""
    stranger = Guesser(World("sync"))
    for number in range(10 * FREE - 1):
        stranger("/forgetful/", f"name{number}")
    stranger("/forgetful/", "ann")

    reached = SessionEvent.objects.get(event=Event.THROTTLED)
    assert (reached.user_id, reached.reason) == (None, "network")


def test_no_mail(ann: User, world: World) -> None:
    """A stranger's guesses fill nobody's mailbox."""
    exhaust(world)

    assert mail.outbox == []


def test_manager_is_djangos() -> None:
    """The tests' users are found as Django finds them, so that names are taken as they are."""
    manager = type(get_user_model()._default_manager)
    assert manager.get_by_natural_key is BaseUserManager.get_by_natural_key
