"""
Second factors come along from another package: the same app, the same codes.

One transaction for each user, and as often as may be: what is here is known by where it came
from. Nobody gets a factor back that was taken away here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from django.contrib.auth import get_user_model
from django.db import models, router, transaction
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.crypto import same
from sessions_plus.devices.naming import clean_name
from sessions_plus.events import IMPORTED, draft, record_all
from sessions_plus.exceptions import SealBroken
from sessions_plus.keys import new_public_id
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.mfa import recovery_codes, totp
from sessions_plus.mfa.passkeys.credentials import (
    credential_hash,
    open_public_key,
    seal_public_key,
)
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import (
    Authenticator,
    AuthenticatorKind,
    Event,
    RecoveryCode,
    SessionEvent,
)
from sessions_plus.models.authenticator import TOTP_COLUMNS
from sessions_plus.moving.old_factors import OldApp, OldCodes, OldFactors, Source
from sessions_plus.moving.old_passkeys import OldPasskey
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row

AT_ONCE = 200


class Fate(StrEnum):
    """What became of an app or of codes, besides the reasons of ``Left``."""

    APP = "app"
    CODE = "code"
    PASSKEY = "passkey_came"
    HERE = "here"
    """It came along before."""
    REPLACED = "replaced"
    """Its user has made new recovery codes here, and the old ones are void."""
    REMOVED = "removed"
    """Its user had a factor removed here, so none is brought back."""
    ALONE = "alone"
    """Recovery codes of somebody who has no app: here they would ask for nothing."""
    WEAK = "weak"
    """Recovery codes of less than 112 bits, which the site's profile asks for (ASVS 6.5.2)."""


@dataclass(slots=True)
class Report:
    """
    What became of the factors of many.

    ``without``
        the primary keys of who has a factor there, and would have none here.
    """

    fates: Counter[str] = field(default_factory=Counter)
    without: list[UserId] = field(default_factory=list)
    people: int = 0


def batches(source: Source) -> Iterator[dict[UserId, OldFactors]]:
    """Yield what users have there, some users at a time."""
    for keys in people():
        yield source.read(keys)


def people() -> Iterator[list[UserId]]:
    """Yield the primary keys of all users, some at a time."""
    model = get_user_model()
    users = model._base_manager.using(router.db_for_write(model)).order_by("pk")
    last: UserId | None = None
    while True:
        chunk = users if last is None else users.filter(pk__gt=last)
        keys = list(chunk.values_list("pk", flat=True)[:AT_ONCE])
        if not keys:
            return
        yield keys
        last = keys[-1]


@sensitive_variables()
def bring_all(
    source: Source, *, now: datetime, is_dry_run: bool = False, takes_codes: bool = True
) -> Report:
    """Bring along what everybody has there. A dry run does so, and undoes it."""
    report = Report()
    for found in batches(source):
        for user_id, factors in found.items():
            report.people += bool(factors.names or factors.left)
            if not takes_codes and factors.codes:
                report.fates[Fate.WEAK] += sum(len(codes.codes) for codes in factors.codes)
                factors.codes = []
            report.fates += _bring(user_id, factors, now=now, is_dry_run=is_dry_run, report=report)
    return report


@sensitive_variables()
def _bring(
    user_id: UserId, factors: OldFactors, *, now: datetime, is_dry_run: bool, report: Report
) -> Counter[str]:
    alias = session_row.database()
    fates = Counter(str(left) for left in factors.left)
    with transaction.atomic(using=alias), alone_for(user_id):
        if was_removed(user_id):
            return fates + Counter({str(Fate.REMOVED): len(factors.names)})
        user = get_user_model()(pk=user_id)
        came = _bring_apps(user, factors.apps, now) + _bring_passkeys(user, factors.passkeys, now)
        fates += came
        has_app = Authenticator.objects.using(alias).for_user(user).confirmed().exists()
        for codes in factors.codes:
            fates += _bring_codes(user, codes, now) if has_app else Counter({str(Fate.ALONE): 1})
        if not has_app:
            report.without.append(user_id)
        if is_dry_run:
            transaction.set_rollback(True, using=alias)
    if not is_dry_run:
        added = [
            draft(Event.AUTHENTICATOR_ADDED, user_id=user_id, reason=IMPORTED)
            for _ in range(came[Fate.APP] + came[Fate.PASSKEY])
        ]
        record_all(added)
    return fates


def was_removed(user_id: UserId) -> bool:
    """Say whether a user had a factor removed here."""
    events = SessionEvent.objects.using(router.db_for_write(SessionEvent)).filter(user_id=user_id)
    return events.filter(event=Event.AUTHENTICATOR_REMOVED).exists()


@sensitive_variables()
def _bring_apps(user: models.Model, apps: Collection[OldApp], now: datetime) -> Counter[str]:
    rows = Authenticator.objects.using(session_row.database())
    known = set(rows.for_user(user).values_list("imported_from", flat=True))
    new = [app for app in apps if app.name not in known]
    for app in new:
        _authenticator(user, app, now).save(using=session_row.database(), force_insert=True)
    return Counter({str(Fate.APP): len(new), str(Fate.HERE): len(apps) - len(new)})


@sensitive_variables()
def _bring_passkeys(
    user: models.Model, passkeys: Collection[OldPasskey], now: datetime
) -> Counter[str]:
    """A passkey that its owner has here already, wherever it came from, is the same."""
    rows = Authenticator.objects.using(session_row.database())
    hashes = {credential_hash(passkey.credential_id): passkey for passkey in passkeys}
    known = rows.filter(credential_hash__in=hashes).values_list("credential_hash", flat=True)
    new = [hashes[key] for key in hashes.keys() - set(known)]
    for passkey in sorted(new, key=lambda found: found.name):
        _passkey(user, passkey, now).save(using=session_row.database(), force_insert=True)
    return Counter({str(Fate.PASSKEY): len(new), str(Fate.HERE): len(passkeys) - len(new)})


