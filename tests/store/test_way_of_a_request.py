"""The document's picture of a request's way: these functions are called, in this order."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from sessions_plus.middleware import SessionMiddleware
from sessions_plus.models import Session
from tests.store.test_cost import calls, key  # noqa: F401 - a fixture
from tests.test_architecture import pictures

pytestmark = pytest.mark.django_db(transaction=True)


def drawn(way: str) -> list[str]:
    """Return the functions of one way, as they are drawn."""
    lines = [line.split() for line in pictures()[2] if line.strip()]
    return [words[1] for words in lines if words[0] == way]


def called(key: str) -> list[str]:  # noqa: F811
    """Return what of ours is called for a request whose view reads its session."""

    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(request.session.get("color"))

    middleware: Any = SessionMiddleware(view)
    request = RequestFactory().get("/")
    request.COOKIES["sessionid"] = key
    return calls(lambda: middleware(request))


def is_in_order(steps: list[str], found: list[str]) -> bool:
    rest = iter(found)
    return all(step in rest for step in steps)


def test_most_requests(key: str) -> None:  # noqa: F811
    """They end at the fast path, and call none of what decides with the database."""
    found = called(key)

    assert is_in_order(drawn("fast"), found)
    assert not (set(drawn("due")) - set(drawn("fast"))) & set(found)


def test_when_something_is_due(key: str) -> None:  # noqa: F811
    """The row decides, and what follows is drawn in order."""
    past = timezone.now() - timedelta(minutes=5)
    Session.objects.update(last_activity=past)
    caches["default"].clear()

    assert is_in_order(drawn("due"), called(key))
