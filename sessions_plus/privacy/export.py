"""
A person's copy of what is kept of them: one archive with JSON and CSV of each kind.

Nothing that opens anything is in it, and nothing of other people: who of the staff did
something is "staff", and where from they did it is left out.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import datetime
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from sessions_plus.models import Device
from sessions_plus.named_types import UserId
from sessions_plus.privacy.inventory import INVENTORY, SENDER, Holding
from sessions_plus.rows import session_row

ROWS_AT_ONCE = 500

# What a spreadsheet takes for a formula at the beginning of a cell (OWASP ASVS 1.2.10).
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")

Facts = dict[str, object]


def write_archive(user: AbstractBaseUser, target: IO[bytes], *, now: datetime) -> dict[str, int]:
    """
    Write the archive of ``user``; return how many rows of each kind are in it.

    Row by row: memory does not grow with what there is of somebody.
    """
    counts = {}
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", _readme(user, now))
        for holding in INVENTORY.values():
            if holding.of is not None:
                counts[holding.name] = _write_json(archive, holding, user)
                _write_csv(archive, holding, user)
    return counts


def _readme(user: AbstractBaseUser, now: datetime) -> str:
    lines = [
        _("What is kept about the sessions and devices of %(name)s")
        % {"name": user.get_username()},
        now.isoformat(timespec="seconds"),
        "",
    ]
    for holding in INVENTORY.values():
        if holding.of is None:
            continue
        lines.append(f"{holding.name}.json, {holding.name}.csv")
        lines += [f"  {name}: {label}" for name, label in labels(holding).items()]
        lines.append("")
    return "\n".join(lines)


def labels(holding: Holding) -> dict[str, str]:
    """Return what each exported column is called, for people."""
    return {
        name: capfirst(str(column.label or holding.field(name).verbose_name))
        for name, column in holding.columns.items()
        if column.is_exported
    }


def _write_json(archive: ZipFile, holding: Holding, user: AbstractBaseUser) -> int:
    """One row a line, so that any number of them can be read again."""
    count = 0
    with archive.open(f"{holding.name}.json", "w") as file:
        for facts in rows_of(holding, user):
            file.write(b",\n" if count else b"[\n")
            file.write(json.dumps(facts, ensure_ascii=False).encode())
            count += 1
        file.write(b"\n]\n" if count else b"[]\n")
    return count


def _write_csv(archive: ZipFile, holding: Holding, user: AbstractBaseUser) -> None:
    names = list(labels(holding))
    with (
        archive.open(f"{holding.name}.csv", "w") as binary,
        io.TextIOWrapper(binary, encoding="utf-8", newline="") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(names)
        for facts in rows_of(holding, user):
            writer.writerow([as_cell(facts[name]) for name in names])


def as_cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet runs."""
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_SIGNS) else text


def rows_of(holding: Holding, user: AbstractBaseUser) -> Iterator[Facts]:
    """Yield what a person may have of each row of theirs, the oldest first."""
    columns = [name for name, column in holding.columns.items() if column.is_exported]
    devices = _public_ids_of_devices(user.pk)
    for row in holding.rows_of(user.pk).order_by("pk").iterator(chunk_size=ROWS_AT_ONCE):
        facts = {name: _value(row, name, user.pk, devices) for name in columns}
        if _is_by_another(row):
            facts |= dict.fromkeys(name for name in SENDER if name in facts)
        yield facts


def _public_ids_of_devices(user_id: UserId) -> dict[int, str]:
    devices = Device.objects.using(session_row.database()).filter(user_id=user_id)
    return {pk: str(public_id) for pk, public_id in devices.values_list("pk", "public_id")}


def _is_by_another(row: Any) -> bool:  # a row of EVENTS or SESSIONS, or of what has no actor
    """Say whether an event was caused, or a session acted in, by somebody else."""
    actor_id = getattr(row, "actor_id", None)
    return actor_id is not None and actor_id != row.user_id


def _value(row: models.Model, name: str, user_id: UserId, devices: dict[int, str]) -> object:
    field = row._meta.get_field(name)
    value = getattr(row, getattr(field, "attname", name))
    if name == "device":
        return devices.get(value)
    if field.is_relation:
        return None if value is None else "you" if value == user_id else "staff"
    return plain(value)


def plain(value: object) -> object:
    """Return a value as JSON has it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
