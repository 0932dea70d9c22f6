"""How a visitor likes the shop: theme, currency and language, kept in the session."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.http import HttpRequest
from django.utils import translation
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext_lazy as _

KEY = "preferences"

THEMES = {"auto": _("As the device"), "light": _("Light"), "dark": _("Dark")}
CURRENCIES = {"EUR": _("Euro"), "GBP": _("Pound sterling"), "USD": _("US dollar")}


@dataclass(frozen=True, slots=True)
class Preferences:
    """``language`` is empty where none was chosen: then the browser's own is taken."""

    theme: str = "auto"
    currency: str = "EUR"
    language: str = ""

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Preferences:
        """Read what a session holds; whatever is no longer on offer is as if not chosen."""
        offered: dict[str, Collection[str]] = {
            "theme": THEMES,
            "currency": CURRENCIES,
            "language": dict(settings.LANGUAGES),
        }
        return cls(**{name: stored[name] for name in offered if stored.get(name) in offered[name]})

    def keep_in(self, session: SessionBase) -> None:
        session[KEY] = asdict(self)


@sync_and_async_middleware
def apply_preferences(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Put the visitor's preferences on the request, and speak their language."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> Any:
            with _language_of(request, await request.session.aget(KEY, {})):
                return await get_response(request)

        return answer_async

    def answer(request: HttpRequest) -> Any:
        with _language_of(request, request.session.get(KEY, {})):
            return get_response(request)

    return answer


def _language_of(request: HttpRequest, stored: Mapping[str, Any]) -> translation.override:
    preferences = Preferences.read(stored)
    request.preferences = preferences  # type: ignore[attr-defined]
    return translation.override(
        preferences.language or translation.get_language_from_request(request)
    )
