"""The filters of the lists beside the ones that Django makes of a column."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import SEARCH_VAR
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from sessions_plus.admin.listing import Rows, floor_of
from sessions_plus.admin.periods import in_words, interval_in
from sessions_plus.admin.topics import TOPICS
from sessions_plus.admin.words import reason_choices
from sessions_plus.lifecycle.in_force import condition, goes_on
from sessions_plus.models import Device, Session, SessionEvent
from sessions_plus.named_types import Words

Choices = list[tuple[str, Words]]


class SessionStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [("active", _("Active")), ("ended", _("Ended")), ("expired", _("Expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        now = timezone.now()
        match self.value():
            case "active":
                return queryset.filter(condition(now))
            case "ended":
                return queryset.exclude(revoked_at=None)
            case "expired":
                return queryset.filter(revoked_at=None).exclude(condition(now))
            case _:
                return queryset


class ReasonFilter(admin.SimpleListFilter):
    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return reason_choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        reason = self.value()
        return queryset.filter(revoked_reason=reason) if reason else queryset


class AuthMethodFilter(admin.SimpleListFilter):
    title = _("sign-in method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [
            ("pwd", _("Password")),
            ("otp", _("Authenticator code")),
            ("rcv", _("Recovery code")),
            ("pky", _("Passkey")),
            ("sec", _("Security key")),
            ("ext", _("Another service")),
            ("none", _("Not signed in")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        method = self.value()
        if method == "none":
            return queryset.filter(auth_methods="")
        return queryset.filter(auth_methods__contains=method) if method else queryset


class TopicFilter(admin.SimpleListFilter):
    """What staff ask about events, as the overview counts them."""

    title = _("topic")
    parameter_name = "topic"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [(topic.name, topic.label) for topic in TOPICS]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[SessionEvent]
    ) -> QuerySet[SessionEvent]:
        chosen = [topic for topic in TOPICS if topic.name == self.value()]
        return queryset.filter(chosen[0].condition()) if chosen else queryset


class EventReasonFilter(ReasonFilter):
    """Why a session ended: of events."""

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        reason = self.value()
        return queryset.filter(reason=reason) if reason else queryset


class TimeFilter(admin.SimpleListFilter):
    """When it happened: since then, or within an interval that a link names."""

    title = _("time")
    parameter_name = "at"
    column = "at"
    SINCE: Mapping[str, tuple[Words, timedelta]] = MappingProxyType(
        {
            "hour": (_("Past hour"), timedelta(hours=1)),
            "day": (_("Past 24 hours"), timedelta(days=1)),
            "week": (_("Past 7 days"), timedelta(days=7)),
            "month": (_("Past 30 days"), timedelta(days=30)),
        }
    )

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        found: Choices = [(name, label) for name, (label, _length) in self.SINCE.items()]
        interval = interval_in(self.value() or "")
        if interval is not None:
            found.append((self.value() or "", in_words(*map(_local, interval))))
        return found

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value() or ""
        if value in self.SINCE:
            begin = timezone.now() - self.SINCE[value][1]
            return queryset.filter((f"{self.column}__gte", begin))
        interval = interval_in(value)
        if interval is None:
            return queryset
        begin, end = map(as_stored, interval)
        return queryset.filter((f"{self.column}__gte", begin), (f"{self.column}__lt", end))


class LastActivityFilter(TimeFilter):
    """When a session was last used."""

    title = _("last activity")
    parameter_name = "used"
    column = "last_activity"


class LastSignInFilter(TimeFilter):
    """When somebody last signed in on a device."""

    title = _("last sign-in")
    parameter_name = "seen"
    column = "last_seen_at"


def _local(moment: datetime) -> datetime:
    return moment.astimezone(timezone.get_current_timezone())


def as_stored(moment: datetime) -> datetime:
    """As columns of moments have it: naive, and local, without USE_TZ."""
    return moment if settings.USE_TZ else timezone.make_naive(moment)


class BoundFilter(admin.SimpleListFilter):
    title = _("bound to its device")
    parameter_name = "bound"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        is_bound = Q(device_key_seen=True, device_key_id__isnull=False)
        match self.value():
            case "yes":
                return queryset.filter(is_bound)
            case "no":
                return queryset.exclude(is_bound)
        return queryset


class DeviceStateFilter(admin.SimpleListFilter):
    """A device is in use where a session lives on it, and nowhere else."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [
            ("in_use", _("In use")),
            ("signed_out", pgettext_lazy("state", "Signed out")),
            ("trusted", _("Trusted")),
            ("revoked", _("Revoked")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        match self.value():
            case "in_use":
                return queryset.filter(_in_use(request, queryset), revoked_at=None)
            case "signed_out":
                return queryset.filter(~_in_use(request, queryset), revoked_at=None)
            case "trusted":
                return queryset.filter(revoked_at=None, trusted_until__gt=timezone.now())
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case _:
                return queryset


def _in_use(request: HttpRequest, devices: QuerySet[Device]) -> Exists:
    """Of as many devices as the list looks through: else all sessions would be read for it."""
    live = goes_on(Session.objects.filter(device=OuterRef("pk")), now=timezone.now())
    if not request.GET.keys() & {"user", SEARCH_VAR}:
        live = live.filter(device__gt=floor_of(Device, devices.db) or 0)
    return Exists(live)