@sensitive_variables()
def _passkey(user: models.Model, passkey: OldPasskey, now: datetime) -> Authenticator:
    public_id = new_public_id()
    return Authenticator(
        public_id=public_id,
        user_id=user.pk,
        kind=AuthenticatorKind.PASSKEY,
        name=clean_name(passkey.label),
        created_at=passkey.confirmed_at or now,
        confirmed_at=passkey.confirmed_at or now,
        last_used_at=passkey.last_used_at,
        imported_from=passkey.name,
        user_handle=passkey.user_handle,
        rp_id=passkey.rp_id,
        credential_id=passkey.credential_id,
        credential_hash=credential_hash(passkey.credential_id),
        sealed_public_key=seal_public_key(passkey.public_key, public_id=public_id, user_id=user.pk),
        sign_count=passkey.sign_count,
        aaguid=passkey.aaguid,
        transports=" ".join(passkey.transports),
        backup_eligible=passkey.backup_eligible,
        backed_up=passkey.backed_up,
        verifies_user=passkey.verifies_user,
        is_discoverable=passkey.is_discoverable,
        **dict.fromkeys(TOTP_COLUMNS),
    )


@sensitive_variables()
def _authenticator(user: models.Model, app: OldApp, now: datetime) -> Authenticator:
    public_id = new_public_id()
    return Authenticator(
        public_id=public_id,
        user_id=user.pk,
        name=clean_name(app.label),
        sealed_secret=totp.seal_secret(app.secret, public_id=public_id, user_id=user.pk),
        digits=app.digits,
        period=app.period,
        created_at=app.confirmed_at or now,
        confirmed_at=app.confirmed_at or now,
        last_used_step=app.last_step,
        last_used_at=app.last_used_at,
        # Whoever guessed there does not get as many guesses more.
        disabled_at=now if app.failures >= conf.THROTTLE_HARD_LIMIT else None,
        imported_from=app.name,
    )


@sensitive_variables()
def _bring_codes(user: models.Model, codes: OldCodes, now: datetime) -> Counter[str]:
    rows = RecoveryCode.objects.using(session_row.database())
    known = set(rows.for_user(user).values_list("imported_from", flat=True))
    if "" in known or codes.name in known:
        fate = Fate.REPLACED if "" in known else Fate.HERE
        return Counter({str(fate): 1})
    made = recovery_codes.imported(user, codes.codes, source=codes.name, now=now)
    there = rows.for_user(user).values_list("code_hash", flat=True)
    new = [row for row in made if row.code_hash not in set(there)]
    rows.bulk_create(new)
    return Counter({str(Fate.CODE): len(new)})


@dataclass(frozen=True, slots=True)
class Verified:
    """Names of what is here, word for word, and how much is not, though it could be."""

    names: list[str]
    missing: int


@sensitive_variables()
def verify(user_id: UserId, factors: OldFactors) -> Verified:
    """Open what is here of a user's factors, and compare it with what is there."""
    user = get_user_model()(pk=user_id)
    is_removed, has_app = was_removed(user_id), has_authenticator(user)
    apps = {app.name: is_removed or _is_app_here(user, app) for app in factors.apps}
    passkeys = {
        passkey.name: is_removed or _is_passkey_here(user, passkey) for passkey in factors.passkeys
    }
    codes = {
        codes.name: is_removed or _are_codes_here(user, codes)
        for codes in factors.codes
        if codes.is_whole and (is_removed or has_app)
    }
    found = apps | passkeys | codes
    names = [name for name, is_here in found.items() if is_here]
    return Verified(names, len(found) - len(names))


@sensitive_variables()
def _is_app_here(user: models.Model, app: OldApp) -> bool:
    rows = Authenticator.objects.using(session_row.database()).for_user(user).confirmed()
    row = rows.totp().filter(imported_from=app.name).first()
    if row is None or (row.digits, row.period) != (app.digits, app.period):
        return False
    try:
        return same(totp.open_secret(row).hex(), app.secret.hex())
    except SealBroken:
        return False


@sensitive_variables()
def _is_passkey_here(user: models.Model, passkey: OldPasskey) -> bool:
    rows = Authenticator.objects.using(session_row.database()).for_user(user).confirmed()
    row = rows.filter(credential_hash=credential_hash(passkey.credential_id)).first()
    if row is None or bytes(row.user_handle or b"") != passkey.user_handle:
        return False
    try:
        return same(open_public_key(row).hex(), passkey.public_key.hex())
    except SealBroken:
        return False


@sensitive_variables()
def _are_codes_here(user: models.Model, codes: OldCodes) -> bool:
    rows = RecoveryCode.objects.using(session_row.database()).for_user(user)
    if rows.filter(imported_from="").exists():
        return True  # new ones were made since, and those are void
    return all(recovery_codes.find(user, code) is not None for code in codes.codes)


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many rows were deleted there; ``missing``: how many are not here, so none was."""

    count: int
    missing: int


@sensitive_variables()
def delete_all(source: Source, *, is_dry_run: bool = False) -> Deleted:
    """
    Delete there what is here, if all of it is: otherwise nothing.

    What cannot come along stays there.
    """
    missing = sum(verified.missing for verified in _verified(source))
    count = 0
    if not missing:
        for verified in _verified(source):
            if not is_dry_run:
                source.delete(verified.names)
            count += len(verified.names)
    return Deleted(count, missing)


@sensitive_variables()
def _verified(source: Source) -> Iterator[Verified]:
    for found in batches(source):
        for user_id, factors in found.items():
            yield verify(user_id, factors)
