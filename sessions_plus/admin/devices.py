"""Devices: shown, and taken away from whoever holds them."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.filters import DeviceStateFilter
from sessions_plus.admin.listing import ReadOnlyAdmin
from sessions_plus.admin.revoking import may_revoke, revoke_these_devices, tell
from sessions_plus.models import Device


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
        return super().get_queryset(request).defer("token_hash", "trust_hash")

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
        return gettext("Trusted") if device.is_trusted(timezone.now()) else gettext("In use")
