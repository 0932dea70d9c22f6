"""
What an error report may show: Django's filter, which also knows what of ours is secret.

    DEFAULT_EXCEPTION_REPORTER_FILTER = "sessions_plus.error_reports.ExceptionReporterFilter"

It holds for the mail to ``ADMINS`` and, unlike Django's, for the page of ``DEBUG`` too: that
is photographed, shared and pasted more often than any mail.
"""

from __future__ import annotations

import re
from collections.abc import ItemsView
from types import FrameType

from django.conf import settings
from django.http import HttpRequest
from django.views.debug import SafeExceptionReporterFilter

from sessions_plus.cookies import device_cookie_name, trust_cookie_name

OUR_NAMES = frozenset(
    {"challenge", "code", "codes", "cookie", "cookies", "csrf_cookie", "refresh", "typed"}
)
"""Names that Django's expression (``KEY``, ``TOKEN``, ``PASS`` …) does not know."""

KEYS_PASS = ("django.contrib.sessions.",)
"""Modules in which a session key is called ``value``."""

TYPED_PASSES = ("django.forms.", "django.contrib.auth.forms")
"""Modules in which what was typed is called ``value``, ``context`` and the like."""

MAX_DEPTH = 3  # a dictionary may hold itself


class ExceptionReporterFilter(SafeExceptionReporterFilter):
    """
    Masks our cookies, what is named as a secret is, and how Django's forms call what was typed.

    The last only for requests to views that say ``sensitive_post_parameters``.
    """

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def cleanse_setting(self, key: str | int, value: object) -> object:
        """Mask one value by its name: of a setting, and of what django-debug-toolbar shows."""
        is_ours = isinstance(key, str) and (key in secret_cookies() or key.lower() in OUR_NAMES)
        return self.cleansed_substitute if is_ours else super().cleanse_setting(key, value)

    def get_safe_cookies(self, request: HttpRequest) -> dict[str, object]:
        return self._masked(super().get_safe_cookies(request), also=secret_cookies())

    def get_safe_request_meta(self, request: HttpRequest) -> dict[str, object]:
        return self._masked(super().get_safe_request_meta(request))

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, object]:
        return self._masked(super().get_post_parameters(request))

    def get_traceback_frame_variables(
        self, request: HttpRequest | None, tb_frame: FrameType
    ) -> ItemsView[str, object]:
        shown = dict(super().get_traceback_frame_variables(request, tb_frame))
        module = tb_frame.f_globals.get("__name__", "")
        is_sensitive = hasattr(request, "sensitive_post_parameters")
        if module.startswith(KEYS_PASS) or (is_sensitive and module.startswith(TYPED_PASSES)):
            shown = dict.fromkeys(shown, self.cleansed_substitute)
        return self._masked(shown).items()

    def _masked(
        self, shown: dict[str, object], *, also: frozenset[str] = frozenset(), depth: int = 0
    ) -> dict[str, object]:
        """Return it with the values masked that are named as secrets, in inner ones too."""
        masked = shown.copy()
        for name, value in shown.items():
            if name in also or is_named_as_secret(name, self.hidden_settings):
                masked[name] = self.cleansed_substitute
            elif (
                isinstance(value, dict)
                and all(isinstance(key, str) for key in value)
                and depth < MAX_DEPTH
            ):
                masked[name] = self._masked(value, depth=depth + 1)
        return masked


def is_named_as_secret(
    name: str, expression: re.Pattern[str] = SafeExceptionReporterFilter.hidden_settings
) -> bool:
    """Say whether what has this name is secret: by Django's expression, or one of ours."""
    return bool(expression.search(name)) or name.lower() in OUR_NAMES


def secret_cookies() -> frozenset[str]:
    """The cookies that sign somebody in, or let a browser pass for somebody's."""
    return frozenset(
        {
            settings.SESSION_COOKIE_NAME,
            settings.CSRF_COOKIE_NAME,
            device_cookie_name(),
            trust_cookie_name(),
        }
    )
