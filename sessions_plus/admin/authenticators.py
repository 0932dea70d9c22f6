"""Second factors: shown without their secrets, and removed for whoever lost theirs."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.bulk import ask_about_factors
from sessions_plus.admin.listing import ReadOnlyAdmin
from sessions_plus.admin.questions import asking
from sessions_plus.admin.resetting import may_reset, proving, reset_factors_of
from sessions_plus.admin.revoking import owners
from sessions_plus.models import Authenticator


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    ip_address_field = ""
    list_display = ("user", "state", "label", "kind", "last_used_at")
    list_filter = ("kind",)
    search_help_text = _("The beginning of a user name, a whole e-mail address, or a public id.")
    actions = ("remove_second_factor",)
    fields = (
        "public_id",
        "user",
        "label",
        "kind",
        "created_at",
        "confirmed_at",
        "last_used_at",
        "state",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Authenticator]:
        # Secrets and keys are not even read.
        rows = super().get_queryset(request).exclude(confirmed_at=None)
        return rows.defer("sealed_secret", "sealed_public_key", "user_handle", "credential_id")

    @admin.action(description=_("Remove the second factor of these people"), permissions=["remove"])
    @proving
    @asking(ask_about_factors)
    def remove_second_factor(self, request: HttpRequest, queryset: QuerySet[Authenticator]) -> None:
        """
        Take away all factors of whoever the chosen ones belong to, and end their sessions.

        After a fresh proof of all of one's own factors. One's own are changed on the
        security page, where they are asked for. Who has given up their password keeps their
        passkeys until they have one again: they could not sign in.
        """
        reset_factors_of(request, owners(queryset))

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return may_reset(request)

    @admin.display(description=_("name"))
    def label(self, authenticator: Authenticator) -> str:
        return authenticator.label

    @admin.display(description=_("state"))
    def state(self, authenticator: Authenticator) -> str:
        return gettext("In use") if authenticator.disabled_at is None else gettext("Disabled")
