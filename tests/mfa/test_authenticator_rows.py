"""What the database lets be an authenticator."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, OperationalError, transaction

from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import Authenticator, AuthenticatorKind
from sessions_plus.models.authenticator import CREDENTIAL_COLUMNS, TOTP_COLUMNS
from tests.support.authenticators import a_passkey, enrol, only

# MariaDB before 10.6 and MySQL tell of a constraint by an operational error.
REFUSED = (IntegrityError, OperationalError)


def is_refused(row: Authenticator, **columns: Any) -> bool:
    try:
        with transaction.atomic():
            Authenticator.objects.filter(pk=row.pk).update(**columns)
    except REFUSED:
        return True
    return False


def test_both_kinds_are_authenticators(user: User, other_user: User) -> None:
    """A passkey alone asks for a second factor just as an app does."""
    enrol(user)
    a_passkey(other_user)

    assert has_authenticator(user)
    assert has_authenticator(other_user)
    assert Authenticator.objects.totp().get().user_id == user.pk
    assert Authenticator.objects.passkeys().get().user_id == other_user.pk


@pytest.mark.parametrize("column", TOTP_COLUMNS)
def test_an_app_has_all_that_makes_codes(user: User, column: str) -> None:
    """No app lacks its secret, or anything that its codes are made with."""
    enrol(user)

    assert is_refused(only(user), **{column: None})


@pytest.mark.parametrize("column", ["user_handle", "rp_id", *CREDENTIAL_COLUMNS])
def test_a_passkey_has_all_that_it_is_known_by(user: User, column: str) -> None:
    """No passkey that counts lacks what it is found, or verified, by."""
    assert is_refused(a_passkey(user), **{column: None})


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"sealed_secret": b"?"}, id="a secret"),
        pytest.param({"digits": 6, "period": 30, "algorithm": "SHA1"}, id="codes"),
        pytest.param({"kind": AuthenticatorKind.TOTP}, id="another kind"),
        pytest.param({"kind": "smoke"}, id="no kind"),
        pytest.param({"backup_eligible": False}, id="synced though it cannot be"),
    ],
)
def test_a_passkey_is_nothing_else(user: User, columns: dict[str, Any]) -> None:
    """No row is half of one kind and half of the other, or says what cannot be."""
    assert is_refused(a_passkey(user), **columns)


def test_a_passkey_waits_for_its_credential(user: User) -> None:
    """While its enrolment is pending it has an owner and a domain, and no credential yet."""
    nothing = dict.fromkeys(CREDENTIAL_COLUMNS)

    pending = a_passkey(user, confirmed_at=None, **nothing)  # type: ignore[arg-type]

    assert not has_authenticator(user)
    assert not is_refused(pending, created_at=pending.created_at)


def test_a_credential_is_one_persons(user: User, other_user: User) -> None:
    """No two rows have the same credential."""
    passkey = a_passkey(user)

    assert is_refused(a_passkey(other_user), credential_hash=passkey.credential_hash)


def test_a_count_may_be_of_32_bits(user: User) -> None:
    """Authenticators count with 32 bits, without a sign."""
    assert not is_refused(a_passkey(user), sign_count=2**32 - 1)


@pytest.mark.parametrize(
    ("aaguid", "label"),
    [
        ("fbfc3007-154e-4ecc-8c0b-6e020557d7bd", "Apple Passwords"),
        ("00000000-0000-0000-0000-000000000000", "Passkey"),
        ("11111111-1111-4111-8111-111111111111", "Passkey"),
    ],
)
def test_is_called_after_its_maker(user: User, aaguid: str, label: str) -> None:
    """Without a name of its user's a passkey is called as its maker is, where that is known."""
    passkey = a_passkey(user, aaguid=UUID(aaguid))

    assert passkey.label == label
    passkey.name = "My laptop"
    assert passkey.label == "My laptop"
