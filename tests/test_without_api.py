"""The app without the extras ``api`` and ``metrics``: everything else works."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SCRIPT = """
import sys
for name in ("rest_framework", "drf_spectacular", "joserfc", "opentelemetry"):
    sys.modules[name] = None  # importing it raises ImportError

import importlib, pkgutil
import django
django.setup()

import sessions_plus
OTHERS = "sessions_plus.integrations."  # each needs the package that it is for
from django.core.management import call_command
from django.urls import get_resolver

for found in pkgutil.walk_packages(sessions_plus.__path__, "sessions_plus."):
    extras = ("sessions_plus.api", "sessions_plus.tokens.", "sessions_plus.metrics", OTHERS)
    if not found.name.startswith(extras):
        importlib.import_module(found.name)
get_resolver().url_patterns
call_command("check")
"""

USE = """
import sys
sys.modules["joserfc"] = None
import sessions_plus.api.urls
"""


def run(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        env={"DJANGO_SETTINGS_MODULE": "tests.settings_minimal", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_imports_without_the_extra() -> None:
    """Every module outside API, tokens and metrics is imported, and the checks pass."""
    done = run(SCRIPT)

    assert done.returncode == 0, done.stderr


def test_tells_how_to_get_the_extra() -> None:
    """Whoever mounts the API without its libraries reads which is missing, and what to run."""
    done = run(USE)

    assert done.returncode == 1
    assert "needs joserfc" in done.stderr
    assert 'pip install "django-sessions-plus[api]"' in done.stderr
