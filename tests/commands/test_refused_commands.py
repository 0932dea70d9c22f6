"""A command that is typed while the database takes no writes ends with a sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command, load_command_class
from django.db import DatabaseError

from sessions_plus.models import Session
from tests.support.authenticators import enrol
from tests.support.refusals import READ_ONLY, refusing
from tests.support.stores import signed_in

pytestmark = pytest.mark.django_db(transaction=True)

COMMANDS: dict[str, list[str]] = {
    "clearsessions": [],
    "count_events": [],
    "erase_person": ["ann"],
    "export_person": ["ann", "--to", "person.zip"],
    "mfa_remove": ["ann"],
    "revoke_sessions": ["ann", "--noinput"],
    "rotate_signing_key": [],
}


@pytest.fixture(autouse=True)
def _something_to_do(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    enrol(user)
    signed_in(user)


def typed(name: str, *arguments: str) -> int:
    """Return the exit code of a command that somebody types."""
    command: Any = load_command_class("sessions_plus", name)
    try:
        command.run_from_argv(["manage.py", name, *arguments])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("name", COMMANDS)
def test_who_types_it_is_told_calmly(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is wrong, what became of it, and ends with 1."""
    with refusing(READ_ONLY):
        code = typed(name, *COMMANDS[name])

    told = capsys.readouterr().err
    assert code == 1, told
    assert "The database takes no writes (" in told
    assert "run the command again once it does." in told
    assert "Traceback" not in told
    assert Session.objects.get().revoked_at is None


def test_the_traceback_is_there_for_who_asks() -> None:
    """Django's own ``--traceback`` shows it."""
    command: Any = load_command_class("sessions_plus", "revoke_sessions")
    arguments = ["manage.py", "revoke_sessions", *COMMANDS["revoke_sessions"], "--traceback"]
    with refusing(READ_ONLY), pytest.raises(Exception, match="takes no writes") as raised:
        command.run_from_argv(arguments)

    assert isinstance(raised.value.__cause__, DatabaseError)


def test_a_program_gets_the_databases_error() -> None:
    """A task that calls the command may tell by it whether to try again."""
    with refusing(READ_ONLY), pytest.raises(DatabaseError):
        call_command("revoke_sessions", *COMMANDS["revoke_sessions"])
