"""Sessions: found, shown and ended, one by one or all of a user."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.formats import date_format, time_format
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin import sign_in, users
from sessions_plus.admin.bulk import ask_about_sessions, ask_about_their_users
from sessions_plus.admin.downloads import DownloadableAdmin
from sessions_plus.admin.ending import EndableAdmin
from sessions_plus.admin.filters import (
    AuthMethodFilter,
    BoundFilter,
    LastActivityFilter,
    ReasonFilter,
    SessionStateFilter,
)
from sessions_plus.admin.links import aside, events_of_session, link_to, links
from sessions_plus.admin.listing import SEARCH_HELP
from sessions_plus.admin.questions import Question, asking
from sessions_plus.admin.revoking import (
    current_public_id,
    holds_own,
    may_revoke,
    owners,
    revoke_all_of,
    revoke_these,
    tell,
)
from sessions_plus.admin.words import reason_in_words
from sessions_plus.lifecycle.in_force import seems_live
from sessions_plus.models import Kind, Session
from sessions_plus.moments import in_local
from sessions_plus.templatetags.sessions_plus import methods_in_words

# Never fetched, so that nothing can show them.
SECRET_COLUMNS = ("data", "key_hash", "previous_key_hash", "sealed_successor")


@admin.register(Session)
class SessionAdmin(EndableAdmin, DownloadableAdmin):
    end_label = _("End this session")
    people = ("user", "actor", "revoked_by")
    narrowing = ("user", "device")
    list_display = ("state", "person", "on_device", "used", "where")
    list_display_links = ("state",)
    sortable_by = ("used",)
    downloaded = (
        *("public_id", "user", "actor", "kind", "device", "browser", "system", "ip_address"),
        *("location", "auth_methods", "created_at", "authenticated_at", "last_activity"),
        *("expire_date", "revoked_at", "revoked_reason", "revoked_by"),
    )
    list_filter = (
        *(SessionStateFilter, LastActivityFilter, "kind"),
        *(ReasonFilter, AuthMethodFilter, BoundFilter),
    )
    search_help_text = SEARCH_HELP
    actions = ("revoke_selected_sessions", "revoke_sessions_of_users")
    fields = (
        "state",
        "person",
        "belonging",
        "public_id",
        "kind",
        "device_label",
        "agent_label",
        "user_agent",
        "ip_address",
        "location",
        "created_at",
        "authenticated_at",
        "reauthenticated_at",
        "methods",
        "last_activity",
        "expire_date",
        "is_bound",
        "rotated_at",
        "revoked_at",
        "revoked_by",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Session]:
        # Not joined: for a short page PostgreSQL may read the whole table of devices.
        rows = super().get_queryset(request).prefetch_related("device")
        return rows.defer(*SECRET_COLUMNS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return may_revoke(request)

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Deleting ends a session too, so it takes both permissions."""
        may_delete = admin.ModelAdmin.has_delete_permission(self, request, obj)
        return may_delete and may_revoke(request)

    def delete_model(self, request: HttpRequest, obj: Session) -> None:
        self.delete_queryset(request, self.get_queryset(request).filter(pk=obj.pk))

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        """End them first, so that the events tell who did it."""
        revoke_these(request, queryset.exclude(user=None))
        queryset.delete()

    @admin.display(description=_("user"))
    def person(self, session: Session) -> str:
        if session.user is None:
            return gettext("Nobody signed in")
        user = link_to(self.admin_site, session.user)
        if session.actor_id is None:
            return user
        acted = gettext("acted for by %(actor)s") % {"actor": session.actor}
        return format_html("{}{}", user, aside(acted))

    @admin.display(description=_("device"))
    def device_label(self, session: Session) -> str:
        if session.device is None:
            return session.agent_label
        return link_to(self.admin_site, session.device, session.device.label)

    @admin.display(description=_("device"))
    def on_device(self, session: Session) -> str:
        kind = session.get_kind_display() if session.kind != Kind.BROWSER else ""
        return format_html("{}{}", self.device_label(session), aside(kind))

    @admin.display(description=_("last activity"), ordering="last_activity")
    def used(self, session: Session) -> str:
        at = in_local(session.last_activity)
        return format_html("{}{}", date_format(at), aside(time_format(at)))

    @admin.display(description=_("place"))
    def where(self, session: Session) -> str:
        return format_html("{}{}", session.ip_address or "–", aside(session.location))

    @admin.display(description=_("browser and system"))
    def agent_label(self, session: Session) -> str:
        return session.agent_label

    @admin.display(description=_("sign-in method"))
    def methods(self, session: Session) -> str:
        return methods_in_words(session.auth_methods) or self.get_empty_value_display()

    @admin.display(description=_("state"))
    def state(self, session: Session) -> str:
        if session.revoked_at is not None:
            reason = reason_in_words(session.revoked_reason)
            return gettext("Ended: %(reason)s") % {"reason": reason}
        return gettext("Active") if seems_live(session, now=timezone.now()) else gettext("Expired")

    @admin.display(description=_("bound to its device"), boolean=True)
    def is_bound(self, session: Session) -> bool:
        return session.is_bound

    @admin.display(description=_("see also"))
    def belonging(self, session: Session) -> str:
        found: list[tuple[str | None, object]] = [
            (events_of_session(self.admin_site, session), gettext("Events of this session"))
        ]
        if session.user_id is not None:
            found += users.links_of(self.admin_site, session.user_id)
        return links(*found)

    def why_not(self, request: HttpRequest, session: Session) -> str | None:
        if session.revoked_at is not None:
            return gettext("This session has ended already.")
        if session.public_id == current_public_id(request):
            return gettext("This is your own session. To end it, log out.")
        return None

    def question(self, session: Session) -> Question:
        facts = {"user": session.user or "–", "device": session.label}
        return Question(
            title=gettext("End this session?"),
            text=gettext("%(user)s will be signed out of %(device)s at once.") % facts,
            button=gettext("End this session"),
        )

    def end(self, request: HttpRequest, session: Session) -> None:
        tell(request, revoke_these(request, Session.objects.filter(pk=session.pk)))

    @admin.action(description=_("End the selected sessions"), permissions=["revoke"])
    @asking(ask_about_sessions)
    def revoke_selected_sessions(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        spared = holds_own(request, queryset)
        tell(request, revoke_these(request, queryset), spared=spared)

    @admin.action(description=_("End all sessions of these users"), permissions=["revoke"])
    @asking(ask_about_their_users)
    def revoke_sessions_of_users(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        user_ids = owners(queryset)
        spared = request.user.pk in user_ids
        tell(request, revoke_all_of(request, user_ids), spared=spared)

    def get_urls(self) -> list[URLPattern]:
        # All models are registered by the time that a site is asked for its URLs, in
        # whatever order the apps came.
        users.add_to_users(self.admin_site)
        sign_in.offer_passkeys(self.admin_site)
        return [*users.urls(self.admin_site), *super().get_urls()]
