"""Signing in by program, over HTTP."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.models import Event, Kind, Reason, Session, SessionEvent
from sessions_plus.tokens import keys
from sessions_plus.tokens.bearer import CHALLENGE, REFUSED
from tests.api.conftest import Caller
from tests.conftest import people

pytestmark = pytest.mark.django_db


def test_sign_in(user: Any, password: str, stranger: Caller) -> None:
    """A name and a password get tokens, for a session on a device of their own."""
    response = stranger(
        "post",
        "token_issue",
        {"username": "ann", "password": password, "device_name": "Ann's phone"},
    )

    body = response.json()
    assert response.status_code == 200
    assert body.keys() == {
        "token_type", "access", "expires_in", "refresh", "session", "device_token",
    }  # fmt: skip
    session = Session.objects.get()
    assert body["session"] == str(session.public_id)
    assert 295 <= body["expires_in"] <= 300
    assert session.kind == Kind.API
    assert session.device is not None
    assert session.device.name == "Ann's phone"
    assert "set-cookie" not in response.headers


def test_token_opens_the_api(user: Any, password: str, stranger: Caller) -> None:
    """With the access token the program sees its user's sessions."""
    body = stranger("post", "token_issue", {"username": "ann", "password": password}).json()

    response = Caller(body["access"])("get", "session_list")

    assert response.status_code == 200
    assert [found["public_id"] for found in response.json()["results"]] == [body["session"]]
    assert response.json()["results"][0]["is_current"] is True


@pytest.mark.parametrize(
    ("name", "given"),
    [("ann", "wrong"), ("nobody", "wrong"), ("disabled", "correct horse battery staple")],
)
def test_wrong_credentials(user: Any, stranger: Caller, name: str, given: str) -> None:
    """An unknown name, a wrong password and a disabled account get the same answer."""
    people().create_user("disabled", "", "correct horse battery staple", is_active=False)

    response = stranger("post", "token_issue", {"username": name, "password": given})

    assert response.status_code == 401
    assert response.json() == {
        "code": "invalid_credentials",
        "detail": "No account has this name and password.",
    }
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED).count() == 1
    assert not Session.objects.exists()


@pytest.mark.parametrize("access", ["x", "a.b.c", "a b"])
def test_bad_token_is_told_from_none(db: None, access: str) -> None:
    """Who sent a token that is refused learns so where clients look for it (RFC 6750 §3.1)."""
    refused, without = Caller(access), Caller()

    assert refused("get", "session_list").headers["WWW-Authenticate"] == REFUSED
    assert without("get", "session_list").headers["WWW-Authenticate"] == CHALLENGE


def test_refused_token_beside_a_wrong_password(user: Any) -> None:
    """No header counts where somebody signs in, so none is what was wrong."""
    wrong = {"username": "ann", "password": "wrong"}

    response = Caller("x")("post", "token_issue", wrong)

    assert response.json()["code"] == "invalid_credentials"
    assert response.headers["WWW-Authenticate"] == CHALLENGE


def test_allow_names_what_is_taken(program: Caller, stranger: Caller) -> None:
    """OPTIONS is refused, so it is not among the methods that a 405 names (RFC 9110 §15.5.6)."""
    asked = stranger("options", "token_issue")

    assert (asked.status_code, asked.headers["Allow"]) == (405, "POST")
    assert program("put", "session_list").headers["Allow"] == "GET, HEAD"


def test_refresh(tokens: Any, stranger: Caller) -> None:
    """A refresh token gets new tokens; lost answers are given again."""
    first = stranger("post", "token_refresh", {"refresh": tokens.refresh})
    again = stranger("post", "token_refresh", {"refresh": tokens.refresh})

    assert first.status_code == again.status_code == 200
    assert first.json()["refresh"] == again.json()["refresh"] != tokens.refresh
    assert "device_token" not in first.json()


def test_reuse(tokens: Any, stranger: Caller) -> None:
    """A spent token that comes back says so, and ends its session."""
    newer = stranger("post", "token_refresh", {"refresh": tokens.refresh}).json()
    newest = stranger("post", "token_refresh", {"refresh": newer["refresh"]}).json()

    response = stranger("post", "token_refresh", {"refresh": tokens.refresh})

    assert (response.status_code, response.json()["code"]) == (401, "token_reused")
    assert Caller(newest["access"])("get", "session_list").json()["code"] == "invalid_token"
    assert Session.objects.get().revoked_reason == Reason.KEY_REUSED


