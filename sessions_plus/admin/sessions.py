"""Sessions: found, shown and ended, one by one or all of a user."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import URLPattern
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin import sign_in, users
from sessions_plus.admin.downloads import DownloadableAdmin
from sessions_plus.admin.filters import (
    AuthMethodFilter,
    BoundFilter,
    ReasonFilter,
    SessionStateFilter,
)
from sessions_plus.admin.listing import COUNTED_ROWS, SEARCH_HELP
from sessions_plus.admin.revoking import (
    holds_own,
    may_revoke,
    revoke_all_of,
    revoke_these,
    tell,
)
from sessions_plus.admin.words import reason_in_words
from sessions_plus.lifecycle.in_force import seems_live
from sessions_plus.models import Session
from sessions_plus.templatetags.sessions_plus import methods_in_words

# Never fetched, so that nothing can show them.
SECRET_COLUMNS = ("data", "key_hash", "previous_key_hash", "sealed_successor")


@admin.register(Session)
class SessionAdmin(DownloadableAdmin):
    people = ("user", "actor", "revoked_by")
    list_display = (
        "person",
        "state",
        "device_label",
        "last_activity",
        "ip_address",
        "location",
        "kind",
    )
    downloaded = (
        *("public_id", "user", "actor", "kind", "device", "browser", "system", "ip_address"),
        *("location", "auth_methods", "created_at", "authenticated_at", "last_activity"),
        *("expire_date", "revoked_at", "revoked_reason", "revoked_by"),
    )
    list_filter = (SessionStateFilter, "kind", ReasonFilter, AuthMethodFilter, BoundFilter)
    search_help_text = SEARCH_HELP
    actions = ("revoke_selected_sessions", "revoke_sessions_of_users")
    fields = (
        "public_id",
        "person",
        "actor",
        "sessions_of_person",
        "kind",
        "state",
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
        return super().get_queryset(request).select_related("device").defer(*SECRET_COLUMNS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return may_revoke(request)

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
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
        if session.actor_id is not None:
            people = {"user": session.user, "actor": session.actor}
            return gettext("%(user)s, acted for by %(actor)s") % people
        return str(session.user) if session.user else gettext("Nobody signed in")

    @admin.display(description=_("device"))
    def device_label(self, session: Session) -> str:
        return session.device.label if session.device else session.agent_label

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

    @admin.display(description=_("their sessions"))
    def sessions_of_person(self, session: Session) -> str:
        if session.user_id is None:
            return self.get_empty_value_display()
        url = users.list_url(self.admin_site, session.user_id)
        return format_html('<a href="{}">{}</a>', url, gettext("All sessions of this user"))

    @admin.action(description=_("End the selected sessions"), permissions=["revoke"])
    def revoke_selected_sessions(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        spared = holds_own(request, queryset)
        tell(request, revoke_these(request, queryset), spared=spared)

    @admin.action(description=_("End all sessions of these users"), permissions=["revoke"])
    def revoke_sessions_of_users(self, request: HttpRequest, queryset: QuerySet[Session]) -> None:
        known = queryset.prefetch_related(None).exclude(user=None).order_by("-pk")
        user_ids: set[Any] = set(known.values_list("user_id", flat=True)[:COUNTED_ROWS])
        spared = request.user.pk in user_ids
        tell(request, revoke_all_of(request, user_ids), spared=spared)

    def get_urls(self) -> list[URLPattern]:
        # All models are registered by the time that a site is asked for its URLs, in
        # whatever order the apps came.
        users.show_sessions_in_user_pages(self.admin_site)
        sign_in.offer_passkeys(self.admin_site)
        return [*users.urls(self.admin_site), *super().get_urls()]
