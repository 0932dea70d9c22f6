"""
django-impersonate: it leaves the session as it is, and puts another into ``request.user``.

    INSTALLED_APPS = [
        "sessions_plus",
        "impersonate",
        "sessions_plus.integrations.impersonate.ImpersonateIntegration",
    ]

Without this, too, nothing of one person's proof counts for another. This asks for what the
site asks of both before it begins, and writes down that it was.
"""

from __future__ import annotations

from django.apps import AppConfig
from django.db import models
from django.http import HttpRequest

from sessions_plus.mfa.methods import IMPERSONATED
from sessions_plus.named_types import UserId

OF_WHOM = ("_impersonate", "_impersonate_start", "_impersonate_prev_path")
"""Where it keeps in the session whom it shows."""


class ImpersonateIntegration(AppConfig):
    """Asks who acts for their proofs, and tells the other's activity of it."""

    name = "sessions_plus.integrations.impersonate"
    label = "sessions_plus_impersonate"
    verbose_name = "django-impersonate"

    def ready(self) -> None:
        from impersonate.signals import session_begin, session_end
        from impersonate.views import stop_impersonate

        from sessions_plus.decorators import mfa_exempt

        mfa_exempt(stop_impersonate)
        session_begin.connect(begin, dispatch_uid=f"{self.label}.begin")
        session_end.connect(end, dispatch_uid=f"{self.label}.end")


def begin(request: HttpRequest, impersonating: models.Model, **_: object) -> None:
    """
    Let whoever is signed in act as another, or stop it before it began.

    Raises:
        ActingForAnother, MfaRequired: see ``acting_as()``.
    """
    from sessions_plus.mfa.impersonation import check_may_act

    try:
        authority = check_may_act(request, impersonating)
    except Exception:
        for key in OF_WHOM:
            request.session.pop(key, None)
        raise
    _record("SESSION_STARTED", request, impersonating, authority.user_id)


def end(
    request: HttpRequest, impersonator: models.Model, impersonating: models.Model, **_: object
) -> None:
    """Write down that it is over."""
    _record("SESSION_SIGNED_OUT", request, impersonating, impersonator.pk)


def _record(event: str, request: HttpRequest, user: models.Model, actor_id: UserId) -> None:
    from sessions_plus.events import record
    from sessions_plus.models import Event

    client = getattr(request, "client_info", None)
    record(Event[event], user=user, actor_id=actor_id, reason=IMPERSONATED, client=client)
