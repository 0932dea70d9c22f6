"""Devices: shown, and taken away from whoever holds them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext, pgettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.filters import DeviceStateFilter
from sessions_plus.admin.listing import ReadOnlyAdmin
from sessions_plus.admin.revoking import may_revoke, revoke_these_devices, tell
from sessions_plus.lifecycle.in_force import goes_on
from sessions_plus.models import Device, Session


@admin.register(Device)
class DeviceAdmin(ReadOnlyAdmin):
    ip_address_field = ""
    list_display = ("device_label", "user", "agent_kind", "first_seen_at", "last_seen_at", "state")
    list_filter = (DeviceStateFilter, "agent_kind")
    search_help_text = _("The beginning of a user name, a whole e-mail address, or a public id.")
    actions = ("revoke_selected_devices",)
    fields = (
        "public_id",
        "user",
        "device_label",
        "agent_kind",
        "user_agent",
        "first_seen_at",
        "last_seen_at",
        "trusted_until",
        "state",
        "revoked_at",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Device]:
        live = goes_on(Session.objects.filter(device=OuterRef("pk")), now=timezone.now())
        devices = super().get_queryset(request).defer("token_hash", "trust_hash")
        found: QuerySet[Device] = devices.annotate(is_in_use=Exists(live))
        return found

    @admin.action(description=_("Remove the selected devices"), permissions=["revoke"])
    def revoke_selected_devices(self, request: HttpRequest, queryset: QuerySet[Device]) -> None:
        """Remove them, end their sessions, and say how many of each."""
        count, revocation = revoke_these_devices(request, queryset)
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
        if device.is_trusted(timezone.now()):
            return gettext("Trusted")
        in_use = getattr(device, "is_in_use", False)
        return gettext("In use") if in_use else pgettext("state", "Signed out")
