"""Devices: shown, and taken away from whoever holds them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db import models
from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.bulk import ask_about_devices
from sessions_plus.admin.downloads import DownloadableAdmin
from sessions_plus.admin.ending import EndableAdmin
from sessions_plus.admin.filters import DeviceStateFilter, LastSignInFilter
from sessions_plus.admin.links import events_of_device, link_to, links, sessions_of_device
from sessions_plus.admin.questions import Question, asking
from sessions_plus.admin.revoking import (
    current_device_id,
    may_revoke,
    revoke_these_devices,
    tell,
)
from sessions_plus.lifecycle.in_force import goes_on
from sessions_plus.models import Device, Session


@admin.register(Device)
class DeviceAdmin(EndableAdmin, DownloadableAdmin):
    end_label = _("Remove this device")
    ip_address_field = ""
    list_display = ("state", "person", "device_label", "last_seen_at")
    list_display_links = ("state", "device_label")
    sortable_by = ("last_seen_at",)
    list_filter = (DeviceStateFilter, LastSignInFilter, "agent_kind")
    downloaded = (
        *("public_id", "user", "label", "agent_kind", "browser", "system"),
        *("first_seen_at", "last_seen_at", "trusted_until", "revoked_at"),
    )
    search_help_text = _("The beginning of a user name, a whole e-mail address, or a public id.")
    actions = ("revoke_selected_devices",)
    fields = (
        "state",
        "person",
        "device_label",
        "belonging",
        "public_id",
        "agent_kind",
        "user_agent",
        "first_seen_at",
        "last_seen_at",
        "trusted_until",
        "revoked_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        live = goes_on(Session.objects.all(), now=timezone.now())
        seen = Prefetch("sessions", live.only("pk", "device"), to_attr="live_sessions")
        devices = super().get_queryset(request).defer("token_hash", "trust_hash")
        return devices.prefetch_related(seen)

    @admin.action(description=_("Remove the selected devices"), permissions=["revoke"])
    @asking(ask_about_devices)
    def revoke_selected_devices(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        self._remove(request, queryset)

    def _remove(self, request: HttpRequest, devices: QuerySet[Device]) -> None:
        """Remove them, end their sessions, and say how many of each."""
        count, revocation = revoke_these_devices(request, devices)
        removed = ngettext(
            "%(count)d device was removed.", "%(count)d devices were removed.", count
        )
        self.message_user(request, removed % {"count": count}, messages.INFO)
        tell(request, revocation)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return may_revoke(request)

    @admin.display(description=_("device"))
    def device_label(self, device: Device) -> str:
        return device.label

    @admin.display(description=_("state"))
    def state(self, device: Device) -> str:
        if device.revoked_at is not None:
            return gettext("Revoked")
        in_use = bool(getattr(device, "live_sessions", ()))
        words = [gettext("In use") if in_use else pgettext("state", "Signed out")]
        if device.is_trusted(timezone.now()):
            words.append(gettext("trusted"))
        return ", ".join(words)

    @admin.display(description=_("user"))
    def person(self, device: Device) -> str:
        user: models.Model | None = device.user  # None: gone
        return link_to(self.admin_site, user) if user is not None else "–"

    @admin.display(description=_("see also"))
    def belonging(self, device: Device) -> str:
        site = self.admin_site
        return links(
            (sessions_of_device(site, device), gettext("Sessions on this device")),
            (events_of_device(site, device), gettext("Events of this device")),
        )

    def why_not(self, request: HttpRequest, device: Device) -> str | None:
        if device.revoked_at is not None:
            return gettext("This device was removed already.")
        if device.pk == current_device_id(request):
            return gettext("You work on this device. It stays.")
        return None

    def question(self, device: Device) -> Question:
        user: models.Model | None = device.user
        facts = {"user": user or "–", "device": device.label}
        return Question(
            title=gettext("Remove this device?"),
            text=gettext(
                "%(user)s will be signed out of %(device)s at once. It is trusted no more, and a "
                "new device at the next sign-in."
            )
            % facts,
            button=gettext("Remove this device"),
        )

    def end(self, request: HttpRequest, device: Device) -> None:
        self._remove(request, Device.objects.filter(pk=device.pk))
