"""What people are told after an act, on the page they come to next."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext as _

from sessions_plus.lifecycle import Revocation


def tell(request: HttpRequest, text: str | Promise, *, level: int = messages.SUCCESS) -> None:
    """Say it on the next page. A site without Django's messages works the same, silently."""
    messages.add_message(request, level, str(text), fail_silently=True)


def tell_if_late(request: HttpRequest, revocation: Revocation) -> None:
    """Be honest where the cache could not be told, so that it takes a moment."""
    if not revocation.cache_reached:
        text = _("It may take a minute until this takes effect everywhere.")
        tell(request, text, level=messages.WARNING)
