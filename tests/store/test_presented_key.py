"""What a presented key is to its session, as a rule of values."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from sessions_plus.crypto import digest
from sessions_plus.rows.session_row import Row
from sessions_plus.store.presented_key import Match, match
from tests.store.test_admission import CHANGED, KEY, NEXT, NOW, OTHER, ROTATED

GRACE = timedelta(minutes=2)
MOMENT = timedelta(microseconds=1)
SEEN = replace(ROTATED, successor_seen=True)


def rotated(row: Row, *, ago: timedelta, told: timedelta | None = None) -> Row:
    return replace(row, rotated_at=NOW - ago, successor_told_at=_before(told))


def _before(ago: timedelta | None) -> datetime | None:
    return NOW - ago if ago is not None else None


@pytest.mark.parametrize(
    ("row", "key", "is_what"),
    [
        pytest.param(SEEN, NEXT, Match.CURRENT, id="current"),
        pytest.param(rotated(SEEN, ago=GRACE), KEY, Match.PREDECESSOR, id="in its grace"),
        pytest.param(rotated(SEEN, ago=GRACE + MOMENT), KEY, Match.REUSED, id="after it"),
        pytest.param(
            rotated(SEEN, ago=3 * GRACE, told=GRACE), KEY, Match.PREDECESSOR, id="told late"
        ),
        pytest.param(
            rotated(ROTATED, ago=3 * GRACE), KEY, Match.PREDECESSOR, id="successor never seen"
        ),
        pytest.param(rotated(ROTATED, ago=GRACE), OTHER, Match.REUSED, id="older, in the grace"),
        pytest.param(rotated(CHANGED, ago=GRACE), KEY, Match.SUPERSEDED, id="privilege changed"),
        pytest.param(rotated(CHANGED, ago=GRACE), OTHER, Match.SUPERSEDED, id="it changed twice"),
        pytest.param(rotated(CHANGED, ago=GRACE + MOMENT), KEY, Match.DEAD, id="long since"),
        pytest.param(
            rotated(CHANGED, ago=GRACE + MOMENT), OTHER, Match.REUSED, id="older, long since"
        ),
    ],
)
def test_match(row: Row, key: str, is_what: Match) -> None:
    """The newest key opens, the one before leads to it for a while, an older one was copied."""
    assert match(row, digest(key), now=NOW, grace_period=GRACE) is is_what
