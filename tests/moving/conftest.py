"""A site that has just moved in, and browsers that still have the old engine's cookie."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.store.adoption import misses
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.old_engines import ENGINES, old_session

Arrive = Callable[..., Browser]


@pytest.fixture(params=ENGINES, ids=lambda path: path.rpartition(".")[2])
def old_engine(request: pytest.FixtureRequest, moved_in: Callable[[str], str]) -> str:
    """Each kind of engine that the site may have had; the value is its dotted path."""
    return moved_in(request.param)


@pytest.fixture
def djangos(moved_in: Callable[[str], str]) -> str:
    """The engine that most sites have."""
    return moved_in(ENGINES[0])


@pytest.fixture
def moved_in(settings: Any, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Let the site come from an engine: ``moved_in(path)``."""

    def move(path: str) -> str:
        settings.SESSIONS_PLUS_ADOPT_FROM = path
        settings.SESSIONS_PLUS_ADOPT_UNTIL = timezone.now() + timedelta(days=30)
        settings.SESSION_FILE_PATH = str(tmp_path)
        return path

    caches["default"].clear()
    misses.forget()
    yield move
    copies.reset()
    misses.forget()


@pytest.fixture
def arrive(engine: str, world: World, settings: Any) -> Arrive:
    """Make a browser that was signed in before the move: ``arrive(user, cart=…)``."""

    def make(user: User | None = None, **data: Any) -> Browser:
        browser = Browser(world)
        browser.key = old_session(settings.SESSIONS_PLUS_ADOPT_FROM, user, **data)
        return browser

    return make
