"""
django-allauth: one sign-in, whichever of the two keeps somebody's second factor.

``INSTALLED_APPS`` names ``AllauthIntegration``, and ``ACCOUNT_ADAPTER`` the adapter.
"""

from __future__ import annotations

from collections.abc import Collection

from django.apps import apps
from django.db import models
from django.http import HttpRequest, HttpResponse

from sessions_plus.mfa.elsewhere import FactorKeeper, address_of


class AllauthIntegration(FactorKeeper):
    """
    Lets a factor that ``allauth.mfa`` asked for count here, and nobody sign in past it.

    A proof that allauth asks for again inside a session is one for us, too.
    """

    name = "sessions_plus.integrations.allauth"
    label = "sessions_plus_allauth"
    verbose_name = "django-allauth"

    def ready(self) -> None:
        from allauth.account.signals import authentication_step_completed

        from sessions_plus.integrations.allauth.proofs import note_proof

        authentication_step_completed.connect(note_proof, dispatch_uid=f"{self.label}.proof")

    def has_factor(self, user: models.Model) -> bool:
        """See ``FactorKeeper.has_factor()``."""
        if not apps.is_installed("allauth.mfa"):
            return False
        from sessions_plus.integrations.allauth.proofs import is_asked_for_factor

        return is_asked_for_factor(user)

    def proved_before(self, user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
        """See ``FactorKeeper.proved_before()``."""
        if not apps.is_installed("allauth.mfa"):
            return ()
        from sessions_plus.integrations.allauth.proofs import proved_before

        return proved_before(user, factors)

    def resume(self, request: HttpRequest, user: models.Model) -> HttpResponse | None:
        """See ``FactorKeeper.resume()``."""
        from sessions_plus.integrations.allauth.stage import resume

        return resume(request, user)

    def page_url(self) -> str:
        """See ``FactorKeeper.page_url()``."""
        return address_of("mfa_index")
