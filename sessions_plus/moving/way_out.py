"""
Second factors go back to another package, with what became of them here.

Whoever goes back has the same app; what was used up or removed here is not good there again.
Recovery codes that were made here cannot go: only their digests are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from django.contrib.auth import get_user_model
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from sessions_plus.exceptions import SealBroken
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.mfa import recovery_codes, totp
from sessions_plus.models import Authenticator, RecoveryCode
from sessions_plus.models.authenticator import Algorithm
from sessions_plus.moving.factors import people, was_removed
from sessions_plus.moving.old_factors import OldApp, OldCodes, OldFactors, Source
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row


class Way(StrEnum):
    """What became of a factor on its way back."""

    THERE = "there"
    """It came from there, and now knows which of its codes are used up."""
    GONE_BACK = "gone_back"
    REMOVED = "removed"
    """It was removed here, so it is removed there."""
    NO_PLACE = "no_place"
    """The package has no place for it."""
    DAMAGED = "damaged"
    """Its secret does not open."""
    VOID_CODE = "void_code"
    """A recovery code that was used up here, or replaced by new ones, so it is void there."""


@sensitive_variables()
def take_back(source: Source) -> Counter[str]:
    """Give everybody there what they have here."""
    ways: Counter[str] = Counter()
    for keys in people():
        there = source.read(keys)
        rows = Authenticator.objects.using(session_row.database()).usable().filter(user_id__in=keys)
        ours: dict[UserId, list[Authenticator]] = {key: [] for key in there}
        for row in rows.order_by("pk"):
            ours.setdefault(row.user_id, []).append(row)
        for user_id, found in ours.items():
            ways += _take_back(source, user_id, found, there.get(user_id, OldFactors()))
    return ways


@sensitive_variables()
def _take_back(
    source: Source, user_id: UserId, rows: Iterable[Authenticator], there: OldFactors
) -> Counter[str]:
    ways: Counter[str] = Counter()
    with transaction.atomic(using=session_row.database()), alone_for(user_id):
        known = set(there.names)
        for row in rows:
            ways[_send_passkey(row, known) if row.is_passkey else _send(source, row, known)] += 1
        if was_removed(user_id):
            ways += _remove(source, user_id, there)
        for codes in there.codes:
            ways += _void(source, user_id, codes)
    return ways


def _send_passkey(row: Authenticator, known: set[str]) -> Way:
    """One that came from there works there; one that was made here is not known there."""
    return Way.THERE if row.imported_from in known else Way.NO_PLACE


@sensitive_variables()
def _send(source: Source, row: Authenticator, known: set[str]) -> Way:
    try:
        app = OldApp(
            name=row.imported_from,
            secret=totp.open_secret(row),
            digits=int(row.digits or 0),
            period=int(row.period or 0),
            last_step=-1 if row.last_used_step is None else row.last_used_step,
            label=row.name,
        )
    except SealBroken:
        return Way.DAMAGED
    if row.imported_from in known:
        source.catch_up(row.user_id, app)
        return Way.THERE
    name = source.add_app(row.user_id, app) if row.algorithm == Algorithm.SHA1 else ""
    if not name:
        return Way.NO_PLACE
    row.imported_from = name
    row.save(using=session_row.database(), update_fields=["imported_from"])
    return Way.GONE_BACK


@sensitive_variables()
def _remove(source: Source, user_id: UserId, there: OldFactors) -> Counter[str]:
    rows = Authenticator.objects.using(session_row.database()).filter(user_id=user_id)
    here = set(rows.values_list("imported_from", flat=True))
    codes = {found.name for found in there.codes}
    gone = [name for name in there.names if name not in here and name not in codes]
    source.delete(gone)
    return Counter({str(Way.REMOVED): len(gone)})


@sensitive_variables()
def _void(source: Source, user_id: UserId, codes: OldCodes) -> Counter[str]:
    user = get_user_model()(pk=user_id)
    rows = RecoveryCode.objects.using(session_row.database()).for_user(user)
    if rows.filter(imported_from="").exists() or was_removed(user_id):
        void = list(codes.codes)
    else:
        void = [code for code in codes.codes if _is_used(recovery_codes.find(user, code))]
    source.void_codes(user_id, codes.name, void)
    return Counter({str(Way.VOID_CODE): len(void)})


def _is_used(row: RecoveryCode | None) -> bool:
    return row is not None and row.used_at is not None
