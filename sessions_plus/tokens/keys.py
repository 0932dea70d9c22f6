"""
The keys that sign access tokens, from their making to their end.

A key is published for a while before it signs, and goes on verifying for a while after
it did: so no service that keeps the JWKS for as long as it may refuses a valid token.
The keys are ours alone: nothing that a token carries names another place to find one.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from asgiref.sync import sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import IntegrityError, models, router, transaction

from sessions_plus.conf import Conf, conf
from sessions_plus.crypto import Purpose, seal, unseal
from sessions_plus.events import record
from sessions_plus.exceptions import SealBroken
from sessions_plus.models import Event, SigningKey
from sessions_plus.models.signing_key import SigningKeyQuerySet, private_key_context
from sessions_plus.named_types import JsonObject
from sessions_plus.tokens import jose

# How long others may keep the JWKS, and so how long before its first use a key is published.
JWKS_MAX_AGE = timedelta(minutes=5)

# How far the clocks of those who sign and those who verify may differ (NIST allows minutes,
# OWASP ASVS 9.2.1 wants little).
LEEWAY = timedelta(seconds=30)

# How long this process believes what it read of the keys, and how often at most a token
# with an unknown key makes it look again.
REREAD_AFTER_SECONDS = 60.0
REREAD_FOR_UNKNOWN_AFTER_SECONDS = 1.0


@dataclass(frozen=True, slots=True, repr=False)
class Signer:
    """A private key, held for as long as it takes to sign."""

    kid: str
    algorithm: str
    key: jose.PrivateKey


@dataclass(frozen=True, slots=True)
class Verifier:
    """A public key; ``not_after`` is when its tokens are no longer accepted."""

    kid: str
    algorithm: str
    key: jose.PublicKey
    not_after: datetime | None

    def is_valid(self, now: datetime) -> bool:
        return self.not_after is None or now < self.not_after


@dataclass(frozen=True, slots=True)
class _Known:
    """What this process read of the keys, and when by its steady clock."""

    verifiers: Mapping[str, Verifier]
    read_at: float


class _Memory:
    """The last reading. Replaced whole, so that threads need no lock."""

    known: _Known | None = None


def forget_known_keys() -> None:
    """Read the keys anew when they are next asked for."""
    _Memory.known = None


# Given by settings


@lru_cache(maxsize=4)
def _given(pems: tuple[str, ...]) -> tuple[Signer, ...]:
    keys = [jose.private_key_from_pem(pem) for pem in pems]
    return tuple(Signer(key.thumbprint(), jose.algorithm_of(key), key) for key in keys)


def _given_keys() -> tuple[Signer, ...]:
    given = _given(tuple(conf.SIGNING_KEYS))
    if given and not _has_own_issuer():
        raise ImproperlyConfigured(
            "SESSIONS_PLUS_SIGNING_KEYS is set, so other sites may have the same keys. Set "
            "SESSIONS_PLUS_TOKEN_ISSUER to this site's own URL, so that theirs are no good here."
        )
    return given


def _has_own_issuer() -> bool:
    return str(conf.TOKEN_ISSUER) != Conf.TOKEN_ISSUER.default


@lru_cache(maxsize=4)
def _given_verifiers(pems: tuple[str, ...]) -> Mapping[str, Verifier]:
    public = [(one, jose.key_from_jwk(jose.public_jwk(one.key))) for one in _given(pems)]
    return {one.kid: Verifier(one.kid, one.algorithm, key, None) for one, key in public}


# In the database


def database() -> str:
    """The alias of the keys: always the one that is written to, as a replica may lag."""
    return router.db_for_write(SigningKey)


def _rows() -> SigningKeyQuerySet:
    return SigningKey.objects.using(database())


def get_signer(now: datetime) -> Signer:
    """Return the key that signs now: made if there is none, followed by a next one if it is old."""
    given = _given_keys()
    if given:
        return given[0]
    newest = _rows().order_by("-number").first()
    row = newest if newest is None or newest.not_before <= now else _rows().signing(now).first()
    signer = _open(row) if row is not None and _signs(row, now) else None
    if row is None or signer is None:
        # Without a private key that opens nothing can be signed: nobody waits for a next one.
        after = newest.number if newest is not None else 0
        return _must_open(_make(after, now, not_before=now) or _newest())
    if rotation_is_due(row, now):
        _rotate(row.number, now, at_once=False, actor=None)
    return signer


def _signs(row: SigningKey, now: datetime) -> bool:
    return row.not_after is None or now < row.not_after


def rotation_is_due(row: SigningKey, now: datetime) -> bool:
    """Say whether a key that signs should get its successor."""
    if row.not_after is not None:
        return False  # it has one
    due_at = row.due_at(conf.SIGNING_KEY_ROTATION_INTERVAL)
    is_old = due_at is not None and due_at <= now
    return is_old or row.algorithm != conf.TOKEN_ALGORITHM


def rotate(
    now: datetime, *, at_once: bool = False, actor: models.Model | None = None
) -> SigningKey:
    """
    Make the next key and return it. It signs once everybody can know it.

    ``at_once`` is for a key that was stolen: all others end now, with every access token that
    they signed. Other services may believe the old ones for ``JWKS_MAX_AGE`` more, our own
    processes for a minute.
    """
    while True:
        newest = _rows().order_by("-number").first()
        after = newest.number if newest is not None else 0
        row = _rotate(after, now, at_once=at_once, actor=actor)
        if row is not None:
            return row
        if not at_once:
            return _newest()
        # Another process made the next key meanwhile. That ends no stolen one.


def _rotate(
    after: int, now: datetime, *, at_once: bool, actor: models.Model | None
) -> SigningKey | None:
    """Make the key that follows number ``after``. None: another process was first."""
    row = _make(after, now, not_before=now if at_once else now + JWKS_MAX_AGE, at_once=at_once)
    if row is not None:
        record(Event.SIGNING_KEY_ROTATED, actor=actor, reason="at_once" if at_once else "")
    return row


def _make(
    after: int, now: datetime, *, not_before: datetime, at_once: bool = False
) -> SigningKey | None:
    """
    Make the key that follows number ``after`` and give the older ones an end.

    None: another process was first. Numbers are unique, so what was seen before one
    decided to make a key is what decides whether it is made.
    """
    number = after + 1
    ends_at = now if at_once else not_before + conf.ACCESS_TOKEN_LIFETIME + LEEWAY
    try:
        with transaction.atomic(using=database()):
            row = _insert(number, not_before)
            older = _rows().filter(number__lt=number)
            endless = models.Q(not_after=None) | models.Q(not_after__gt=ends_at)
            older.filter(endless).update(not_after=ends_at)
            older.filter(not_after__lte=now).delete()
    except IntegrityError:
        return None
    finally:
        forget_known_keys()
    return row


def _newest() -> SigningKey:
    return _rows().latest("number")


def _insert(number: int, not_before: datetime) -> SigningKey:
    key = jose.new_private_key(conf.TOKEN_ALGORITHM)
    kid = key.thumbprint()
    return _rows().create(
        number=number,
        kid=kid,
        algorithm=jose.algorithm_of(key),
        sealed_private_key=seal(
            jose.key_to_jwk(key), purpose=Purpose.SIGNING_KEY, bound_to=private_key_context(kid)
        ),
        public_jwk=jose.public_jwk(key),
        not_before=not_before,
    )


def _open(row: SigningKey) -> Signer | None:
    try:
        jwk = unseal(
            bytes(row.sealed_private_key),
            purpose=Purpose.SIGNING_KEY,
            bound_to=private_key_context(row.kid),
        )
    except SealBroken:
        return None
    return Signer(row.kid, row.algorithm, jose.key_from_jwk(json.loads(jwk)))


def _must_open(row: SigningKey) -> Signer:
    signer = _open(row)
    if signer is None:
        raise SealBroken
    return signer


# Verifying


def find_verifier(kid: str, now: datetime) -> Verifier | None:
    """Return the key of that name if its tokens are accepted. Mostly without I/O."""
    known = _known_for(kid)
    return _valid(known if known is not None else _read(), kid, now)


async def afind_verifier(kid: str, now: datetime) -> Verifier | None:
    """See find_verifier()."""
    known = _known_for(kid)
    return _valid(known if known is not None else await sync_to_async(_read)(), kid, now)


def _valid(known: _Known, kid: str, now: datetime) -> Verifier | None:
    found = known.verifiers.get(kid)
    return found if found is not None and found.is_valid(now) else None


def _known_for(kid: str) -> _Known | None:
    """Return what is known, or None where the keys have to be read."""
    if _given_keys():
        return _Known(_given_verifiers(tuple(conf.SIGNING_KEYS)), 0.0)
    known = _Memory.known
    if known is None or not known.verifiers:
        return None
    age = time.monotonic() - known.read_at
    limit = REREAD_AFTER_SECONDS if kid in known.verifiers else REREAD_FOR_UNKNOWN_AFTER_SECONDS
    return known if age < limit else None


def _read() -> _Known:
    read_at = time.monotonic()
    verifiers = {
        row.kid: Verifier(row.kid, row.algorithm, jose.key_from_jwk(row.public_jwk), row.not_after)
        for row in _rows().all()
    }
    _Memory.known = known = _Known(verifiers, read_at)
    return known


def jwks(now: datetime) -> JsonObject:
    """Return the public keys as a JWK Set (RFC 7517 §5), the next one first."""
    given = _given_keys()
    if given:
        return {"keys": [jose.public_jwk(one.key) for one in given]}
    get_signer(now)
    return {"keys": [row.public_jwk for row in _rows().verifying(now)]}


async def ajwks(now: datetime) -> JsonObject:
    """See jwks()."""
    return await sync_to_async(jwks)(now)
