"""
Which sessions go on by the limits of today, whatever those were when a session was last written.

A stricter policy ends a session at its next request; until then its row does not say so. Lists
ask here, so that nobody reads of a session that has no next request.
"""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from sessions_plus.conf import conf
from sessions_plus.exceptions import SealBroken
from sessions_plus.models import Session
from sessions_plus.models.session import Kind, SessionQuerySet
from sessions_plus.policy import Limits, Verdict, expires_at, judge
from sessions_plus.rows import session_row
from sessions_plus.rows.lifetime import limits_of, needs_data


def live_sessions(user: models.Model, *, now: datetime) -> SessionQuerySet:
    """Return the sessions of ``user`` that go on, by ``SESSIONS_PLUS_LIMITS`` too."""
    own = goes_on(Session.objects.using(session_row.database()).for_user(user), now=now)
    if not needs_data():
        return own
    return own.filter(pk__in=[session.pk for session in own if is_live(session, now=now)])


def goes_on(sessions: SessionQuerySet, *, now: datetime) -> SessionQuerySet:
    """
    Narrow a queryset to those that go on, as far as a database can tell.

    It knows nothing of what ``SESSIONS_PLUS_LIMITS`` says of each: that is left to ``is_live``.
    """
    return sessions.filter(condition(now))


def condition(now: datetime) -> Q:
    """What holds of a row that goes on, as ``goes_on`` knows it."""
    stored = Q(revoked_at=None, expire_date__gt=now)
    return stored if needs_data() else stored & _bounds(now)


def seems_live(session: Session, *, now: datetime) -> bool:
    """Say so without reading the session's data, for long lists: as ``goes_on`` does."""
    if needs_data():
        return session.revoked_at is None and session.expire_date > now
    return is_live(session, now=now)


def is_live(session: Session, *, now: datetime) -> bool:
    """Say whether a stored session would go on with a request now."""
    if session.revoked_at is not None or session.expire_date <= now:
        return False
    verdict = judge(
        started_at=_started_at(session),
        last_activity=session.last_activity,
        now=now,
        limits=_limits_of(session),
    )
    return verdict is Verdict.ALIVE


def ended_at(session: Session) -> datetime:
    """Return when a session ended, or will unless it is used again."""
    if session.revoked_at is not None:
        return session.revoked_at
    today = expires_at(
        started_at=_started_at(session),
        last_activity=session.last_activity,
        limits=_limits_of(session),
    )
    return min(today, session.expire_date)


def _started_at(session: Session) -> datetime:
    return session.authenticated_at or session.created_at


def _limits_of(session: Session) -> Limits:
    """The limits that hold whatever the site set on the session, which its row takes in."""
    if not needs_data():
        return _limits(session.kind, is_signed_in=session.user_id is not None)
    try:
        data = session.get_decoded()
    except SealBroken:
        data = {}
    return limits_of(
        user_id=session.user_id, data=data, kind=session.kind, auth_methods=session.auth_methods
    )


def _limits(kind: str, *, is_signed_in: bool) -> Limits:
    if kind == Kind.API:
        return Limits(conf.REFRESH_IDLE_TIMEOUT, conf.REFRESH_LIFETIME)
    # Not Django's default of two weeks, which `set_expiry` may lengthen.
    return Limits(conf.IDLE_TIMEOUT, conf.ABSOLUTE_LIFETIME) if is_signed_in else Limits(None, None)


def _bounds(now: datetime) -> Q:
    of_browsers = _within(_limits(Kind.BROWSER, is_signed_in=True), now)
    of_programs = _within(_limits(Kind.API, is_signed_in=True), now)
    return Q(user=None) | (Q(kind=Kind.BROWSER) & of_browsers) | (Q(kind=Kind.API) & of_programs)


def _within(limits: Limits, now: datetime) -> Q:
    inside = Q()
    if limits.idle_timeout is not None:
        inside &= Q(last_activity__gt=now - limits.idle_timeout)
    if limits.absolute_lifetime is not None:
        inside &= _started_after(now - limits.absolute_lifetime)
    return inside


def _started_after(moment: datetime) -> Q:
    return Q(authenticated_at__gt=moment) | Q(authenticated_at=None, created_at__gt=moment)
