"""
An authenticator app for tests: computes codes on its own, from the secret that was shown.

Written from RFC 4226 §5.3 and RFC 6238 §4, so that our codes are not checked by themselves.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.keys import new_public_id
from sessions_plus.mfa import enrolment, totp
from sessions_plus.mfa.passkeys.credentials import credential_hash, seal_public_key
from sessions_plus.models import Authenticator, AuthenticatorKind
from sessions_plus.models.authenticator import TOTP_COLUMNS

SESSION = UUID("018f0000-0000-7000-8000-000000000001")


def hotp(secret: bytes, counter: int, *, digits: int = 6, algorithm: str = "SHA1") -> str:
    """RFC 4226 §5.3."""
    mac = hmac.digest(secret, counter.to_bytes(8, "big"), getattr(hashlib, algorithm.lower()))
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}}"


@dataclass
class App:
    """Somebody's phone."""

    secret: bytes
    digits: int = 6
    algorithm: str = "SHA1"
    period: int = 30
    recovery_codes: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, authenticator: Authenticator) -> App:
        """The app of somebody who scanned its code."""
        scheme = totp.scheme_of(authenticator)
        return cls(totp.open_secret(authenticator), scheme.digits, scheme.algorithm)

    @classmethod
    def typed(cls, base32: str, **kwargs: int | str) -> App:
        """The app of somebody who typed the secret."""
        text = base32.replace(" ", "").upper()
        return cls(base64.b32decode(text + "=" * (-len(text) % 8)), **kwargs)  # type: ignore[arg-type]

    def code(self, at: datetime | None = None, *, steps: int = 0) -> str:
        """The code at a moment, or ``steps`` time steps away from it."""
        counter = int((at or timezone.now()).timestamp()) // self.period + steps
        return hotp(self.secret, counter, digits=self.digits, algorithm=self.algorithm)

    def wrong_code(self, at: datetime | None = None) -> str:
        """A code of the right form that is none within many steps."""
        near = {self.code(at, steps=step) for step in range(-5, 6)}
        return next(code for code in ("000000", "111111", "222222") if code not in near)


def enrol(user: User, *, at: datetime | None = None, name: str = "") -> App:
    """Give ``user`` a confirmed authenticator, a while before ``at``; return their phone."""
    moment = (at or timezone.now()) - timedelta(minutes=30)
    pending = enrolment.begin(user, session_public_id=SESSION, now=moment)
    app = App.of(pending)
    made = enrolment.confirm(
        user,
        app.code(moment),
        authority=None,
        session_public_id=SESSION,
        name=name,
        client=None,
        now=moment,
    )
    app.recovery_codes = [code.reveal() for code in made.recovery_codes]
    return app


def a_passkey(user: User, *, public_key: bytes = b"?", **columns: Any) -> Authenticator:
    """A row of a passkey that nobody holds."""
    public_id, now = new_public_id(), timezone.now()
    facts: dict[str, Any] = {
        "kind": AuthenticatorKind.PASSKEY,
        "confirmed_at": now,
        **dict.fromkeys(TOTP_COLUMNS),
        "user_handle": b"h" * 32,
        "rp_id": "testserver",
        "credential_id": public_id.bytes,
        "credential_hash": credential_hash(public_id.bytes),
        "sealed_public_key": seal_public_key(public_key, public_id=public_id, user_id=user.pk),
        "sign_count": 0,
        "aaguid": UUID(int=0),
        "backup_eligible": True,
        "backed_up": True,
        "verifies_user": True,
        "is_discoverable": True,
    }
    return Authenticator.objects.create(user=user, public_id=public_id, **facts | columns)


def only(user: User) -> Authenticator:
    """The one authenticator of ``user``."""
    return Authenticator.objects.for_user(user).get()
