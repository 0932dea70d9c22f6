"""
What staff ask about events, each a few kinds of them: what the overview counts and lists filter.

One rule for both: a number in a chart is as long as the list that it leads to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_

from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from sessions_plus.mfa.methods import RECOVERY_CODE, SECOND_FACTORS, TOTP_CODE
from sessions_plus.models import Event, Reason
from sessions_plus.named_types import Words

CODES = frozenset({TOTP_CODE, RECOVERY_CODE})


@dataclass(frozen=True, slots=True)
class Topic:
    """
    Some kinds of events.

    ``label`` is a text in the reader's language. Where ``reasons`` are given an event has to
    have one of them, and where ``methods`` are given one of those among its reason's words.
    """

    name: str
    label: Words
    events: tuple[Event, ...]
    reasons: frozenset[str] = frozenset()
    methods: frozenset[str] = frozenset()

    def holds(self, event: str, reason: str) -> bool:
        """Say whether an event is of it."""
        return (
            event in self.events
            and (not self.reasons or reason in self.reasons)
            and (not self.methods or not self.methods.isdisjoint(reason.split()))
        )

    def condition(self) -> Q:
        """Return the same as a condition for rows."""
        condition = Q(event__in=self.events)
        if self.reasons:
            condition &= Q(reason__in=self.reasons)
        if self.methods:
            condition &= reduce(or_, (Q(reason__contains=name) for name in sorted(self.methods)))
        return condition


def ended(name: str, label: Words, *reasons: Reason) -> Topic:
    events = (Event.SESSION_REVOKED, Event.SESSION_EXPIRED)
    return Topic(name, label, events, frozenset(reasons))


SIGN_INS = Topic("sign_ins", _("Sign-ins"), (Event.SESSION_STARTED,))
WRONG_PASSWORD = Topic("wrong_password", _("Wrong name or password"), (Event.SIGN_IN_FAILED,))
WRONG_FACTOR = Topic("wrong_factor", _("Wrong second factor"), (Event.CHALLENGE_FAILED,))
SIGNED_OUT = Topic("signed_out", _("Signed out"), (Event.SESSION_SIGNED_OUT,))
EXPIRED = ended("expired", _("Expired"), Reason.IDLE, Reason.ABSOLUTE)
BY_USER = ended(
    "by_user",
    _("Ended by user"),
    *(Reason.SIGNED_OUT, Reason.REVOKED, Reason.REPLACED, Reason.DEVICE_REVOKED),
    *(Reason.PASSWORD_CHANGED, Reason.FACTOR_CHANGED, Reason.REPORTED),
)
BY_STAFF = ended(
    "by_staff",
    _("Ended by staff"),
    *(Reason.REVOKED_BY_STAFF, Reason.USER_INACTIVE, Reason.USER_DELETED, Reason.DELETED),
    Reason.ACTED,
)
BY_SITE = ended("by_site", _("Ended by a rule"), Reason.LIMIT, Reason.FLUSHED)
SUSPICIOUS = ended("suspicious", _("Suspected theft"), Reason.KEY_REUSED, Reason.CLIENT_CHANGED)
NEW_DEVICES = Topic("new_devices", _("New devices"), (Event.DEVICE_FIRST_SEEN,))
WITH_CODE = Topic("with_code", _("Sign-ins with a code"), (Event.SESSION_STARTED,), methods=CODES)
WITH_PASSKEY = Topic(
    "with_passkey",
    _("Sign-ins with a passkey"),
    (Event.SESSION_STARTED,),
    methods=SECOND_FACTORS - CODES,
)

FAILURES = (WRONG_PASSWORD, WRONG_FACTOR)
ENDS = (SIGNED_OUT, EXPIRED, BY_USER, BY_STAFF, BY_SITE, SUSPICIOUS)
# Without methods a topic would hold them all: a site whose factors are all codes has no other.
FACTORS = (WITH_CODE, *((WITH_PASSKEY,) if WITH_PASSKEY.methods else ()))
TOPICS = (SIGN_INS, *FACTORS, *FAILURES, *ENDS, NEW_DEVICES)
