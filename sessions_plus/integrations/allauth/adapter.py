"""
The adapter: ``ACCOUNT_ADAPTER = "sessions_plus.integrations.allauth.adapter.AccountAdapter"``.

A site with an adapter of its own puts ``SecondFactorMixin`` before allauth's class.
"""

from __future__ import annotations

from allauth.account.adapter import DefaultAccountAdapter
from django.db import models
from django.http import HttpRequest

from sessions_plus.decorators import is_reauthenticated
from sessions_plus.integrations.allauth.stage import STAGE, is_signed_in_by_stage


class SecondFactorMixin:
    """Asks for our second factor after the stages of allauth, and believes our proofs."""

    has_second_factor_stage = True
    request: HttpRequest

    def get_login_stages(self) -> list[str]:
        """Return allauth's stages, and ours after them."""
        stages: list[str] = super().get_login_stages()  # type: ignore[misc]  # the adapter's
        return [*stages, STAGE]

    def login(self, request: HttpRequest, user: models.Model) -> None:
        """Sign in, unless our stage did."""
        if not is_signed_in_by_stage(request, user):
            super().login(request, user)  # type: ignore[misc]  # the adapter's

    def is_reauthentication_required(self, *, app: str, **kwargs: object) -> bool:
        """Say whether to ask again: not who proved themselves to us a short while ago."""
        is_required: bool = super().is_reauthentication_required(  # type: ignore[misc]  # the adapter's
            app=app, **kwargs
        )
        return is_required and not is_reauthenticated(self.request, factors="all")


class AccountAdapter(SecondFactorMixin, DefaultAccountAdapter):
    """allauth's own adapter, with ``SecondFactorMixin``."""
