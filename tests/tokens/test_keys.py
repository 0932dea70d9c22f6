"""How signing keys follow one another."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_plus.exceptions import InvalidToken
from sessions_plus.models import Event, SessionEvent, SigningKey
from sessions_plus.tokens import access, keys
from tests.support.moments import START
from tests.tokens.factories import header_of, new_tokens

pytestmark = pytest.mark.django_db


def pem(key: Any) -> str:
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return encoded.decode()


def test_made_on_first_use() -> None:
    """The first key is made when it is first needed, and signs at once."""
    signer = keys.get_signer(START)

    assert keys.get_signer(START).kid == signer.kid
    assert SigningKey.objects.get().kid == signer.kid


def test_private_key_is_sealed() -> None:
    """The row and the JWKS hold no private key in clear."""
    signer = keys.get_signer(START)
    secret = str(signer.key.as_dict(private=True)["d"])
    row = SigningKey.objects.get()

    assert secret.encode() not in bytes(row.sealed_private_key)
    assert "d" not in row.public_jwk
    assert all("d" not in key for key in keys.jwks(START)["keys"])


def test_private_key_is_bound_to_its_row() -> None:
    """A private key that was moved to another key's row does not open, and is replaced."""
    first = keys.get_signer(START)
    keys.rotate(START, at_once=True)
    other = SigningKey.objects.get()
    other.kid = first.kid
    other.save()

    assert keys.get_signer(START).kid != first.kid


def test_next_key_is_published_before_it_signs() -> None:
    """After a rotation the old key signs on until everybody can know the new one."""
    old = keys.get_signer(START)

    new = keys.rotate(START)

    published = {key["kid"] for key in keys.jwks(START)["keys"]}
    assert published == {old.kid, new.kid}
    assert keys.get_signer(START + timedelta(minutes=4)).kid == old.kid
    assert keys.get_signer(START + timedelta(minutes=5)).kid == new.kid


def test_no_valid_token_fails_in_a_rotation(user: Any) -> None:
    """A token that the old key signed last holds until it expires."""
    with time_machine.travel(START, tick=False) as clock:
        keys.get_signer(START)
        keys.rotate(START)
        clock.shift(timedelta(minutes=4, seconds=59))
        tokens = new_tokens(user)
        clock.shift(timedelta(minutes=4, seconds=59))
        new_tokens(user)

        found = access.verify(tokens.access, now=timezone.now())

    assert found.subject == str(user.pk)


def test_old_key_ends() -> None:
    """The old key verifies for one token's life after its last use, then no more."""
    old = keys.get_signer(START)
    keys.rotate(START)
    end = START + keys.JWKS_MAX_AGE + timedelta(minutes=5) + keys.LEEWAY

    assert keys.find_verifier(old.kid, end - timedelta(seconds=1))
    assert keys.find_verifier(old.kid, end) is None
    assert old.kid not in {key["kid"] for key in keys.jwks(end)["keys"]}


def test_stolen_key_ends_at_once(user: Any) -> None:
    """After a rotation at once no token of the old key is believed."""
    tokens = new_tokens(user)

    keys.rotate(timezone.now(), at_once=True)

    with pytest.raises(InvalidToken):
        access.verify(tokens.access, now=timezone.now())
    assert SigningKey.objects.count() == 1


def test_rotated_by_age(settings: Settings) -> None:
    """A key that signed for the interval gets its successor, once."""
    settings.SESSIONS_PLUS_SIGNING_KEY_ROTATION_INTERVAL = timedelta(days=1)
    keys.get_signer(START)

    keys.get_signer(START + timedelta(hours=23))
    assert SigningKey.objects.count() == 1
    keys.get_signer(START + timedelta(days=1))
    keys.get_signer(START + timedelta(days=1))

    assert SigningKey.objects.count() == 2
    assert SessionEvent.objects.filter(event=Event.SIGNING_KEY_ROTATED).count() == 1


