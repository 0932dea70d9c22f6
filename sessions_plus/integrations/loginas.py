"""
django-loginas: whoever logs in as somebody acts as them, and comes back as who they were.

    INSTALLED_APPS = [
        "sessions_plus",
        "loginas",
        "sessions_plus.integrations.loginas.LoginasIntegration",
    ]
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.apps import AppConfig
from django.http import HttpRequest

from sessions_plus.named_types import SiteUser


class LoginasIntegration(AppConfig):
    """Tells our sessions what ``login_as()`` and ``restore_original_login()`` do."""

    name = "sessions_plus.integrations.loginas"
    label = "sessions_plus_loginas"
    verbose_name = "django-loginas"

    def ready(self) -> None:
        from loginas import utils, views

        # It sends no signal of its own.
        utils.login = login
        restore = _restoring(utils.restore_original_login)
        utils.restore_original_login = views.restore_original_login = restore


def login(request: HttpRequest, user: SiteUser, *args: Any, **kwargs: Any) -> None:  # as Django's
    """Sign in as another. On the way back nobody is signed in: then it is a sign-in like any."""
    from django.contrib.auth import login as djangos_login

    from sessions_plus.authority import authority_of
    from sessions_plus.mfa.impersonation import acting_as

    if authority_of(request) is None:
        djangos_login(request, user, *args, **kwargs)
        return
    with acting_as(request, user):
        djangos_login(request, user, *args, **kwargs)


def _restoring(restore: Callable[[HttpRequest], None]) -> Callable[[HttpRequest], None]:
    from sessions_plus.mfa.impersonation import returning

    @wraps(restore)
    def restored(request: HttpRequest) -> None:
        with returning(request):
            restore(request)

    return restored
