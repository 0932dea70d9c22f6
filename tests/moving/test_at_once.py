"""Tabs that open together, views that are undone, and sessions that are ended meanwhile."""

from __future__ import annotations

import asyncio
from concurrent.futures import wait

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient
from django.urls import include, path

from sessions_plus.lifecycle import revoke_all, revoke_everybody
from sessions_plus.models import AdoptedKey, Device, Reason, Session
from sessions_plus.moving.adoption import Move
from sessions_plus.store import adoption
from sessions_plus.store import old_engine as old_engine_module
from tests.conftest import World
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DIAGONAL, old_session
from tests.support.pauses import Pause, in_thread

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

TABS = 8


def undone(request: HttpRequest) -> HttpResponse:
    """What Django REST framework does with a request that it refuses."""
    with transaction.atomic():
        request.session["color"] = "undone"
        answer = HttpResponse(str(request.user), status=400)
        transaction.set_rollback(True)
    return answer


async def aundone(request: HttpRequest) -> HttpResponse:
    def act() -> HttpResponse:
        return undone(request)

    return await sync_to_async(act)()


urlpatterns = [
    path("sync/undone/", undone),
    path("async/undone/", aundone),
    path("", include("tests.support.sites")),
]


@DIAGONAL
def test_tabs_that_open_together(arrive: Arrive, old_engine: str, user: User) -> None:
    """Eight requests with one old cookie make one session on one device, and all are signed in."""
    ann = arrive(user)
    tabs = [ann.twin() for _ in range(TABS)]
    running = [in_thread(lambda tab=tab: tab.text("who")) for tab in tabs]  # type: ignore[misc]

    assert [tab.result(60) for tab in running] == ["ann"] * TABS
    assert Session.objects.count() == 1
    assert Device.objects.count() == 1
    assert len({tab.key for tab in tabs}) == 1
    assert len({tab.cookies["device"].value for tab in tabs}) == 1


def test_tabs_in_one_event_loop(djangos: str, engine: str, user: User) -> None:
    """So do requests that one loop serves at a time."""
    key = old_session(djangos, user)

    async def ask() -> str:
        client = AsyncClient()
        client.cookies["sessionid"] = key
        return str((await client.get("/async/who/")).content.decode())

    async def ask_all() -> list[str]:
        return await asyncio.gather(*(ask() for _ in range(TABS)))

    assert async_to_sync(ask_all)() == ["ann"] * TABS
    assert Session.objects.count() == 1


@pytest.fixture
def both_have_read(arrive: Arrive, djangos: str, user: User) -> list[Browser]:
    """Two tabs, of which the second adopts while the first has read the old session."""
    first = arrive(user)
    second = first.twin()
    with Pause(old_engine_module, "read") as pause:
        running = in_thread(lambda: first.text("who"))
        pause.wait()
        assert second.text("who") == "ann"
        pause.release()
        assert running.result(120) == "ann"
    return [first, second]


def test_who_comes_second_follows(both_have_read: list[Browser]) -> None:
    """Whoever has read the old session when another adopts it goes on in that one's."""
    first, second = both_have_read

    assert first.key == second.key
    assert AdoptedKey.objects.count() == 1
    assert Device.objects.count() == 1


def test_who_comes_last_follows(arrive: Arrive, djangos: str, user: User) -> None:
    """So does whoever finds the old session gone, as another has just adopted it."""
    first = arrive(user)
    second = first.twin()
    with Pause(adoption, "follow") as pause:
        running = in_thread(lambda: first.text("who"))
        pause.wait()
        assert second.text("who") == "ann"
        pause.release()

        assert running.result(120) == "ann"
    assert first.key == second.key


def test_an_adoption_that_is_undone(arrive: Arrive, djangos: str, user: User) -> None:
    """Where the view's transaction is undone, the old cookie stays, and adopts again."""
    ann = arrive(user)
    old_key = ann.key

    response = ann.get("undone")

    assert (response.status_code, response.content) == (400, b"ann")
    assert ann.key == old_key
    assert not Session.objects.exists()
    assert ann.text("who") == "ann"
    assert ann.text("read") == "blue"
    assert len(ann.key) == 76


@pytest.mark.parametrize("everybody", [False, True], ids=["one user", "everybody"])
def test_ended_while_it_is_read(arrive: Arrive, djangos: str, user: User, everybody: bool) -> None:
    """What was read of an old session counts for nothing once its user's sessions ended."""
    ann = arrive(user)
    with Pause(old_engine_module, "read") as pause:
        running = in_thread(lambda: ann.text("who"))
        pause.wait()
        if everybody:
            revoke_everybody(reason=Reason.REVOKED_BY_STAFF)
        else:
            revoke_all(user)
        pause.release()

        assert running.result(120) == "AnonymousUser"
    assert not Session.objects.filter(revoked_at=None).exists()


def test_ended_while_it_is_stored(arrive: Arrive, djangos: str, user: User, world: World) -> None:
    """Ending a user's sessions waits for one that is just being adopted, and ends that, too."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite lets the one that writes finish, whoever asks for a lock")
    ann = arrive(user)
    with Pause(Move, "_store", before=True) as pause:
        running = in_thread(lambda: ann.text("who"))
        pause.wait()
        ending = in_thread(lambda: revoke_all(user))
        wait([ending], timeout=1)  # it is over by then, unless it waits
        pause.release()
        running.result(120)
        ending.result(120)

    assert ann.text("who") == "AnonymousUser"
    assert not Session.objects.filter(revoked_at=None).exists()
