"""Nonces that are stored nowhere until they were used."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from django.test import override_settings

from sessions_plus.mfa.passkeys import nonces
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.models import UsedNonce

ROW = UUID("018f0000-0000-7000-8000-000000000001")
OTHER = UUID("018f0000-0000-7000-8000-000000000002")


@pytest.mark.parametrize(
    ("age", "is_right"),
    [
        pytest.param(timedelta(0), True, id="now"),
        pytest.param(timedelta(minutes=4, seconds=59), True, id="just in time"),
        pytest.param(timedelta(minutes=5), False, id="five minutes later"),
        pytest.param(timedelta(days=900), False, id="years later"),
        pytest.param(-timedelta(minutes=1), True, id="by a clock that is a minute behind"),
        pytest.param(-timedelta(minutes=2), False, id="from the future"),
    ],
)
def test_lasts_five_minutes(now: datetime, age: timedelta, is_right: bool) -> None:
    """A nonce is taken for five minutes, with a minute for clocks that differ."""
    nonce = nonces.make(Use.SIGN_IN, "a browser", now=now)

    assert nonces.is_ours(nonce, Use.SIGN_IN, "a browser", now=now + age) is is_right


def test_is_for_one_use_and_one_holder(now: datetime) -> None:
    """It is good for nothing else, and for nobody else."""
    nonce = nonces.make(Use.SIGN_IN, "a browser", now=now)

    for use in Use:
        for holder in ("a browser", "another", "", "a browser "):
            fits = (use, holder) == (Use.SIGN_IN, "a browser")
            assert nonces.is_ours(nonce, use, holder, now=now) is fits


def test_is_never_the_same(now: datetime) -> None:
    """Two that are made in the same moment differ, in 16 random bytes (OWASP ASVS 6.7.2)."""
    one, other = (nonces.make(Use.SIGN_IN, "a browser", now=now) for _ in range(2))

    assert one[:16] != other[:16]
    assert len(one) == 40


@pytest.mark.parametrize("byte", range(0, nonces.NONCE_BYTES, 3))
def test_cannot_be_changed(now: datetime, byte: int) -> None:
    """Whoever changes a bit of it, or its length, has none of ours."""
    nonce = bytearray(nonces.make(Use.SIGN_IN, "a browser", now=now))
    nonce[byte] ^= 1

    assert not nonces.is_ours(bytes(nonce), Use.SIGN_IN, "a browser", now=now)
    nonce[byte] ^= 1
    for other in (nonce[:-1], nonce + b"\x00", b"", nonce * 2):
        assert not nonces.is_ours(bytes(other), Use.SIGN_IN, "a browser", now=now)


def test_outlasts_a_new_encryption_key(now: datetime) -> None:
    """One that was made before a key was put in front is taken after it."""
    with override_settings(SECRET_KEY="the old key", SECRET_KEY_FALLBACKS=[]):
        nonce = nonces.make(Use.SIGN_IN, "a browser", now=now)
        of_row = nonces.of_row(Use.CHALLENGE, ROW)

    with override_settings(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=["the old key"]):
        assert nonces.is_ours(nonce, Use.SIGN_IN, "a browser", now=now)
        assert nonces.is_of_row(of_row, Use.CHALLENGE, ROW)
    with override_settings(SECRET_KEY="the new key", SECRET_KEY_FALLBACKS=[]):
        assert not nonces.is_ours(nonce, Use.SIGN_IN, "a browser", now=now)
        assert not nonces.is_of_row(of_row, Use.CHALLENGE, ROW)


def test_of_a_row_is_of_that_row(now: datetime) -> None:
    """A nonce of a waiting sign-in is of no other one, and of no enrolment."""
    nonce = nonces.of_row(Use.CHALLENGE, ROW)

    assert nonces.is_of_row(nonce, Use.CHALLENGE, ROW)
    assert not nonces.is_of_row(nonce, Use.CHALLENGE, OTHER)
    assert not nonces.is_of_row(nonce, Use.ENROLMENT, ROW)
    assert not nonces.is_of_row(nonce[:16], Use.CHALLENGE, ROW)
    assert not nonces.is_of_row(b"", Use.CHALLENGE, ROW)
    assert not nonces.is_ours(nonce, Use.CHALLENGE, str(ROW), now=now)


@pytest.mark.django_db
def test_is_used_once(now: datetime) -> None:
    """The second use fails, and leaves the transaction that it is in as it was."""
    nonce = nonces.make(Use.SIGN_IN, "a browser", now=now)

    with transaction.atomic():
        assert nonces.spend(nonce, now=now)
        assert not nonces.spend(nonce, now=now)
        used = UsedNonce.objects.get()

    assert nonce.hex() not in used.hash
    assert used.expires_at >= now + nonces.LIFETIME
