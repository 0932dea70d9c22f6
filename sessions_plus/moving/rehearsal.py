"""What would become of old sessions, seen on a sample: changes nothing."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from django.contrib.sessions.backends.base import VALID_KEY_CHARS

from sessions_plus.moving.claims import Refusal
from sessions_plus.moving.in_bulk import fate_of
from sessions_plus.moving.judging import Fate, Judge, read_all
from sessions_plus.named_types import OthersRow, OthersRows
from sessions_plus.store import old_tables

SAMPLE = 1_000
AT_ONCE = 50

# What the old code lets in, and the new does not.
LOST = (Fate.DAMAGED, Refusal.BACKEND, Refusal.ACTING)
COMES_IN = (Fate.SIGNED_IN, Fate.VISIT, Fate.WAITS, Fate.SHORTER)

ENOUGH = 0.99


def rehearse(now: datetime) -> Counter[str]:
    """Return what would become of a sample of the old engine's live sessions."""
    rows = old_tables.own_rows()
    if rows is None:
        return Counter()
    judge = Judge(read_all(list(_sample(rows.filter(expire_date__gt=now)))), now=now)
    return judge.fates + Counter(fate_of(plan) for plan in judge.plans)


def share_that_comes(fates: Counter[str]) -> float:
    """
    Return which part comes in of those that the old code lets in.

    Whoever was disabled, or has another password by now, comes in nowhere, and does not count.
    """
    comes, lost = (sum(fates[fate] for fate in group) for group in (COMES_IN, LOST))
    return comes / (comes + lost) if comes + lost else 1.0


def _sample(rows: OthersRows) -> Iterator[OthersRow]:
    """Yield all rows where they are few, else some of them, from here and there."""
    rows = rows.order_by("session_key")
    few = list(rows[: SAMPLE + 1])
    if len(few) <= SAMPLE:
        yield from few
        return
    seen: set[str] = set()
    for _ in range(SAMPLE // AT_ONCE):
        # Keys are random, so any place among them is as good as another.
        start = "".join(secrets.choice(VALID_KEY_CHARS) for _ in range(8))
        for row in rows.filter(session_key__gte=start)[:AT_ONCE]:
            if row.session_key not in seen:
                seen.add(row.session_key)
                yield row
