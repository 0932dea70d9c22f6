"""The filters of the lists beside the ones that Django makes of a column."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.words import reason_choices
from sessions_plus.models import Device, Session

Choices = list[tuple[str, Any]]  # a lazy translation has no public type


class SessionStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("active", _("Active")), ("ended", _("Ended")), ("expired", _("Expired"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        now = timezone.now()
        match self.value():
            case "active":
                return queryset.filter(revoked_at=None, expire_date__gt=now)
            case "ended":
                return queryset.exclude(revoked_at=None)
            case "expired":
                return queryset.filter(revoked_at=None, expire_date__lte=now)
            case _:
                return queryset


class ReasonFilter(admin.SimpleListFilter):
    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return reason_choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        reason = self.value()
        return queryset.filter(revoked_reason=reason) if reason else queryset


class AuthMethodFilter(admin.SimpleListFilter):
    title = _("sign-in method")
    parameter_name = "method"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("pwd", _("Password")),
            ("otp", _("Authenticator code")),
            ("rcv", _("Recovery code")),
            ("ext", _("Another service")),
            ("none", _("Not signed in")),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> QuerySet[Session]:
        method = self.value()
        if method == "none":
            return queryset.filter(auth_methods="")
        return queryset.filter(auth_methods__contains=method) if method else queryset


class DeviceStateFilter(admin.SimpleListFilter):
    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("in_use", _("In use")), ("trusted", _("Trusted")), ("revoked", _("Revoked"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Device]) -> QuerySet[Device]:
        match self.value():
            case "in_use":
                return queryset.filter(revoked_at=None)
            case "trusted":
                return queryset.filter(revoked_at=None, trusted_until__gt=timezone.now())
            case "revoked":
                return queryset.exclude(revoked_at=None)
            case _:
                return queryset
