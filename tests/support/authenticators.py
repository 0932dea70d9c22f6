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
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from sessions_plus.mfa import enrolment, totp
from sessions_plus.models import Authenticator

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
    app = App(totp.open_secret(pending), digits=pending.digits, algorithm=pending.algorithm)
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


def only(user: User) -> Authenticator:
    """The one authenticator of ``user``."""
    return Authenticator.objects.for_user(user).get()
