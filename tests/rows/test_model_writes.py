"""Rows that a site writes past the engine, through the model: nothing that ended comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db.models import QuerySet
from django.utils import timezone

from sessions_plus.keys import read_token
from sessions_plus.lifecycle import revoke
from sessions_plus.models import Session
from sessions_plus.rows import session_row
from tests.conftest import World
from tests.support.pauses import Pause, stopped
from tests.support.stores import signed_in, under_way, user_id_under

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


def revoke_it(key: str) -> None:
    revoke(Session.objects.get())


def rotate_it(key: str) -> None:
    under_way(key).cycle_key()


def write_to_it(key: str) -> None:
    store = under_way(key)
    store["color"] = "blue"
    store.save()


def doubt_it(key: str) -> None:
    Session.objects.update(must_reauthenticate=True, client_changed_at=timezone.now())


def facts() -> dict[str, Any]:
    return dict(Session.objects.values().get())


@pytest.mark.parametrize(
    "act", [revoke_it, rotate_it, write_to_it, doubt_it], ids=lambda act: act.__name__
)
def test_saving_an_older_instance_undoes_nothing(user: User, act: Callable[[str], None]) -> None:
    """``save()`` of what was read before changes only what the engine does not keep."""
    key = signed_in(user)
    copy = Session.objects.get()
    act(key)
    before = facts()

    copy.location = "Bern"
    copy.save()

    assert facts() == before | {"location": "Bern"}


def test_a_named_field_is_saved(user: User) -> None:
    """Whoever names a field means it."""
    signed_in(user)
    copy = Session.objects.get()
    copy.expire_date = timezone.now() + timedelta(minutes=1)

    copy.save(update_fields=["expire_date"])

    assert Session.objects.get().expire_date == copy.expire_date


def test_bulk_update_beside_a_sign_in(user: User) -> None:
    """A session that begins while rows are ended in bulk is left alone, or ended whole."""
    signed_in(user)
    late: list[str] = []

    def end_all() -> None:
        Session.objects.filter(revoked_at=None).update(revoked_at=timezone.now())

    with stopped(end_all, at=Pause(QuerySet, "update", before=True)):
        late.append(signed_in(user))
        assert user_id_under(late[0]) == str(user.pk)  # a copy of it is kept

    public_id = read_token(late[0])
    assert public_id is not None
    is_ended = Session.objects.get(public_id=public_id).revoked_at is not None
    assert user_id_under(late[0]) == (None if is_ended else str(user.pk))


def test_row_shows_nothing(user: User, world: World) -> None:
    """What a traceback or a log shows of a row tells neither its data nor a digest of its key."""
    store = under_way(signed_in(user))
    store["color"] = "a secret colour"
    world(store, "save")
    row = session_row.fetch(store.public_id)

    for shown in (repr(row), str(row), repr(store.row), repr([store.row])):
        assert "colour" not in shown
        assert store.row.key_hash not in shown
        assert str(store.session_key) not in shown
