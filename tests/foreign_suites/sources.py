"""The released sources of others, below ``.cache/``: downloaded for the run, never kept here."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.foreign_suites.suites import Suite
from tests.support.environments import ROOT

CACHE = ROOT / ".cache" / "foreign"


def find_source(suite: Suite) -> Path:
    """Return the directory of a suite's sources, downloaded on first use."""
    source = _unpacked(suite) or _unpack(suite, _download(suite))
    if suite.left_out is not None:
        shutil.copytree(suite.left_out, source / "tests", dirs_exist_ok=True)
    return source


def _unpacked(suite: Suite) -> Path | None:
    return next(
        (path for path in CACHE.glob(f"*-{suite.version}") if _is_of(suite, path.name)), None
    )


def _is_of(suite: Suite, name: str) -> bool:
    return name.replace("_", "-").removesuffix(".tar.gz") == f"{suite.name}-{suite.version}"


def _download(suite: Suite) -> Path:
    CACHE.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    command += ["--no-deps", "--use-pep517", "--no-binary", suite.name, "--dest", str(CACHE)]
    subprocess.run([*command, suite.requirement], check=True)
    return next(path for path in CACHE.glob("*.tar.gz") if _is_of(suite, path.name))


def _unpack(suite: Suite, archive: Path) -> Path:
    with tarfile.open(archive) as source:
        source.extractall(CACHE, filter="data")
    archive.unlink()
    found = _unpacked(suite)
    assert found is not None, f"{archive.name} holds no directory of its own name"
    return found
