"""What is done after a view: what a rollback took back is done again, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import path

from sessions_plus.after_view import after_view, on_rollback, withdraw
from tests.conftest import World, people
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]


def write(name: str = "written") -> None:
    """Write something that has to stand."""
    make(name)
    on_rollback(lambda: make(name), using="default", key=name)


def make(name: str) -> None:
    people().create(username=name)


def commits() -> None:
    with transaction.atomic():
        write()


def rolls_back() -> None:
    with transaction.atomic():
        write()
        transaction.set_rollback(True)


def rolls_back_to_a_savepoint() -> None:
    with transaction.atomic():
        with transaction.atomic():
            write()
            transaction.set_rollback(True)
        make("beside")


def rolls_back_around_a_savepoint() -> None:
    with transaction.atomic():
        with transaction.atomic():
            write()
        transaction.set_rollback(True)


def raises() -> None:
    with transaction.atomic():
        write()
        raise LookupError


def writes_outside() -> None:
    write()


def takes_back() -> None:
    with transaction.atomic():
        write()
        transaction.set_rollback(True)
    found = withdraw("written")
    assert found is not None
    assert found.was_rolled_back()
    assert withdraw("written") is None


def fails_afterwards() -> None:
    after_view(lambda _response: 1 / 0)
    rolls_back()


def adds_while_it_runs() -> None:
    after_view(lambda _response: after_view(lambda _response: make("written")))


def sees_the_answer() -> None:
    after_view(lambda response: make(str(response.status_code if response else None)))


ACTS: list[Callable[[], None]] = [
    commits,
    rolls_back,
    rolls_back_to_a_savepoint,
    rolls_back_around_a_savepoint,
    raises,
    writes_outside,
    takes_back,
    fails_afterwards,
    adds_while_it_runs,
    sees_the_answer,
]


def view_of(act: Callable[[], None]) -> Callable[[HttpRequest], HttpResponse]:
    def view(request: HttpRequest) -> HttpResponse:
        act()
        return HttpResponse("done", status=400)

    return view


urlpatterns = [
    *[path(f"sync/{act.__name__}/", view_of(act)) for act in ACTS],
    *[path(f"async/{act.__name__}/", sync_to_async(view_of(act))) for act in ACTS],
]


def names() -> list[str]:
    return sorted(people().values_list("username", flat=True))


def ask(world: World, act: Callable[[], None]) -> Any:
    browser = Browser(world)
    browser.client.raise_request_exception = False
    return browser.get(act.__name__)


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        pytest.param(commits, ["written"], id="committed"),
        pytest.param(rolls_back, ["written"], id="rolled back"),
        pytest.param(rolls_back_to_a_savepoint, ["beside", "written"], id="savepoint rolled back"),
        pytest.param(rolls_back_around_a_savepoint, ["written"], id="around a savepoint"),
        pytest.param(raises, ["written"], id="by an error"),
        pytest.param(writes_outside, ["written"], id="in no transaction"),
        pytest.param(takes_back, [], id="withdrawn"),
        pytest.param(adds_while_it_runs, ["written"], id="added while it runs"),
        pytest.param(sees_the_answer, ["400"], id="with the answer"),
    ],
)
def test_stands_once(world: World, act: Callable[[], None], expected: list[str]) -> None:
    """What was written is there once, whatever became of the view's transaction."""
    ask(world, act)

    assert names() == expected


def test_failure_hides_no_other_and_is_no_success(world: World) -> None:
    """One that fails leaves the others done, and nobody is answered as if it had not failed."""
    response = ask(world, fails_afterwards)

    assert response.status_code == 500
    assert names() == ["written"]


def test_atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is where Django puts the transaction around the view."""
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    client = Client(raise_request_exception=False)

    client.get("/sync/raises/")

    assert names() == ["written"]


def test_without_a_request() -> None:
    """Where nobody comes by afterwards it is done at once, and what is rolled back is gone."""
    after_view(lambda response: make(str(response)))
    rolls_back()

    assert names() == ["None"]


def test_next_request_has_nothing_of_this_one(world: World) -> None:
    """What one request left is done once."""
    ask(world, rolls_back)
    User.objects.all().delete()

    ask(world, writes_outside)

    assert names() == ["written"]


@pytest.mark.django_db(transaction=False)
def test_inside_a_test_that_is_rolled_back() -> None:
    """
    A transaction around the request, as each of Django's tests is, is not over with the view.

    What was written in it is still there, so it is not written twice.
    """
    Client().get("/sync/writes_outside/")
    Client().get("/sync/sees_the_answer/")
    assert names() == ["400", "written"]
    User.objects.all().delete()

    Client().get("/sync/rolls_back/")

    assert names() == ["written"]
