"""
Let the past happen: each sign-in goes through the session engine, and is then dated back.

So the demo's history is what the app itself writes, whatever version it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.db.models import Max
from django.http import HttpRequest

from demo_project.shop.history import second_factor
from demo_project.shop.history.people import BROWSERS, PLACES
from demo_project.shop.history.timeline import (
    ENROLMENTS,
    FACTOR_RESETS,
    FAILED_SIGN_INS,
    RESETS,
    VISITS,
    Ending,
    Enrolment,
    FactorReset,
    FailedSignIn,
    Reset,
    Visit,
    days,
)
from sessions_plus.client_info import ClientInfo
from sessions_plus.devices.naming import rename
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.events import record
from sessions_plus.lifecycle import revoke
from sessions_plus.mfa.enrolment import remove_all
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.mfa.sign_in import using
from sessions_plus.models import Authenticator, Device, Event, Reason, Session, SessionEvent
from sessions_plus.policy import expires_at
from sessions_plus.rows.lifetime import limits_of

# Where staff are when they do something for somebody.
HELP_DESK = ClientInfo.of(
    ip_address=PLACES["the shop"].ip_address, user_agent=BROWSERS["sam's computer"]
)


@dataclass
class Replay:
    """The past of ``people``, by username, up to ``now``. ``staff`` ends sessions of others."""

    people: dict[str, User]
    staff: User
    now: datetime
    device_tokens: dict[str, str] = field(default_factory=dict)
    sessions: dict[Visit, Any] = field(default_factory=dict)

    def run(self) -> None:
        """Let everything happen, oldest first, as rows are listed in the order they were made."""
        for ago, happen in sorted(self.happenings(), key=lambda pair: -pair[0]):
            with happening_at(self.now - days(ago)):
                happen()

    def happenings(self) -> Iterator[tuple[float, Callable[[], None]]]:
        """Yield what happened, and how many days before now."""
        for visit in VISITS:
            if visit.username in self.people:
                yield visit.began, partial(self.begin, visit)
                if visit.ending is not None:
                    yield visit.ended, partial(self.end, visit)
        others: tuple[tuple[tuple[Any, ...], Callable[[Any], None]], ...] = (
            (ENROLMENTS, self.enrol),
            (RESETS, self.reset),
            (FACTOR_RESETS, self.reset_factor),
        )
        for kind, happen in others:
            for one in kind:
                if one.username in self.people:
                    yield one.began, partial(happen, one)
        for failed in FAILED_SIGN_INS:
            yield failed.began, partial(self.fail, failed)

    def begin(self, visit: Visit) -> None:
        request = self.request_from(visit)
        user = self.people[visit.username]
        store: Any = request.session
        methods = ("pwd", "otp") if has_authenticator(user) else ("pwd",)
        with using(request, methods=methods):
            login(request, user, backend="sessions_plus.auth_backends.Backend")
        request.session.save()
        self.sessions[visit] = store
        self.device_tokens[visit.browser] = store.issued_device_token
        self.date_back(visit, Session.objects.get(public_id=store.public_id))

    def date_back(self, visit: Visit, session: Session) -> None:
        began, last_used = self.now - days(visit.began), self.now - days(visit.last_used)
        User.objects.filter(username=visit.username).update(last_login=began)
        Authenticator.objects.filter(user=session.user).update(last_used_at=began)
        limits = limits_of(user_id=session.user_id, data={})
        Session.objects.filter(pk=session.pk).update(
            created_at=began,
            authenticated_at=began,
            reauthenticated_at=began,
            last_activity=last_used,
            expire_date=expires_at(started_at=began, last_activity=last_used, limits=limits),
            location=PLACES[visit.place].location,
        )
        devices = Device.objects.filter(sessions=session)
        devices.filter(first_seen_at__gt=began).update(first_seen_at=began)
        devices.update(last_seen_at=began)
        if visit.device_name and session.device is not None:
            rename(session.device, visit.device_name, client=self.client_of(visit))

    def end(self, visit: Visit) -> None:
        store = self.sessions[visit]
        session = Session.objects.select_related("device").get(public_id=store.public_id)
        moment = self.now - days(visit.ended)
        client = self.client_of(visit)
        if visit.ending is Ending.SIGNED_OUT:
            request = self.request_from(visit)
            request.session, request.user = store, self.people[visit.username]
            logout(request)
        elif visit.ending is Ending.IDLE:
            # Its browser comes back after the idle timeout, and the engine notices.
            store.__class__(store.session_key).load()
        elif visit.ending is Ending.DEVICE_REVOKED and session.device is not None:
            revoke_device(session.device, client=client, now=moment)
        elif visit.ending is Ending.REVOKED_BY_STAFF:
            reason = Reason.REVOKED_BY_STAFF
            revoke(session, reason=reason, actor=self.staff, client=HELP_DESK, now=moment)
        else:
            revoke(session, client=client, now=moment)
        Session.objects.filter(pk=session.pk).update(revoked_at=moment)

    def enrol(self, enrolment: Enrolment) -> None:
        visit = next(
            visit
            for visit in self.sessions
            if (visit.username, visit.browser) == (enrolment.username, enrolment.browser)
        )
        second_factor.enrol(
            self.people[visit.username],
            session=self.sessions[visit].public_id,
            client=self.client_of(visit),
            now=self.now - days(enrolment.began),
        )

    def fail(self, failed: FailedSignIn) -> None:
        user_login_failed.send(
            sender=type(self),
            credentials={"username": failed.username},
            request=self.request_from(failed),
        )

    def reset(self, reset: Reset) -> None:
        user = self.people[reset.username]
        client = self.client_of(reset)
        record(Event.PASSWORD_RESET_REQUESTED, user=user, client=client)
        record(Event.PASSWORD_CHANGED, user=user, client=client)

    def reset_factor(self, factor_reset: FactorReset) -> None:
        remove_all(
            self.people[factor_reset.username],
            actor=self.staff,
            client=HELP_DESK,
            now=self.now - days(factor_reset.began),
        )

    def request_from(self, visit: Visit | FailedSignIn) -> HttpRequest:
        """Make the request that this visit begins or ends with."""
        request = HttpRequest()
        client = self.client_of(visit)
        store = import_module(settings.SESSION_ENGINE).SessionStore()
        store.client = client
        store.device_token = self.device_tokens.get(visit.browser)
        request.session = store
        request.client_info = client  # type: ignore[attr-defined]  # as the middleware does
        return request

    def client_of(self, visit: Visit | FailedSignIn | Reset) -> ClientInfo:
        place = PLACES[visit.place]
        return ClientInfo.of(ip_address=place.ip_address, user_agent=BROWSERS[visit.browser])


@contextmanager
def happening_at(moment: datetime) -> Iterator[None]:
    """Date the events that are recorded meanwhile."""
    last = SessionEvent.objects.aggregate(last=Max("pk"))["last"] or 0
    yield
    SessionEvent.objects.filter(pk__gt=last).update(at=moment)
    Session.objects.filter(revoked_at__gt=moment, revoked_reason=Reason.REPLACED).update(
        revoked_at=moment
    )
