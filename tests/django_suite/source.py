"""Fetch the tests of the installed Django: its wheel has none, its source distribution has."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

import django

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "django"


def find_django_tests() -> Path:
    """Return the directory of Django's tests, downloaded on first use."""
    unpacked = CACHE / f"django-{django.__version__}"
    if not unpacked.is_dir():
        _unpack(_download())
    return unpacked / "tests"


def _download() -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    # pip reads the metadata of what it downloads, for which it would install setuptools first.
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--no-binary", "django", "--no-build-isolation"]
    subprocess.run([*command, "--dest", str(CACHE), f"Django=={django.__version__}"], check=True)
    return next(CACHE.glob(f"[dD]jango-{django.__version__}.tar.gz"))


def _unpack(archive: Path) -> None:
    with tarfile.open(archive) as source:
        source.extractall(CACHE, filter="data")
    archive.unlink()
