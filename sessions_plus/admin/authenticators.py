"""Second factors: shown without their secrets, and removed for whoever lost theirs."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db import router
from django.db.models import QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.listing import COUNTED_ROWS, ReadOnlyAdmin
from sessions_plus.admin.revoking import facts_of, tell
from sessions_plus.decorators import is_reauthenticated
from sessions_plus.exceptions import ReauthenticationRequired
from sessions_plus.lifecycle import Revocation
from sessions_plus.mfa import gate
from sessions_plus.mfa.enrolment import remove_all
from sessions_plus.mfa.passkeys.only_factor import has_given_up_password
from sessions_plus.models import Authenticator

PERMISSION = "sessions_plus.remove_any_authenticator"


@admin.register(Authenticator)
class AuthenticatorAdmin(ReadOnlyAdmin):
    ip_address_field = ""
    list_display = ("user", "label", "kind", "confirmed_at", "last_used_at", "state")
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
    def remove_second_factor(
        self, request: HttpRequest, queryset: QuerySet[Authenticator]
    ) -> HttpResponseBase | None:
        """
        Take away all factors of whoever the chosen ones belong to, and end their sessions.

        After a fresh proof of all of one's own factors. One's own are changed on the
        security page, where they are asked for. Who has given up their password keeps their
        passkeys until they have one again: they could not sign in.
        """
        if not is_reauthenticated(request, factors="all"):
            return self._prove_first(request)
        chosen = queryset.order_by("-pk").values_list("user_id", flat=True)[:COUNTED_ROWS]
        owners = set(chosen) - {request.user.pk}
        revocation = Revocation(0)
        count = kept = 0
        for user in self._people(owners):
            if has_given_up_password(user):
                kept += 1
                continue
            _removed, ended = remove_all(user, now=timezone.now(), **facts_of(request))
            revocation += ended
            count += 1
        text = ngettext(
            "The second factor of %(count)d person was removed. They are told of it.",
            "The second factors of %(count)d people were removed. They are told of it.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.INFO)
        if kept:
            self._say_who_kept_theirs(request, kept)
        tell(request, revocation)
        return None

    def _say_who_kept_theirs(self, request: HttpRequest, count: int) -> None:
        text = ngettext(
            "%(count)d person signs in with passkeys only, and kept them. Give them a password "
            "first.",
            "%(count)d people sign in with passkeys only, and kept them. Give them a password "
            "first.",
            count,
        )
        self.message_user(request, text % {"count": count}, messages.WARNING)

    def _prove_first(self, request: HttpRequest) -> HttpResponseBase | None:
        try:
            return gate.refuse(request, ReauthenticationRequired("all"))
        except NoReverseMatch:
            text = gettext("Please sign out and in again first.")
            self.message_user(request, text, messages.ERROR)
            return None

    def _people(self, keys: set[Any]) -> QuerySet[Any]:
        model = get_user_model()
        people = model._base_manager.using(router.db_for_read(model))
        return people.filter(pk__in=keys).order_by("pk")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(PERMISSION)

    @admin.display(description=_("name"))
    def label(self, authenticator: Authenticator) -> str:
        return authenticator.label

    @admin.display(description=_("state"))
    def state(self, authenticator: Authenticator) -> str:
        return gettext("In use") if authenticator.disabled_at is None else gettext("Disabled")
