"""Programs whose database takes no writes, or has their session's row locked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models import F

from sessions_plus.models import Session
from sessions_plus.rows.session_row import Row
from sessions_plus.store import rotation
from sessions_plus.store.writing import update_version
from tests.api.conftest import Caller
from tests.support.locks import locked_rows, wait_until_somebody_waits
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.refusals import READ_ONLY, WAYS, refusing

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]


@pytest.mark.parametrize("way", WAYS)
def test_refresh(tokens: Any, stranger: Caller, way: str) -> None:
    """The token is good as before, and its program is told to send it again: not to sign in."""
    with refusing(way):
        refused = stranger("post", "token_refresh", {"refresh": tokens.refresh})
    again = stranger("post", "token_refresh", {"refresh": tokens.refresh})

    assert (refused.status_code, refused.json()["code"]) == (503, "session_not_stored")
    assert refused.headers["Retry-After"] == "5"
    assert again.status_code == 200


def test_what_is_not_there(tokens: Any) -> None:
    """Who asks for what is not there is told so, though the event of it cannot be written."""
    program = Caller(tokens.access)

    with refusing(READ_ONLY):
        assert program("get", "session_detail", args=(uuid4(),)).status_code == 404


def test_refresh_that_others_outrun(
    tokens: Any, stranger: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where others write the session each time in between, nothing has ended either."""

    def outrun(row: Row, changes: Mapping[str, object]) -> bool:
        Session.objects.update(version=F("version") + 1)
        return update_version(row, changes)

    with monkeypatch.context() as patch:
        patch.setattr(rotation, "update_version", outrun)
        outrun_by_all = stranger("post", "token_refresh", {"refresh": tokens.refresh})
    again = stranger("post", "token_refresh", {"refresh": tokens.refresh})

    assert (outrun_by_all.status_code, again.status_code) == (503, 200)


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole database")
def test_refresh_waits(tokens: Any, stranger: Caller) -> None:
    """A refresh that meets another write of its session waits for it, and is not refused."""
    with locked_rows():
        refreshing = in_thread(
            lambda: stranger("post", "token_refresh", {"refresh": tokens.refresh})
        )
        wait_until_somebody_waits(refreshing)

    assert refreshing.result(PATIENCE_SECONDS).status_code == 200
