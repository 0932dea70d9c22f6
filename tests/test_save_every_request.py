"""``SESSION_SAVE_EVERY_REQUEST``: a session that lives is saved, and nothing else is made of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.keys import new_public_id, new_token
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visitor(engine: str, world: World, user: User, settings: Any) -> Browser:
    caches["default"].clear()
    settings.SESSION_SAVE_EVERY_REQUEST = True
    return Browser(world)


def of_no_session(visitor: Browser) -> None:
    visitor.key = new_token(new_public_id())


def made_up(visitor: Browser) -> None:
    visitor.key = "A" * 76


def revoked(visitor: Browser) -> None:
    visitor.get("sign-in", name="ann")
    revoke(Session.objects.get())


def of_a_row_that_is_gone(visitor: Browser) -> None:
    visitor.get("write")
    Session.objects.all().delete()


DEAD = [of_no_session, made_up, revoked, of_a_row_that_is_gone]


@pytest.mark.parametrize("page", ["nothing", "read"])
@pytest.mark.parametrize("come_with", DEAD, ids=lambda act: act.__name__)
def test_dead_key_is_a_strangers(
    visitor: Browser, come_with: Callable[[Browser], None], page: str
) -> None:
    """A key that opens nothing makes no error and no row, and its cookie is taken back."""
    come_with(visitor)
    before = Session.objects.count()

    response = visitor.get(page)

    assert response.status_code == 200
    assert Session.objects.count() == before
    assert not visitor.has_key


def test_stranger_gets_nothing(visitor: Browser) -> None:
    """Whoever has no session gets neither a row nor a cookie."""
    visitor.get("nothing")

    assert not visitor.has_key
    assert not Session.objects.exists()


def test_live_session_is_saved(visitor: Browser) -> None:
    """A session is saved with each request, also by a view that ignores it, and goes on."""
    visitor.get("sign-in", name="ann")
    visitor.get("write", color="blue")
    before = Session.objects.get().version

    assert visitor.get("nothing").status_code == 200

    assert Session.objects.get().version > before
    assert (visitor.text("who"), visitor.text("read")) == ("ann", "blue")


def test_anonymous_cookie_is_renewed(visitor: Browser) -> None:
    """As Django does, each response prolongs the cookie of a session that slides."""
    visitor.get("write")

    assert int(visitor.get("nothing").cookies["sessionid"]["max-age"]) > 0
