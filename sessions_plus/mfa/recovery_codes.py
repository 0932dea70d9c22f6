"""
Ten codes that stand in for a lost authenticator, each accepted once.

120 random bits each, so that no list of guesses ever meets one; only keyed digests
are stored, and the codes exist in the one answer that shows them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.views.decorators.debug import sensitive_variables

from sessions_plus.crypto import Purpose, keyed_digests
from sessions_plus.events import record
from sessions_plus.masked import Secret
from sessions_plus.models import Event, RecoveryCode
from sessions_plus.models.recovery_code import RecoveryCodeQuerySet, new_batch
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32
LENGTH = 24
COUNT = 10
GROUP = 4

# OWASP ASVS 6.4.5: say so while there is still one to sign in with.
LOW = 3


def new_code() -> str:
    """Return a fresh code without separators: 24 signs of 5 random bits each."""
    return "".join(ALPHABET[secrets.randbelow(len(ALPHABET))] for _ in range(LENGTH))


def is_ours(code: str) -> bool:
    """Say whether a code (without separators) has the form of those that are made here."""
    return len(code) == LENGTH and set(code) <= set(ALPHABET)


def in_groups(code: str) -> str:
    """``0123-4567-89AB-CDEF-GHJK-MNPQ``: as people can copy it."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))


@sensitive_variables()
def make(user: models.Model, *, client: ClientInfo | None, now: datetime) -> list[Secret]:
    """
    Return ten new codes, written for people; the older ones are void.

    This answer is all there ever is of them.
    """
    codes = [new_code() for _ in range(COUNT)]
    batch = new_batch()
    with transaction.atomic(using=session_row.database()):
        _of(user).delete()
        RecoveryCode.objects.using(session_row.database()).bulk_create(
            RecoveryCode(
                user_id=user.pk, batch=batch, code_hash=_digests(user, code)[0], created_at=now
            )
            for code in codes
        )
    record(Event.RECOVERY_CODES_MADE, user=user, client=client)
    return [Secret(in_groups(code)) for code in codes]


@sensitive_variables()
def spend(user: models.Model, code: str, *, now: datetime) -> bool:
    """Use ``code`` (without separators) up. Return False if it isn't one of the unused."""
    matching = _of(user).unused().filter(code_hash__in=_digests(user, code))
    return matching.update(used_at=now) == 1


def left(user: models.Model) -> int:
    """How many codes are unused."""
    return _of(user).unused().count()


def are_imported(user: models.Model) -> bool:
    """Say whether unused codes came along from another package: shorter than ours."""
    return _of(user).unused().exclude(imported_from="").exists()


def sources(user: models.Model) -> list[str]:
    """Return where each unused code comes from; "" stands for one that was made here."""
    return list(_of(user).unused().values_list("imported_from", flat=True))


@sensitive_variables()
def imported(
    user: models.Model, codes: Iterable[str], *, source: str, now: datetime
) -> list[RecoveryCode]:
    """Return rows, not stored yet, of codes that another package made."""
    batch = new_batch()
    hashes = {_digests(user, code)[0] for code in codes}
    return [
        RecoveryCode(
            user_id=user.pk, batch=batch, code_hash=each, created_at=now, imported_from=source
        )
        for each in sorted(hashes)
    ]


@sensitive_variables()
def find(user: models.Model, code: str) -> RecoveryCode | None:
    """Return the row of a code, used or not."""
    return _of(user).filter(code_hash__in=_digests(user, code)).first()


def discard(user: models.Model) -> None:
    """Make all codes void."""
    _of(user).delete()


def _of(user: models.Model) -> RecoveryCodeQuerySet:
    return RecoveryCode.objects.using(session_row.database()).for_user(user)


@sensitive_variables()
def _digests(user: models.Model, code: str) -> list[str]:
    # With its owner, so that a row moved to another account is worth nothing there.
    return keyed_digests(f"{user.pk}:{code}", purpose=Purpose.RECOVERY_CODE)
