"""Who may go on, as a rule of values: asked of rows that no database holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest, seal
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models.session import Kind, data_context
from sessions_plus.policy import Verdict
from sessions_plus.rows.columns import EMPTY_ROW
from sessions_plus.rows.session_row import Row
from sessions_plus.store.admission import Admitted, Refusal, Refused, admit
from sessions_plus.store.presentation import (
    ACCESS_TOKEN,
    PUBLIC_ID,
    REFRESH_TOKEN,
    SESSION_KEY,
    Caller,
    KeyState,
    Presentation,
)
from sessions_plus.store.presented_key import seal_successor
from tests.support.browsers import FIREFOX, SAFARI
from tests.support.moments import START

NOW = START
NAME = new_public_id()
KEY, NEXT, OTHER = (new_token(NAME) for _ in range(3))
DEVICE = "a device's token"
LONG_AGO = NOW - timedelta(minutes=10)
DATA = seal(b'{"color":"blue"}', purpose=Purpose.SESSION_DATA, bound_to=data_context(NAME, 1))

LIVING = Row.of(
    {
        **EMPTY_ROW,
        "public_id": NAME,
        "kind": Kind.BROWSER,
        "user_id": 1,
        "key_hash": digest(KEY),
        "data": DATA,
        "created_at": NOW,
        "authenticated_at": NOW,
        "last_activity": NOW,
        "expire_date": NOW,
        "user_agent": FIREFOX,
        "browser": "Firefox",
        "system": "Linux",
    },
    payload=b"",
)
ROTATED = replace(
    LIVING,
    key_hash=digest(NEXT),
    previous_key_hash=digest(KEY),
    rotated_at=LONG_AGO,
    successor_seen=False,
    sealed_successor=seal_successor(NEXT, under=KEY, public_id=NAME, device_token=DEVICE),
)
CHANGED = replace(ROTATED, sealed_successor=None)  # privilege did
API = replace(LIVING, kind=Kind.API)


def caller(
    key: str = KEY,
    *,
    presentation: Presentation = SESSION_KEY,
    agent: str = FIREFOX,
    device: str | None = DEVICE,
) -> Caller:
    client = ClientInfo.of(user_agent=agent) if agent else None
    return Caller(presentation, key, KeyState.PRESENTED, client, device, is_passive=False)


def ends_clients_that_change(row: Row, who: Caller) -> Any:
    with override_settings(SESSIONS_PLUS_CLIENT_CHANGE="revoke"):
        return admit(row, who, NOW)


REVOKED = replace(LIVING, revoked_at=NOW)
DAMAGED = replace(LIVING, data=DATA[:-1])
OLD = replace(LIVING, last_activity=NOW - timedelta(days=20))


@pytest.mark.parametrize(
    ("row", "who", "why"),
    [
        pytest.param(REVOKED, caller(), Refusal.ENDED, id="revoked"),
        pytest.param(API, caller(), Refusal.ENDED, id="token as a cookie"),
        pytest.param(
            LIVING, caller(presentation=REFRESH_TOKEN), Refusal.ENDED, id="cookie as a token"
        ),
        pytest.param(
            LIVING, caller(presentation=ACCESS_TOKEN), Refusal.ENDED, id="name of a browser's"
        ),
        pytest.param(LIVING, caller(OTHER), Refusal.REUSED, id="key from before"),
        pytest.param(ROTATED, caller(device=None), Refusal.REUSED, id="on another device"),
        pytest.param(ROTATED, caller(device=None, agent=""), Refusal.SUPERSEDED, id="by a program"),
        pytest.param(
            replace(ROTATED, successor_seen=True), caller(), Refusal.REUSED, id="long after"
        ),
        pytest.param(CHANGED, caller(), Refusal.DEAD, id="privilege changed"),
        pytest.param(
            replace(CHANGED, rotated_at=NOW), caller(), Refusal.SUPERSEDED, id="just changed"
        ),
        pytest.param(LIVING, caller(OTHER, agent=""), Refusal.SUPERSEDED, id="old, by a program"),
        pytest.param(
            replace(ROTATED, successor_seen=True),
            caller(agent=""),
            Refusal.SUPERSEDED,
            id="long after, by a program",
        ),
        pytest.param(DAMAGED, caller(), Refusal.UNREADABLE, id="damaged"),
        pytest.param(OLD, caller(), Refusal.EXPIRED, id="idle"),
        # What comes first decides: nobody is accused at the end of a session, and a stranger
        # learns nothing of it.
        pytest.param(replace(REVOKED, data=b""), caller(OTHER), Refusal.ENDED, id="ended first"),
        pytest.param(replace(OLD, data=b""), caller(OTHER), Refusal.REUSED, id="key before data"),
        pytest.param(replace(OLD, data=b""), caller(), Refusal.UNREADABLE, id="data before age"),
    ],
)
def test_refused(row: Row, who: Caller, why: Refusal) -> None:
    """Whoever may not go on is told apart by the first reason against them."""
    answer = admit(row, who, NOW)

    assert isinstance(answer, Refused)
    assert answer.why is why


def test_refused_with_the_limit_that_ended_it() -> None:
    """What has expired says of which limit; where both are over, of the absolute one."""
    both = replace(OLD, authenticated_at=NOW - timedelta(days=40))

    assert admit(OLD, caller(), NOW) == Refused(Refusal.EXPIRED, verdict=Verdict.IDLE)
    assert admit(both, caller(), NOW) == Refused(Refusal.EXPIRED, verdict=Verdict.ABSOLUTE)


def test_refused_as_another_client() -> None:
    """Where the site ends such sessions, last of all: nobody is judged by a dead key."""
    answer = ends_clients_that_change(LIVING, caller(agent=SAFARI))

    assert isinstance(answer, Refused)
    assert answer.why is Refusal.OTHER_CLIENT
    assert answer.change is not None
    assert answer.change.what == ("browser", "system")
    assert ends_clients_that_change(OLD, caller(agent=SAFARI)).why is Refusal.EXPIRED


@pytest.mark.parametrize(
    ("row", "who", "successor"),
    [
        pytest.param(LIVING, caller(), None, id="current key"),
        pytest.param(ROTATED, caller(NEXT), None, id="successor"),
        pytest.param(ROTATED, caller(), NEXT, id="predecessor is told"),
        pytest.param(API, caller(presentation=REFRESH_TOKEN), None, id="refresh token"),
        pytest.param(API, caller(OTHER, presentation=ACCESS_TOKEN), None, id="access token"),
        pytest.param(API, caller("", presentation=PUBLIC_ID), None, id="by name"),
        pytest.param(ROTATED, caller("", presentation=PUBLIC_ID), None, id="by name, rotated"),
    ],
)
def test_admitted(row: Row, who: Caller, successor: str | None) -> None:
    """Whoever may go on gets the data, and the key to go on under where it is another."""
    answer = admit(row, who, NOW)

    assert isinstance(answer, Admitted)
    assert answer.opened.data == {"color": "blue"}
    assert answer.successor == successor


@pytest.mark.parametrize(
    ("age", "is_due"),
    [(timedelta(0), False), (conf.ACTIVITY_INTERVAL, True)],
    ids=["just now", "an interval ago"],
)
def test_admitted_with_what_is_due(age: timedelta, is_due: bool) -> None:
    """The answer says whether activity has to be written."""
    answer = admit(replace(LIVING, last_activity=NOW - age), caller(), NOW)

    assert isinstance(answer, Admitted)
    assert answer.is_touch_due is is_due


def test_asking_changes_nothing() -> None:
    """The row is as it was, whatever the answer."""
    row = replace(ROTATED)

    admit(row, caller(), NOW)

    assert row == ROTATED
