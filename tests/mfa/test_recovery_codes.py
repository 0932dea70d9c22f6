"""Recovery codes: made, kept as digests, used once."""

from __future__ import annotations

import math
from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.masked import Secret
from sessions_plus.mfa import recovery_codes
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.models import Event, RecoveryCode, SessionEvent


def canonical(code: Secret) -> str:
    found = read_code(code)
    assert found is not None
    return found.text


def test_ten_codes_of_120_bits(user: User, now: datetime) -> None:
    """A batch is ten different codes of at least 112 bits (OWASP ASVS 6.5.2)."""
    codes = recovery_codes.make(user, client=None, now=now)

    assert len({code.reveal() for code in codes}) == 10
    signs = {len(canonical(code)) for code in codes}
    assert signs == {24}
    assert 24 * math.log2(len(recovery_codes.ALPHABET)) >= 112
    assert SessionEvent.objects.filter(event=Event.RECOVERY_CODES_MADE, user=user).count() == 1


def test_asvs_6_5_1_a_code_works_once(user: User, now: datetime) -> None:
    """A recovery code is used up by its first use."""
    code = canonical(recovery_codes.make(user, client=None, now=now)[0])

    assert recovery_codes.spend(user, code, now=now)

    assert not recovery_codes.spend(user, code, now=now)
    assert recovery_codes.left(user) == 9


def test_a_code_is_its_owners(user: User, other_user: User, now: datetime) -> None:
    """A code is worth nothing to somebody else, nor is its row moved to another account."""
    code = canonical(recovery_codes.make(user, client=None, now=now)[0])

    assert not recovery_codes.spend(other_user, code, now=now)

    RecoveryCode.objects.update(user=other_user)
    assert not recovery_codes.spend(other_user, code, now=now)


def test_a_new_batch_voids_the_old(user: User, now: datetime) -> None:
    """Making new codes makes the older ones worthless."""
    old = canonical(recovery_codes.make(user, client=None, now=now)[0])

    recovery_codes.make(user, client=None, now=now)

    assert not recovery_codes.spend(user, old, now=now)
    assert recovery_codes.left(user) == 10


def test_asvs_6_5_2_the_table_holds_keyed_digests_only(user: User, now: datetime) -> None:
    """No stored value is a code, and without the site's key none can be computed."""
    codes = [canonical(code) for code in recovery_codes.make(user, client=None, now=now)]
    stored = [str(value) for row in RecoveryCode.objects.values_list() for value in row]

    assert not any(code in value for code in codes for value in stored)
    with override_settings(SECRET_KEY="another key, as long as anybody could want it to be"):
        assert not recovery_codes.spend(user, codes[0], now=now)


def test_codes_outlive_a_change_of_keys(user: User, now: datetime) -> None:
    """With the old key among the fallbacks the codes on people's paper still work."""
    code = canonical(recovery_codes.make(user, client=None, now=now)[0])

    with override_settings(
        SECRET_KEY="another key, as long as anybody could want it to be",
        SECRET_KEY_FALLBACKS=[settings.SECRET_KEY],
    ):
        assert recovery_codes.spend(user, code, now=now)
