"""A person's copy of what is kept of them."""

from __future__ import annotations

import csv
import errno
import io
import json
import stat
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone, translation

from sessions_plus.events import record
from sessions_plus.models import Event, SessionEvent
from sessions_plus.privacy import export
from sessions_plus.privacy.export import as_cell, write_archive
from sessions_plus.privacy.inventory import INVENTORY, Sort
from tests.privacy.people import Life, acted_in, live

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urls")]

KINDS = [name for name, holding in INVENTORY.items() if holding.of is not None]


@pytest.fixture
def ann(user: User, staff: User) -> Life:
    return live(user, "203.0.113.24", staff=staff)


@pytest.fixture
def ben(ann: Life, other_user: User) -> Life:
    return live(other_user, "198.51.100.9")


def archive_of(user: Any) -> ZipFile:
    file = io.BytesIO()
    write_archive(user, file, now=timezone.now())
    return ZipFile(file)


def everything_in(archive: ZipFile) -> str:
    return "\n".join(archive.read(name).decode() for name in archive.namelist())


def test_there_is_one_of_each_kind(ann: Life) -> None:
    """Each kind of data is there as JSON and as CSV, with the same rows and columns."""
    archive = archive_of(ann.user)

    assert set(archive.namelist()) == {
        "README.txt",
        *(f"{kind}.{form}" for kind in KINDS for form in ("json", "csv")),
    }
    for kind in KINDS:
        rows = json.loads(archive.read(f"{kind}.json"))
        cells = list(csv.DictReader(io.StringIO(archive.read(f"{kind}.csv").decode())))
        assert rows, kind
        assert [list(row) for row in rows] == [list(row) for row in cells]
        for row, line in zip(rows, cells, strict=True):
            assert {name: as_cell(value) for name, value in row.items()} == line


def test_it_is_all_that_there_is(ann: Life) -> None:
    """Every row of theirs is there, with each column that the inventory exports."""
    archive = archive_of(ann.user)

    for kind in KINDS:
        holding = INVENTORY[kind]
        rows = json.loads(archive.read(f"{kind}.json"))
        assert len(rows) == holding.rows_of(ann.key).count()
        exported = [name for name, column in holding.columns.items() if column.is_exported]
        assert list(rows[0]) == exported


def test_no_secret_is_in_it(ann: Life) -> None:
    """No digest and nothing that is sealed is in it."""
    held = everything_in(archive_of(ann.user))

    for kind in KINDS:
        holding = INVENTORY[kind]
        for row in holding.rows_of(ann.key).values():
            for name, column in holding.columns.items():
                value = row.get(name)
                if column.sort is Sort.SECRET and value not in (None, "", b""):
                    spelled = value.hex() if isinstance(value, bytes) else str(value)
                    assert spelled not in held, (kind, name)


def test_nothing_of_others_is_in_it(ann: Life, ben: Life, staff: User) -> None:
    """Nobody else's name, address or browser is in it: who ended a session is "staff"."""
    acted_in(ann.user, staff)
    held = everything_in(archive_of(ann.user))

    for word in (*ben.words, staff.username, staff.email, "192.0.2.77", "help desk"):
        assert word not in held
    ended = [row for row in rows(ann, "events") if row["actor"] is not None]
    assert {(row["actor"], row["ip_address"], row["user_agent"]) for row in ended} == {
        ("staff", None, None)
    }
    acted = [row for row in rows(ann, "sessions") if row["actor"] is not None]
    assert [(row["actor"], row["ip_address"], row["browser"]) for row in acted] == [
        ("staff", None, None)
    ]
    assert [row["revoked_by"] for row in rows(ann, "sessions") if row["revoked_at"]] == ["staff"]


def rows(life: Life, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(archive_of(life.user).read(f"{kind}.json"))
    return found


def test_devices_go_by_their_public_names(ann: Life) -> None:
    """A device that a session names is one of those in the archive."""
    known = {row["public_id"] for row in rows(ann, "devices")}

    assert {row["device"] for row in rows(ann, "sessions")} <= known


def test_it_says_what_each_column_means(ann: Life) -> None:
    """The first file names every column, in the reader's language."""
    with translation.override("en"):
        read_me = archive_of(ann.user).read("README.txt").decode()

    assert "  last_activity: Last activity" in read_me
    assert "sessions and devices of ann" in read_me
    for kind in KINDS:
        for name, column in INVENTORY[kind].columns.items():
            assert not column.is_exported or f"  {name}: " in read_me


@pytest.mark.parametrize(
    "text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"], ids=repr
)
def test_no_cell_is_a_formula(ann: Life, text: str) -> None:
    """What a spreadsheet would run is quoted in CSV, and as it was in JSON (ASVS 1.2.10)."""
    SessionEvent.objects.filter(user=ann.user).update(user_agent=text)
    archive = archive_of(ann.user)

    cells = list(csv.DictReader(io.StringIO(archive.read("events.csv").decode(), newline="")))
    assert {line["user_agent"] for line in cells if line["actor"] == ""} == {f"'{text}"}
    assert text in {row["user_agent"] for row in json.loads(archive.read("events.json"))}


def test_somebody_of_whom_there_is_nothing(user: User) -> None:
    """An archive of nothing is whole, too."""
    archive = archive_of(user)

    assert all(json.loads(archive.read(f"{kind}.json")) == [] for kind in KINDS)


def test_command(ann: Life, tmp_path: Path) -> None:
    """The command writes a file that nobody else may read, and leaves an event and no mail."""
    target = tmp_path / "ann.zip"
    out = io.StringIO()

    call_command("export_person", "ann", "--to", str(target), "--json", stdout=out)

    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads(out.getvalue())["rows"]["sessions"] == 2
    assert ZipFile(target).testzip() is None
    assert SessionEvent.objects.get(event=Event.DATA_EXPORTED).reason == "command"


def test_no_file_is_written_over(user: User, tmp_path: Path) -> None:
    """A file that is there stays as it is."""
    target = tmp_path / "ann.zip"
    target.write_text("precious")

    with pytest.raises(CommandError, match="File exists"):
        call_command("export_person", "ann", "--to", str(target))

    assert target.read_text() == "precious"


def test_no_half_of_an_archive_is_left(
    user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What failed leaves no file, which would be half of one and in the way of the next."""
    target = tmp_path / "ann.zip"

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(export, "write_archive", full)
        with pytest.raises(OSError, match="No space"):
            call_command("export_person", "ann", "--to", str(target))

    assert not target.exists()


def test_an_own_act_is_ones_own(user: User, ann: Life) -> None:
    """Where somebody is named as the actor of their own act, it is "you", with all facts."""
    record(Event.DEVICE_REVOKED, user=user, actor=user)

    assert rows(ann, "events")[-1]["actor"] == "you"