@pytest.mark.parametrize("refresh", ["x", "x" * 76, "a.b.c", ""])
def test_bad_refresh_token(stranger: Caller, db: None, refresh: str) -> None:
    """What is no refresh token gets no tokens."""
    response = stranger("post", "token_refresh", {"refresh": refresh})

    assert response.json()["code"] in {"invalid_token", "invalid"}


def test_access_token_does_not_refresh(tokens: Any, stranger: Caller) -> None:
    """An access token is no refresh token (OWASP ASVS 9.2.2)."""
    assert stranger("post", "token_refresh", {"refresh": tokens.access}).status_code == 400


def test_revoke(tokens: Any, program: Caller, stranger: Caller) -> None:
    """Whoever holds a refresh token can end its session, and with it the access tokens."""
    assert stranger("post", "token_revoke", {"refresh": tokens.refresh}).status_code == 204

    assert program("get", "session_list").status_code == 401
    assert stranger("post", "token_refresh", {"refresh": tokens.refresh}).status_code == 401
    assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


def test_revoking_nothing_is_the_same(stranger: Caller) -> None:
    """Revoking what is no token is answered like a success (RFC 7009 §2.2)."""
    assert stranger("post", "token_revoke", {"refresh": "x" * 76}).status_code == 204


def test_jwks(tokens: Any, stranger: Caller) -> None:
    """The keys are public, may be cached, and verify our tokens."""
    response = stranger("get", "jwks")

    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert "set-cookie" not in response.headers
    assert "Cookie" not in response.headers.get("Vary", "")
    keys_found = jwt.PyJWKSet.from_dict(response.json())
    kid = jwt.get_unverified_header(tokens.access)["kid"]
    assert jwt.decode(
        tokens.access, keys_found[kid], algorithms=["ES256"], audience="sessions-plus"
    )


def test_host_is_not_the_issuer(user: Any, password: str, stranger: Caller) -> None:
    """OWASP ASVS 9.2.4: neither the host that was asked nor the body says whom a token is for."""
    body = {"username": "ann", "password": password}

    made = stranger("post", "token_issue", body, headers={"host": "localhost"}).json()
    refused = stranger("post", "token_issue", body | {"audience": "https://evil.example"})

    claims = jwt.decode(made["access"], options={"verify_signature": False})
    assert (claims["iss"], claims["aud"]) == ("sessions-plus", "sessions-plus")
    assert refused.status_code == 400


def test_sign_ins_are_limited(user: Any, stranger: Caller) -> None:
    """After twenty tries in a minute an address has to wait, and is told how long."""
    bodies = [{"username": f"ann{number}", "password": "wrong"} for number in range(21)]
    codes = [stranger("post", "token_issue", body).status_code for body in bodies[:20]]

    response = stranger("post", "token_issue", bodies[20])

    assert set(codes) == {401}
    assert (response.status_code, response.json()["code"]) == (429, "throttled")
    assert 0 < int(response.headers["Retry-After"]) <= 60


def test_rates_by_setting(user: Any, stranger: Caller, settings: Settings) -> None:
    """The site may change a rate, or lift it."""
    body = {"username": "ann", "password": "wrong"}
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = {"sign_in": "1/min"}
    stranger("post", "token_issue", body)
    assert stranger("post", "token_issue", body).status_code == 429

    settings.SESSIONS_PLUS_API_THROTTLE_RATES = {"sign_in": None}
    assert stranger("post", "token_issue", body).status_code == 401


def test_dead_cache_keeps_nobody_out(
    user: Any, password: str, stranger: Caller, settings: Settings
) -> None:
    """Where the cache of the rates is dead, people sign in all the same."""
    settings.CACHES = {"default": {"BACKEND": "tests.api.test_tokens.DeadCache"}}

    response = stranger("post", "token_issue", {"username": "ann", "password": password})

    assert response.status_code == 200


class DeadCache:
    """A cache that is not there."""

    def __init__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        pass

    def clear(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("The cache is not there.")


def test_ended_key_fails_no_client(user: Any, password: str, stranger: Caller) -> None:
    """After a signing key was stolen and ended, a refresh gets good tokens."""
    body = stranger("post", "token_issue", {"username": "ann", "password": password}).json()
    keys.rotate(timezone.now(), at_once=True)
    assert Caller(body["access"])("get", "session_list").status_code == 401

    newer = stranger("post", "token_refresh", {"refresh": body["refresh"]}).json()

    assert Caller(newer["access"])("get", "session_list").status_code == 200
