"""A view whose transaction is rolled back: its session is stored all the same, its key not kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.urls import path

from tests.conftest import World, people
from tests.support import sites
from tests.support.browsers import Browser
from tests.support.stores import stored, under_way, user_id_under

pytestmark = [
    pytest.mark.urls(__name__),
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("engine"),
]


def signs_in(request: HttpRequest) -> None:
    login(request, people().get(username="ann"), backend=sites.BACKEND)


def signs_in_and_saves(request: HttpRequest) -> None:
    signs_in(request)
    request.session.save()


def changes_the_key(request: HttpRequest) -> None:
    request.session.cycle_key()
    request.session["size"] = "large"


def saves(request: HttpRequest) -> None:
    request.session["size"] = "large"
    request.session.save()


def rolled_back(act: Callable[[HttpRequest], None]) -> Callable[[HttpRequest], HttpResponse]:
    """Make a view that does ``act``, and takes back what it did to the database."""

    def view(request: HttpRequest) -> HttpResponse:
        with transaction.atomic():
            act(request)
            transaction.set_rollback(True)
        return HttpResponse("refused", status=400)

    return view


ACTS = [signs_in, signs_in_and_saves, changes_the_key, saves]

urlpatterns = [
    *sites.urlpatterns,
    *[path(f"sync/{act.__name__}/", rolled_back(act)) for act in ACTS],
    *[path(f"async/{act.__name__}/", sync_to_async(rolled_back(act))) for act in ACTS],
]


@pytest.fixture
def visitor(world: World) -> Browser:
    """Somebody with an anonymous session."""
    caches["default"].clear()
    visitor = Browser(world)
    visitor.get("write", color="blue")
    return visitor


@pytest.mark.parametrize("act", [signs_in, signs_in_and_saves], ids=lambda act: act.__name__)
def test_sign_in_leaves_the_old_key_behind(visitor: Browser, user: User, act: Any) -> None:
    """Whoever knew the key before a sign-in that was rolled back stays a stranger."""
    before = visitor.key

    visitor.get(act.__name__)

    assert user_id_under(before) is None
    assert visitor.key != before
    assert visitor.text("who") == "ann"


def test_new_key_is_made_again(visitor: Browser) -> None:
    """A key that a request changed is changed, though the first change was rolled back."""
    before = visitor.key

    visitor.get("changes_the_key")

    assert visitor.key != before
    assert under_way(visitor.key)["size"] == "large"
    assert under_way(before).get("size") is None


def test_saved_changes_are_saved_again(visitor: Browser) -> None:
    """What a view saved itself is stored, though that save was rolled back."""
    visitor.get("saves")

    assert dict(under_way(visitor.key).items()) == {"color": "blue", "size": "large"}


def test_another_write_meanwhile_is_kept(world: World) -> None:
    """A rolled-back save is not mistaken for another request's: both requests' changes stay."""
    key = stored(color="blue")
    mine = under_way(key)
    mine["mine"] = 1
    with transaction.atomic():
        world(mine, "save")
        transaction.set_rollback(True)
    other = under_way(key)
    other["other"] = 1
    other.save()

    mine["more"] = 1
    world(mine, "save")

    assert dict(under_way(key).items()) == {"color": "blue", "mine": 1, "more": 1, "other": 1}


def test_rollback_to_a_savepoint_is_noticed(world: World) -> None:
    """A save that only an inner block took back is made up for by the outer one's."""
    mine = under_way(stored(color="blue"))

    with transaction.atomic():
        with transaction.atomic():
            mine["size"] = "large"
            world(mine, "save")
            transaction.set_rollback(True)
        mine["weight"] = "light"
        world(mine, "save")

    found = dict(under_way(mine.session_key).items())
    assert found == {"color": "blue", "size": "large", "weight": "light"}
