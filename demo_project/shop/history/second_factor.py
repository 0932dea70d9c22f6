"""
A second factor for the demo, whose app is the demo itself: nobody needs a phone to try it.

The secret is made while seeding, and lives sealed in the database as everybody's does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.contrib.auth.models import User
from django.views.decorators.debug import sensitive_variables

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.mfa import enrolment, totp
from sessions_plus.models import Authenticator


@dataclass(frozen=True, slots=True, repr=False)
class Code:
    """What an app shows: ``text`` is accepted from now on, for ``seconds``."""

    text: str
    seconds: int


class NoneLeft(Exception):
    """Every code that would be accepted now was used; ``seconds`` until the next one."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds


@sensitive_variables()
def enrol(user: User, *, session: UUID, client: ClientInfo, now: datetime) -> None:
    """Let ``user`` set up an app in that session."""
    pending = enrolment.begin(user, session_public_id=session, now=now)
    code = _code_at(pending, totp.step_at(now, period=totp.scheme_of(pending).period))
    enrolment.confirm(
        user, code, authority=None, session_public_id=session, name="Phone", client=client, now=now
    )


def find_app(username: str) -> Authenticator | None:
    """Return the authenticator of a person of the demo, unless a visitor removed it."""
    return Authenticator.objects.totp().confirmed().filter(user__username=username).first()


def address_of(app: Authenticator, username: str) -> str:
    """Return the ``otpauth://`` address that sets up an app; it contains the secret."""
    return totp.provisioning_uri(app, account=username, issuer=totp.issuer_at("localhost"))


@sensitive_variables()
def code_of(app: Authenticator, *, now: datetime) -> Code:
    """
    Return the earliest code that is accepted now and was not used.

    Raises:
        NoneLeft: there is none, as each is accepted once.
    """
    period, last_used = totp.scheme_of(app).period, app.last_used_step
    current = totp.step_at(now, period=period)
    step = current if last_used is None else max(current, last_used + 1)
    ends_at = (step + conf.TOTP_TOLERANCE + 1) * period
    if step > current + conf.TOTP_TOLERANCE:
        begins_at = (step - conf.TOTP_TOLERANCE) * period
        raise NoneLeft(begins_at - int(now.timestamp()))
    return Code(_code_at(app, step), ends_at - int(now.timestamp()))


@sensitive_variables()
def _code_at(app: Authenticator, step: int) -> str:
    secret, scheme = totp.open_secret(app), totp.scheme_of(app)
    return totp.code_at_step(secret, step, algorithm=scheme.algorithm, digits=scheme.digits)
