"""What an access token says, and who believes it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.exceptions import InvalidToken
from sessions_plus.models import Session
from sessions_plus.tokens import access, keys
from tests.conftest import World
from tests.tokens.factories import claims_of, header_of, new_tokens

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
def test_another_library_verifies(user: Any, settings: Settings, algorithm: str) -> None:
    """Who has only the JWKS verifies our tokens with a library of their own."""
    settings.SESSIONS_PLUS_TOKEN_ALGORITHM = algorithm
    settings.SESSIONS_PLUS_TOKEN_ISSUER = "https://shop.example"
    token = new_tokens(user).access
    published = jwt.PyJWKSet.from_dict(keys.jwks(timezone.now()))

    claims = jwt.decode(
        token,
        published[header_of(token)["kid"]],
        algorithms=[algorithm],
        issuer="https://shop.example",
        audience="https://shop.example",
        options={"require": ["exp", "iat", "nbf", "sub", "jti"]},
    )

    assert claims["sub"] == str(user.pk)


def test_claims(user: Any) -> None:
    """A token names its user, its session and how they signed in, and nothing more."""
    tokens = new_tokens(user)
    session = Session.objects.get()

    claims = claims_of(tokens.access)

    assert header_of(tokens.access).keys() == {"alg", "typ", "kid"}
    assert claims.keys() == {
        "iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp", "auth_time", "amr",
    }  # fmt: skip
    assert claims["sid"] == str(session.public_id)
    assert claims["amr"] == ["pwd"]
    assert claims["exp"] - claims["iat"] == 300
    assert claims["exp"] == tokens.expires_at.timestamp()


def test_verified(user: Any, world: World) -> None:
    """A verified token tells who, in which session, until when."""
    tokens = new_tokens(user)

    found = world(access, "verify", tokens.access, now=timezone.now())

    assert found.subject == str(user.pk)
    assert found.session_public_id == tokens.session.public_id
    assert found.expires_at == tokens.expires_at


def test_lifetime_is_the_profiles(user: Any, settings: Settings) -> None:
    """The profile says how long a token holds."""
    settings.SESSIONS_PLUS_PROFILE = "aal3"

    claims = claims_of(new_tokens(user).access)

    assert claims["exp"] - claims["iat"] == 120


def test_holds_until_it_expires(user: Any) -> None:
    """A token holds until, not at, the moment it expires."""
    tokens = new_tokens(user)

    assert access.verify(tokens.access, now=tokens.expires_at - timedelta(seconds=1)).subject
    with pytest.raises(InvalidToken):
        access.verify(tokens.access, now=tokens.expires_at)


def test_issuer_is_not_the_host(user: Any, client: Client) -> None:
    """Whatever host a client asked, the issuer is the setting's."""
    user.backend = "django.contrib.auth.backends.ModelBackend"

    assert claims_of(new_tokens(user).access)["iss"] == "sessions-plus"


def test_site_adds_claims(user: Any, settings: Settings) -> None:
    """The site's function adds claims of its own."""
    settings.SESSIONS_PLUS_TOKEN_CLAIMS = lambda user, session: {"plan": user.username}

    found = access.verify(new_tokens(user).access, now=timezone.now())

    assert found.claims["plan"] == "ann"


@pytest.mark.parametrize(
    ("added", "says"),
    [
        pytest.param({"sub": "1"}, "sub", id="ours"),
        pytest.param({"scope": "all"}, "scope", id="a standard's"),
        pytest.param({"novel": "x" * 2000}, r"20\d\d bytes", id="too large"),
        pytest.param({"at": timezone.now()}, "no JSON", id="no JSON"),
        pytest.param({"rate": float("nan")}, "no JSON", id="not a number"),
    ],
)
def test_claims_that_are_refused(
    user: Any, settings: Settings, added: dict[str, Any], says: str
) -> None:
    """Claims with a name that means something already, or that are no small JSON, are refused."""
    settings.SESSIONS_PLUS_TOKEN_CLAIMS = lambda user, session: added

    with pytest.raises(ImproperlyConfigured, match=says):
        new_tokens(user)


def test_nothing_secret_in_a_repr(user: Any) -> None:
    """Neither tokens nor keys show in a repr."""
    tokens = new_tokens(user)
    signer = keys.get_signer(timezone.now())

    shown = repr((tokens, signer))

    assert tokens.access not in shown
    assert tokens.refresh not in shown
    assert json.dumps(signer.key.as_dict(private=True)["d"]) not in shown
