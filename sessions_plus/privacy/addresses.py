"""Making stored addresses obey a stricter ``SESSIONS_PLUS_IP_ADDRESS_PRIVACY``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from django.db import models

from sessions_plus.client_info.ip_address import apply_privacy
from sessions_plus.conf import conf
from sessions_plus.models import Session, SessionEvent
from sessions_plus.named_types import Columns
from sessions_plus.rows.session_row import database
from sessions_plus.store.engine import has_cache, site_copies

ROWS_AT_ONCE = 500

Rows = models.QuerySet[models.Model]

Progress = Callable[[str, float], None]
"""Told what is gone through, and how much of it is behind, from 0 to 1."""

# By model: the columns that tell where an address is.
PLACES: dict[type[models.Model], tuple[str, ...]] = {Session: ("location",), SessionEvent: ()}


def reduce_addresses(*, dry_run: bool = False, progress: Progress | None = None) -> dict[str, int]:
    """
    Reduce every stored address to what the setting lets us store now; return how many.

    Where it lets none be stored, the places go, too. May be interrupted and begun again:
    what is reduced already is left alone.
    """
    names = {Session: "sessions", SessionEvent: "events"}
    return {
        name: _reduce(model, name, dry_run=dry_run, progress=progress)
        for model, name in names.items()
    }


def _reduce(
    model: type[models.Model], name: str, *, dry_run: bool, progress: Progress | None
) -> int:
    count = 0
    for rows, done in _parts(model):
        stricter = _stricter(rows)
        count += sum(len(keys) for keys in stricter.values())
        if not dry_run:
            _write(model, stricter)
            _outdate_copies(model, [key for keys in stricter.values() for key in keys])
        if progress is not None:
            progress(name, done)
    return count


def _parts(model: type[models.Model]) -> Iterator[tuple[list[tuple[int, str]], float]]:
    """Yield the addresses with their rows' keys, and how much of the table is behind."""
    table: Rows = models.QuerySet(model, using=database()).order_by("pk")
    last = table.values_list("pk", flat=True).last() or 0
    stored = table.exclude(ip_address=None).filter(pk__lte=last).values_list("pk", "ip_address")
    reached = 0
    while rows := list(stored.filter(pk__gt=reached)[:ROWS_AT_ONCE]):
        reached = rows[-1][0]
        yield rows, reached / last


def _stricter(rows: list[tuple[int, str]]) -> dict[str | None, list[int]]:
    """Return the keys of rows that hold more than they may, by what they may hold."""
    found: dict[str | None, list[int]] = defaultdict(list)
    for key, address in rows:
        allowed = apply_privacy(address, conf.IP_ADDRESS_PRIVACY)
        if allowed != address:
            found[allowed].append(key)
    return found


def _write(model: type[models.Model], stricter: dict[str | None, list[int]]) -> None:
    table: Rows = models.QuerySet(model, using=database())
    for address, keys in stricter.items():
        columns: Columns = {"ip_address": address}
        if address is None:
            columns |= dict.fromkeys(PLACES[model], "")
        table.filter(pk__in=keys).update(**columns)


def _outdate_copies(model: type[models.Model], keys: list[int]) -> None:
    """A copy holds the address, too. The row's version stays: its data did not change."""
    if model is not Session or not keys or not has_cache():
        return
    copies = site_copies()
    live: Rows = models.QuerySet(Session, using=database()).filter(pk__in=keys, revoked_at=None)
    for public_id in list(live.values_list("public_id", flat=True)):
        copies.outdate(public_id)
