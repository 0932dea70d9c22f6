"""The audit trail: to be read, by nobody to be changed."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.downloads import DownloadableAdmin
from sessions_plus.admin.filters import EventReasonFilter, TimeFilter, TopicFilter
from sessions_plus.admin.links import aside, link, link_to, list_url
from sessions_plus.admin.listing import SEARCH_HELP
from sessions_plus.admin.words import event_in_words
from sessions_plus.models import Outcome, Session, SessionEvent


@admin.register(SessionEvent)
class SessionEventAdmin(DownloadableAdmin):
    people = ("user", "actor")
    uuid_field = "session_public_id"
    narrowing = ("user", "at")
    list_display = ("at", "what", "person", "device_label", "ip_address")
    list_display_links = ("at",)
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
        "session",
        "device",
        "ip_address",
        "user_agent",
        "request_id",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[SessionEvent]:
        # Not joined: for a short page PostgreSQL may read the whole table of devices.
        return super().get_queryset(request).prefetch_related("device")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """By time where a time is asked for: by key, all that is newer would be passed first."""
        return ("-at",) if TimeFilter.parameter_name in request.GET else ("-id",)

    @admin.display(description=_("event"))
    def what(self, event: SessionEvent) -> str:
        """What happened, whether it failed, why, and how often."""
        failed = event.outcome == Outcome.FAILURE
        return format_html(
            '<span class="{}">{}</span>{}{}',
            "sessions-plus-failed" if failed else "",
            event.get_event_display(),
            f" ×{event.count}" if event.count > 1 else "",
            aside(self.why(event)),
        )

    @admin.display(description=_("user"))
    def person(self, event: SessionEvent) -> str:
        user = link_to(self.admin_site, event.user) if event.user is not None else "–"
        if event.actor is None or event.actor_id == event.user_id:
            return user
        return format_html("{}{}", user, aside(gettext("by %(actor)s") % {"actor": event.actor}))

    @admin.display(description=_("device"))
    def device_label(self, event: SessionEvent) -> str:
        return link_to(self.admin_site, event.device) if event.device is not None else "–"

    @admin.display(description=_("reason"))
    def why(self, event: SessionEvent) -> str:
        return event_in_words(event.event, event.reason)

    @admin.display(description=_("session"))
    def session(self, event: SessionEvent) -> str:
        public_id = event.session_public_id
        if public_id is None:
            return self.get_empty_value_display()
        found = list_url(self.admin_site, Session, q=public_id)
        return link(found, public_id)
