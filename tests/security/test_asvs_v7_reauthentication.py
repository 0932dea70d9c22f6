"""
OWASP ASVS 5.0, rows 7.5.1 and 7.5.3: who is signed in proves it again before what matters.

Ann signed in with password and code, and left her browser to somebody.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path, reverse

from sessions_plus.cache import copies
from sessions_plus.conf import conf
from sessions_plus.decorators import reauthentication_required
from sessions_plus.models import Authenticator, RecoveryCode, Session
from tests.security.addresses import addresses
from tests.support.authenticators import App, enrol, only
from tests.support.moments import START
from tests.tokens.factories import changed, new_tokens

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

CHANGES = [
    ("post", "sessions_plus:totp_begin"),
    ("get", "sessions_plus:totp_enrol"),
    ("post", "sessions_plus:totp_enrol"),
    ("post", "sessions_plus:recovery_codes_make"),
    ("post", "sessions_plus:authenticator_remove"),
    ("post", "sessions_plus_api:totp_begin"),
    ("delete", "sessions_plus_api:totp_detail"),
    ("post", "sessions_plus_api:recovery_codes"),
]
CHANGE_NOTHING = {
    "sessions_plus:security",
    "sessions_plus_api:mfa",
    # A name opens nothing.
    "sessions_plus:authenticator_rename",
    # Hands back as a file what the page sent.
    "sessions_plus:recovery_codes_download",
    # Confirms what the same session began a few minutes ago, with all factors.
    "sessions_plus_api:totp_confirm",
}


@reauthentication_required(max_age=timedelta(minutes=2), factors="one")
def transfer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sent")


@reauthentication_required(max_age=timedelta(minutes=2), factors="all")
def large_transfer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("sent")


urlpatterns = [
    path("transfer/", transfer),
    path("large-transfer/", large_transfer),
    path("account/", include("sessions_plus.urls")),
    path("api/", include("sessions_plus.api.urls")),
]


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


@dataclass
class Left:
    """Ann's browser, and what she would have to prove herself with."""

    client: Client
    app: App
    password: str

    def prove(self, **given: str) -> None:
        factors = "all" if len(given) > 1 else "one"
        page = reverse("sessions_plus:reauthenticate")
        answer = self.client.post(f"{page}?factors={factors}", given)
        assert answer.status_code == 302

    def ask(self, method: str, name: str, args: list[Any]) -> Any:
        place = reverse(name, args=args)
        if name.startswith("sessions_plus_api:"):
            return getattr(self.client, method)(place, "{}", content_type="application/json")
        return getattr(self.client, method)(place)


@pytest.fixture
def ann(engine: str, user: User, password: str) -> Left:
    client, app = Client(), enrol(user)
    client.post(reverse("sessions_plus:login"), {"username": "ann", "password": password})
    client.post(reverse("sessions_plus:challenge"), {"code": app.code()})
    return Left(client, app, password)


def is_asked(response: Any) -> bool:
    """Say whether the answer is to prove oneself first: as a page, or to a program."""
    if response.status_code == 302:
        return bool(response["Location"].startswith(reverse("sessions_plus:reauthenticate")))
    is_refused = response.status_code == 403
    return is_refused and response.json()["code"] == "reauthentication_required"


def factors_of(user: User) -> list[Any]:
    mine = (model.objects.filter(user=user) for model in (Authenticator, RecoveryCode))
    return [list(found.order_by("pk").values()) for found in mine]


@pytest.mark.parametrize(("method", "name"), CHANGES, ids=lambda value: value.replace(":", " "))
def test_asvs_7_5_1(ann: Left, user: User, clock: Any, method: str, name: str) -> None:
    """Changing a factor takes all of them, lately: one is too few, and nothing has changed."""
    is_named = name.endswith(("authenticator_remove", "totp_detail"))
    args = [only(user).public_id] if is_named else []
    clock.shift(conf.REAUTHENTICATION_AGE)
    before = factors_of(user)

    assert is_asked(ann.ask(method, name, args))
    ann.prove(password=ann.password)
    assert is_asked(ann.ask(method, name, args))
    assert factors_of(user) == before

    ann.prove(password=ann.password, code=ann.app.code())
    answer = ann.ask(method, name, args)
    assert answer.status_code < 400
    assert not is_asked(answer)


def test_asvs_7_5_1_names_every_address() -> None:
    """The list above has every address that could change a factor."""
    subjects = ("security", "mfa", "totp", "recovery", "authenticator")
    found = {one.name for one in addresses() if any(word in one.name for word in subjects)}

    assert found == {name for _, name in CHANGES} | CHANGE_NOTHING


@pytest.mark.parametrize(
    ("address", "proof"), [("/transfer/", ["password"]), ("/large-transfer/", ["password", "code"])]
)
def test_asvs_7_5_3(ann: Left, clock: Any, address: str, proof: list[str]) -> None:
    """A site's own view asks for a proof of the age and factors that it names."""
    assert ann.client.get(address).status_code == 200
    clock.shift(timedelta(minutes=2))
    assert is_asked(ann.client.get(address))

    given = {"password": ann.password, "code": ann.app.code()}
    ann.prove(**{name: given[name] for name in proof})

    assert ann.client.get(address).status_code == 200
    clock.shift(timedelta(minutes=2, seconds=-1))
    assert ann.client.get(address).status_code == 200


def test_asvs_7_5_3_one_is_not_all(ann: Left, clock: Any) -> None:
    """A view that asks for all factors is not content with the password."""
    clock.shift(timedelta(minutes=2))

    ann.prove(password=ann.password)

    assert ann.client.get("/transfer/").status_code == 200
    assert is_asked(ann.client.get("/large-transfer/"))


def test_asvs_7_5_3_the_session_decides(user: User, clock: Any) -> None:
    """A token that claims a newer sign-in than its session had is not believed."""
    session = new_tokens(user).session
    clock.shift(conf.FRESH_FACTOR_AGE)
    tokens = new_tokens(user)
    now = int(START.timestamp() + conf.FRESH_FACTOR_AGE.total_seconds())
    claims = {"sid": str(session.public_id), "auth_time": now}
    forged = changed(tokens.access, **claims)
    ending = reverse("sessions_plus_api:session_detail", args=[tokens.session.public_id])

    answer = Client(headers={"authorization": f"Bearer {forged}"}).delete(ending)

    assert is_asked(answer)
    assert Session.objects.active().count() == 2
