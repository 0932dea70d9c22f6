"""
django-hijack: whoever hijacks somebody acts as them, and comes back as who they were.

    INSTALLED_APPS = [
        "sessions_plus",
        "hijack",
        "sessions_plus.integrations.hijack.HijackIntegration",
    ]
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

from django.apps import AppConfig
from django.http import HttpRequest

from sessions_plus.named_types import AnyView


class HijackIntegration(AppConfig):
    """Tells our sessions what the two views of django-hijack do, those derived from them too."""

    name = "sessions_plus.integrations.hijack"
    label = "sessions_plus_hijack"
    verbose_name = "django-hijack"

    def ready(self) -> None:
        from hijack import views

        from sessions_plus.mfa.impersonation import acting_as, returning

        def as_other(
            view: Any,  # django-hijack has no types
            request: HttpRequest,
        ) -> AbstractContextManager[None]:
            return acting_as(request, view.get_object())

        def as_before(view: object, request: HttpRequest) -> AbstractContextManager[None]:
            return returning(request)

        # Its signals come too late: then the session of whoever acts has ended.
        views.AcquireUserView.post = _within(as_other, views.AcquireUserView.post)
        views.ReleaseUserView.post = _within(as_before, views.ReleaseUserView.post)


def _within(
    context: Callable[[object, HttpRequest], AbstractContextManager[None]], post: AnyView
) -> AnyView:
    @wraps(post)
    def posted(view: object, request: HttpRequest, *args: object, **kwargs: object) -> object:
        with context(view, request):
            return post(view, request, *args, **kwargs)

    return posted