def test_rotated_to_another_algorithm(user: Any, settings: Settings) -> None:
    """A change of the algorithm is a rotation like any other."""
    with time_machine.travel(START, tick=False) as clock:
        old = new_tokens(user).access
        settings.SESSIONS_PLUS_TOKEN_ALGORITHM = "EdDSA"
        assert header_of(new_tokens(user).access)["alg"] == "ES256"
        clock.shift(keys.JWKS_MAX_AGE - timedelta(seconds=1))
        assert access.verify(old, now=timezone.now()).subject
        clock.shift(timedelta(seconds=1))

        assert header_of(new_tokens(user).access)["alg"] == "EdDSA"


def test_lost_key_is_replaced(settings: Settings) -> None:
    """Where the private key does not open any more, the next one signs at once."""
    old = keys.get_signer(START)
    settings.SECRET_KEY = "another key, and the old one is not among the fallbacks"

    new = keys.get_signer(START)

    assert new.kid != old.kid


def test_command() -> None:
    """The command makes the next key and tells when it signs."""
    out = StringIO()

    call_command("rotate_signing_key", stdout=out)

    assert SigningKey.objects.get().kid in out.getvalue()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        pytest.param(ec.generate_private_key(ec.SECP256R1()), "ES256", id="P-256"),
        pytest.param(ed25519.Ed25519PrivateKey.generate(), "EdDSA", id="Ed25519"),
    ],
)
def test_keys_by_settings(
    user: Any,
    settings: Settings,
    key: Any,
    algorithm: str,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    """Keys that the settings give sign and verify, and none is stored."""
    settings.SESSIONS_PLUS_TOKEN_ISSUER = "https://shop.example"
    settings.SESSIONS_PLUS_SIGNING_KEYS = [pem(key)]

    token = new_tokens(user).access

    assert header_of(token)["alg"] == algorithm
    assert SigningKey.objects.count() == 0
    with django_assert_num_queries(0):
        assert access.verify(token, now=timezone.now()).subject
    with pytest.raises(CommandError):
        call_command("rotate_signing_key")


def test_first_key_of_the_settings_signs(user: Any, settings: Settings) -> None:
    """Of the keys that the settings give the first signs, and all verify."""
    old, new = (pem(ec.generate_private_key(ec.SECP256R1())) for _ in range(2))
    settings.SESSIONS_PLUS_TOKEN_ISSUER = "https://shop.example"
    settings.SESSIONS_PLUS_SIGNING_KEYS = [old]
    token = new_tokens(user).access

    settings.SESSIONS_PLUS_SIGNING_KEYS = [new, old]

    assert access.verify(token, now=timezone.now()).subject
    assert header_of(new_tokens(user).access)["kid"] == keys.jwks(START)["keys"][0]["kid"]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("secret", id="no PEM"),
        pytest.param(pem(rsa.generate_private_key(65537, 2048)), id="RSA"),
        pytest.param(pem(ec.generate_private_key(ec.SECP384R1())), id="another curve"),
    ],
)
def test_refused_keys_by_settings(settings: Settings, given: str) -> None:
    """What is no private key of our two curves is refused."""
    settings.SESSIONS_PLUS_TOKEN_ISSUER = "https://shop.example"
    settings.SESSIONS_PLUS_SIGNING_KEYS = [given]

    with pytest.raises(ImproperlyConfigured, match="SESSIONS_PLUS_SIGNING_KEYS"):
        keys.get_signer(START)


def test_keys_by_settings_need_an_issuer(settings: Settings) -> None:
    """Keys that other sites may share need an issuer that tells the sites apart."""
    settings.SESSIONS_PLUS_SIGNING_KEYS = [pem(ed25519.Ed25519PrivateKey.generate())]

    with pytest.raises(ImproperlyConfigured, match="SESSIONS_PLUS_TOKEN_ISSUER"):
        keys.get_signer(START)


def test_known_keys_cost_nothing(user: Any, django_assert_num_queries: Any) -> None:
    """The keys are read once a minute, not for each token."""
    token = new_tokens(user).access
    access.verify(token, now=timezone.now())

    with django_assert_num_queries(0):
        access.verify(token, now=timezone.now())
