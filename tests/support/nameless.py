"""
The rules of a site whose users are called by a number or a UUID.

Run by ``tests/lifecycle/test_user_names.py``, in a process with other settings.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.signals import user_login_failed
from django.test import Client, RequestFactory

from sessions_plus.models import Event, SessionEvent
from tests.conftest import PASSWORD
from tests.support.hostile import TEXTS

pytestmark = pytest.mark.django_db

MODEL: Any = get_user_model()
NAME: Any = {"number": 7, "code": UUID(int=7), "username": "someone"}[MODEL.USERNAME_FIELD]
TYPED = {
    **{name: text for name, text in TEXTS.items() if text and "\x00" not in text},
    "a name": "ann",
    "a number": "8",
    "a UUID": str(UUID(int=8)),
}


@pytest.fixture
def ann() -> Any:
    return MODEL.objects.create_user(NAME, "ann@example.com", PASSWORD)


@pytest.fixture(autouse=True)
def _no_rates(settings: Any) -> None:
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))


def failures() -> list[Any]:
    found = SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED)
    return list(found.values_list("user_id", flat=True))


@pytest.mark.parametrize("typed", TYPED.values(), ids=TYPED)
def test_a_wrong_name_is_nobodys(ann: Any, typed: str) -> None:
    """Whatever is typed for a name, the form and the API refuse it, and it is recorded."""
    sent = typed.encode(errors="replace").decode()
    client, account = Client(), {"username": sent, "password": "x"}

    page = client.post("/account/login/", account)
    answer = client.post("/api/tokens/", account, content_type="application/json")

    assert page.status_code == 200
    too_long = ("invalid", "body_too_large")
    assert answer.json()["code"] in ("invalid_credentials", *too_long)
    assert failures()
    assert set(failures()) == {None}


def test_a_wrong_password_is_recorded(ann: Any) -> None:
    """Of somebody's name a wrong password is theirs, and the right one signs in."""
    client = Client()

    client.post("/account/login/", {"username": str(NAME), "password": "x"})
    assert failures() == [ann.pk]

    client.post("/account/login/", {"username": str(NAME), "password": PASSWORD})
    assert client.get("/account/security/").status_code == 200
    assert client.post("/account/security/totp/begin/", follow=True).status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param({}, id="none"),
        pytest.param({"token": "x"}, id="a token"),
        pytest.param({"username": None}, id="no name"),
        pytest.param({"username": b"\xff"}, id="bytes"),
        pytest.param({"username": ["ann"]}, id="a list"),
        pytest.param({"username": {"a": 1}}, id="a dictionary"),
        pytest.param({"username": float("inf")}, id="infinity"),
        pytest.param({"username": float("nan")}, id="no number"),
        pytest.param({"username": 2**100}, id="a large number"),
        pytest.param({"username": object()}, id="an object"),
        pytest.param({MODEL.USERNAME_FIELD: "ann"}, id="the field's own name"),
        *(pytest.param({"username": text}, id=name) for name, text in TEXTS.items()),
    ],
)
def test_what_only_records_never_fails(ann: Any, credentials: dict[str, Any]) -> None:
    """Whatever a backend was given, and refused, is recorded as nobody's."""
    request = RequestFactory().post("/")

    user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    user_login_failed.send(sender=__name__, credentials=credentials)

    assert failures() == [None, None]


def test_a_refusal_that_cannot_be_recorded_is_a_refusal(
    ann: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the record cannot be written, the sign-in is refused all the same."""

    def full(*_: object, **__: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("sessions_plus.mfa.failed_sign_ins.record", full)

    assert authenticate(None, username=str(NAME), password="wrong") is None
