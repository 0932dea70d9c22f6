"""The second factor, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.models import Authenticator, Event, Session, SessionEvent
from tests.api.conftest import Caller, give_csrf_token
from tests.support.authenticators import App, enrol, only

pytestmark = pytest.mark.django_db


@pytest.fixture
def app(user: Any) -> App:
    """Ann has an authenticator."""
    return enrol(user)


def begun(caller: Caller, password: str) -> str:
    """Sign in with the password; return the challenge."""
    response = caller("post", "token_issue", {"username": "ann", "password": password})
    body = response.json()
    assert (response.status_code, body["code"]) == (401, "second_factor_required")
    assert body["expires_in"] == 600
    return str(body["challenge"])


def test_password_alone_gets_no_tokens(app: App, password: str, stranger: Caller) -> None:
    """Who has an authenticator gets a challenge for the password, and no session."""
    begun(stranger, password)

    assert not Session.objects.exists()


def test_code_gets_tokens(app: App, password: str, stranger: Caller) -> None:
    """With the code the sign-in is complete, and the session tells of both factors."""
    challenge = begun(stranger, password)

    response = stranger("post", "token_challenge", {"challenge": challenge, "code": app.code()})

    assert response.status_code == 200
    assert Session.objects.get().methods == ["pwd", "otp"]
    assert Caller(response.json()["access"])("get", "session_list").status_code == 200


def test_recovery_code_gets_tokens(app: App, password: str, stranger: Caller) -> None:
    """A recovery code does too, once."""
    code = app.recovery_codes[0]
    body = {"challenge": begun(stranger, password), "code": code}
    assert stranger("post", "token_challenge", body).status_code == 200

    body = {"challenge": begun(stranger, password), "code": code}
    assert stranger("post", "token_challenge", body).json()["code"] == "invalid_code"


def test_wrong_code(app: App, password: str, stranger: Caller) -> None:
    """After a wrong code the challenge waits on; the failure is recorded."""
    challenge = begun(stranger, password)

    response = stranger(
        "post", "token_challenge", {"challenge": challenge, "code": app.wrong_code()}
    )

    assert (response.status_code, response.json()["code"]) == (400, "invalid_code")
    assert SessionEvent.objects.filter(event=Event.CHALLENGE_FAILED).count() == 1
    body = {"challenge": challenge, "code": app.code()}
    assert stranger("post", "token_challenge", body).status_code == 200


def test_challenge_is_passed_once(app: App, password: str, stranger: Caller) -> None:
    """A passed challenge is over, whatever code comes with it."""
    challenge = begun(stranger, password)
    stranger("post", "token_challenge", {"challenge": challenge, "code": app.code()})

    body = {"challenge": challenge, "code": app.recovery_codes[0]}
    response = stranger("post", "token_challenge", body)

    assert (response.status_code, response.json()["code"]) == (400, "challenge_over")


@pytest.mark.parametrize("token", ["x", "x" * 76])
def test_no_challenge(stranger: Caller, token: str) -> None:
    """What is no challenge is answered like one that is over."""
    response = stranger("post", "token_challenge", {"challenge": token, "code": "123456"})

    assert (response.status_code, response.json()["code"]) == (400, "challenge_over")


def test_challenge_opens_nothing(app: App, password: str, stranger: Caller) -> None:
    """OWASP ASVS 9.2.2: a challenge is neither an access token nor a refresh token."""
    challenge = begun(stranger, password)

    assert Caller(challenge)("get", "session_list").status_code == 401
    assert stranger("post", "token_refresh", {"refresh": challenge}).status_code == 401


def test_cookie_waits_for_the_code(app: App, password: str) -> None:
    """On the cookie, the password alone signs nobody in; the code then does."""
    caller = Caller()
    give_csrf_token(caller)
    response = caller("post", "login", {"username": "ann", "password": password})
    assert (response.status_code, response.json()["code"]) == (401, "second_factor_required")
    assert "challenge" not in response.json()
    assert caller("get", "session_list").status_code == 401

    response = caller("post", "login_challenge", {"code": app.code()})

    assert response.status_code == 200
    assert caller("get", "session_list").status_code == 200
    assert Session.objects.exclude(user=None).get().methods == ["pwd", "otp"]


def test_no_challenge_waits(stranger: Caller, db: None) -> None:
    """A code without a password before it completes nothing."""
    give_csrf_token(stranger)

    response = stranger("post", "login_challenge", {"code": "123456"})

    assert (response.status_code, response.json()["code"]) == (400, "challenge_over")


def test_enrolment(program: Caller, user: Any) -> None:
    """A program begins with a secret, confirms with a code, and gets recovery codes once."""
    started = program("post", "totp_begin")
    body = started.json()
    assert started.status_code == 201
    assert body.keys() == {"secret", "otpauth_uri", "svg", "expires_in"}
    assert body["svg"].startswith("<svg")
    phone = App.typed(body["secret"])

    response = program("post", "totp_confirm", {"code": phone.code(), "name": "Phone"})

    assert response.status_code == 201
    assert response.json()["authenticator"]["name"] == "Phone"
    assert len(response.json()["recovery_codes"]) == 10
    state = program("get", "mfa").json()
    assert state["recovery_codes_left"] == 10
    assert [one["name"] for one in state["authenticators"]] == ["Phone"]
    assert body["secret"] not in program("get", "mfa").content.decode()


def test_enrolment_with_a_wrong_code(program: Caller) -> None:
    """A wrong first code confirms nothing."""
    phone = App.typed(program("post", "totp_begin").json()["secret"])

    response = program("post", "totp_confirm", {"code": phone.wrong_code()})

    assert (response.status_code, response.json()["code"]) == (400, "invalid_code")
    assert program("get", "mfa").json()["authenticators"] == []


def test_confirming_nothing(program: Caller) -> None:
    """Without an enrolment there is nothing to confirm."""
    response = program("post", "totp_confirm", {"code": "123456"})

    assert (response.status_code, response.json()["code"]) == (400, "enrolment_over")


def test_removal_needs_both_factors(app: App, password: str, user: Any, stranger: Caller) -> None:
    """Removing an authenticator needs a fresh password and a fresh code (OWASP ASVS 7.5.1)."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        challenge = begun(stranger, password)
        body = {"challenge": challenge, "code": app.code()}
        caller = Caller(stranger("post", "token_challenge", body).json()["access"])
        clock.shift(timedelta(minutes=4))
        args = (only(user).public_id,)
        caller = Caller(caller("post", "reauthenticate", {"password": password}).json()["access"])
        refused = caller("delete", "totp_detail", args=args)
        assert refused.json()["code"] == "reauthentication_required"

        proofs = {"password": password, "code": app.code()}
        caller = Caller(caller("post", "reauthenticate", proofs).json()["access"])

        removed = caller("delete", "totp_detail", args=args)
        assert removed.status_code == 200
        newer = Caller(removed.json()["tokens"]["access"])
        assert newer("get", "mfa").json()["authenticators"] == []
    assert Session.objects.get().methods == ["pwd"]
    assert not Authenticator.objects.exists()


