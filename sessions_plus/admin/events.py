"""The audit trail: to be read, by nobody to be changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.downloads import DownloadableAdmin
from sessions_plus.admin.filters import EventReasonFilter, TimeFilter, TopicFilter
from sessions_plus.admin.listing import SEARCH_HELP
from sessions_plus.admin.words import reason_in_words
from sessions_plus.models import SessionEvent


@admin.register(SessionEvent)
class SessionEventAdmin(DownloadableAdmin):
    people = ("user", "actor")
    uuid_field = "session_public_id"
    list_display = (
        "at",
        "event",
        "count",
        "outcome",
        "why",
        "user",
        "actor",
        "device",
        "ip_address",
    )
    list_filter = (TimeFilter, TopicFilter, "event", "outcome", EventReasonFilter)
    search_help_text = SEARCH_HELP
    downloaded = (
        *("at", "event", "count", "outcome", "reason", "user", "actor"),
        *("session_public_id", "device", "ip_address", "user_agent", "request_id"),
    )
    fields = (
        "at",
        "event",
        "count",
        "outcome",
        "why",
        "user",
        "actor",
        "session_public_id",
        "device",
        "ip_address",
        "user_agent",
        "request_id",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionEvent]:
        return super().get_queryset(request).select_related("device")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By time where a time is asked for: by key, all that is newer would be passed first."""
        return ("-at",) if TimeFilter.parameter_name in request.GET else ("-id",)

    @admin.display(description=_("reason"))
    def why(self, event: SessionEvent) -> str:
        return reason_in_words(event.reason)
