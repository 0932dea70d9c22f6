"""
The request that is being served, for code that nobody handed it to.

A password may be changed by any code of the site; which session goes on, and which
address a mail may link to, is known from the request under way.
"""

from __future__ import annotations

from contextvars import ContextVar

from django.http import HttpRequest

_request: ContextVar[HttpRequest | None] = ContextVar("sessions_plus_request", default=None)

enter = _request.set
"""Begin serving a request; returns what ``leave`` wants."""

leave = _request.reset


def current_request() -> HttpRequest | None:
    """Return the request under way in this thread or task, or None."""
    return _request.get()
