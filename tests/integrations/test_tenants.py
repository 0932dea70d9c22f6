"""django-tenants on PostgreSQL, and several sites on one Redis: nobody meets another's sessions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 600


@pytest.mark.parametrize("engine", ["db", "cached_db"])
def test_tenants(start_server: Any, redis_server: Any, engine: str) -> None:
    """A cookie of one tenant opens nothing at the other; names in Redis begin with the schema."""
    database = start_server("postgresql")
    words = [sys.executable, "-m", "tests.integrations.tenants.scenario"]
    environment = {
        "SITE_DATABASE": database.url,
        "SITE_REDIS": redis_server.url,
        "SITE_ENGINE": f"sessions_plus.backends.{engine}",
        "DJANGO_SETTINGS_MODULE": "tests.integrations.tenants.settings",
    }
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=True,
    )
    told = json.loads(done.stdout)

    wanted = {
        "alpha at alpha": "hello ann of alpha",
        "alpha at beta": "hello AnonymousUser",
        "beta at alpha": "hello AnonymousUser",
        "beta at beta": "hello ann of beta",
    }
    assert told["first"] == told["again"] == told["async"] == wanted
    assert told["names"] == (["alpha", "beta"] if engine == "cached_db" else [])
    assert told["rows"] == {"alpha": 1, "beta": 1}
    assert told["events"] == 1
    assert told["after"] == {"alpha": "hello AnonymousUser", "beta": "hello ann of beta"}
