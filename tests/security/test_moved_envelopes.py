"""
Whoever can write to the database can break sessions, and open none.

A value that does not open is "no session": one event, one log line, never an error page.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import models

from sessions_plus.models import Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def change(session: Session, **columns: object) -> None:
    """Write to the row as an attacker would, past everything of ours."""
    models.QuerySet(Session).filter(pk=session.pk).update(**columns)
    caches["default"].clear()


def anothers_data(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": theirs.data}


def another_owner(mine: Session, theirs: Session) -> dict[str, object]:
    return {"user_id": theirs.user_id}


def another_column(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": mine.sealed_successor or b"\x01" * 80}


def truncated(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": bytes(mine.data)[:-1]}


def a_flipped_bit(mine: Session, theirs: Session) -> dict[str, object]:
    data = bytearray(mine.data)
    data[-1] ^= 1
    return {"data": bytes(data)}


def an_unknown_key(mine: Session, theirs: Session) -> dict[str, object]:
    data = bytearray(mine.data)
    data[1:5] = b"none"
    return {"data": bytes(data)}


def another_version(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": b"\x02" + bytes(mine.data)[1:]}


def nothing(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": b""}


def plain_json(mine: Session, theirs: Session) -> dict[str, object]:
    return {"data": json.dumps({"_auth_user_id": str(theirs.user_id)}).encode()}


ATTACKS = [
    anothers_data,
    another_owner,
    another_column,
    truncated,
    a_flipped_bit,
    an_unknown_key,
    another_version,
    nothing,
    plain_json,
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_changed_rows_open_nothing(
    engine: str,
    world: World,
    user: User,
    staff: User,
    caplog: pytest.LogCaptureFixture,
    attack: Callable[[Session, Session], dict[str, object]],
) -> None:
    """A row with a value from elsewhere signs nobody in, and says so once."""
    caches["default"].clear()
    ann, root = Browser(world), Browser(world)
    ann.get("sign-in", name="ann")
    root.get("sign-in", name="root")
    mine, theirs = Session.objects.get(user=user), Session.objects.get(user=staff)
    change(mine, **attack(mine, theirs))

    with caplog.at_level(logging.INFO, logger="sessions_plus.security"):
        response = ann.get("who")

    assert (response.status_code, response.content) == (200, b"AnonymousUser")
    assert SessionEvent.objects.filter(event="session.unreadable").count() == 1
    lines = [record for record in caplog.records if record.name == "sessions_plus.security"]
    assert len(lines) == 1
    assert json.loads(lines[0].getMessage())["owasp"] == "crypt_decrypt_fail"
    assert root.text("who") == "root"
    assert ann.get("write").status_code == 200


def test_a_key_hash_from_elsewhere_opens_no_data(
    engine: str, world: World, user: User, staff: User
) -> None:
    """Giving another's row the digest of one's own key opens nothing of it."""
    caches["default"].clear()
    ann, root = Browser(world), Browser(world)
    ann.get("sign-in", name="ann")
    root.get("sign-in", name="root")
    mine, theirs = Session.objects.get(user=user), Session.objects.get(user=staff)

    change(theirs, key_hash=mine.key_hash)

    assert ann.text("who") == "ann"
    change(mine, data=theirs.data, user_id=theirs.user_id)
    assert ann.text("who") == "AnonymousUser"