def test_recovery_codes(app: App, password: str, stranger: Caller) -> None:
    """New recovery codes make the older ones void."""
    body = {"challenge": begun(stranger, password), "code": app.code()}
    caller = Caller(stranger("post", "token_challenge", body).json()["access"])

    response = caller("post", "recovery_codes")

    assert response.status_code == 201
    assert len(response.json()["recovery_codes"]) == 10
    body = {"challenge": begun(stranger, password), "code": app.recovery_codes[0]}
    assert stranger("post", "token_challenge", body).json()["code"] == "invalid_code"


def test_recovery_codes_without_an_authenticator(program: Caller) -> None:
    """Recovery codes stand in for an authenticator, so there are none without one."""
    response = program("post", "recovery_codes")

    assert (response.status_code, response.json()["code"]) == (400, "no_authenticator")


def test_no_tokens_for_who_must_enrol_first(
    user: Any, password: str, stranger: Caller, settings: Settings
) -> None:
    """Where the site asks everybody for a second factor, a password alone gets no tokens."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"

    response = stranger("post", "token_issue", {"username": "ann", "password": password})

    assert (response.status_code, response.json()["code"]) == (403, "mfa_enrollment_required")
    assert not Session.objects.exists()


def test_cookie_may_enrol_where_it_must(user: Any, password: str, settings: Settings) -> None:
    """Where everybody needs a second factor, the cookie opens what it takes to get one."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    caller = Caller()
    give_csrf_token(caller)
    caller("post", "login", {"username": "ann", "password": password})
    refused = caller("get", "session_list")
    assert (refused.status_code, refused.json()["code"]) == (403, "mfa_enrollment_required")

    phone = App.typed(caller("post", "totp_begin").json()["secret"])
    assert caller("post", "totp_confirm", {"code": phone.code()}).status_code == 201

    assert caller("get", "session_list").status_code == 200


def test_codes_are_throttled_across_doors(
    app: App, password: str, stranger: Caller, settings: Settings
) -> None:
    """Wrong codes are counted for the account, whichever door they come to."""
    settings.SESSIONS_PLUS_THROTTLE_ATTEMPTS = 3
    challenge = begun(stranger, password)
    body = {"challenge": challenge, "code": app.wrong_code()}
    for _ in range(3):
        assert stranger("post", "token_challenge", body).status_code == 400

    response = stranger("post", "token_challenge", body)

    assert (response.status_code, response.json()["code"]) == (429, "too_many_attempts")
    assert int(response.headers["Retry-After"]) > 0
