"""Python environments below ``.cache/``, for tests that need what ours has not."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / "requirements.txt"
BESIDE = ROOT / "tests" / "integrations" / "requirements.txt"


def python_with(name: str, *lists: Path) -> Path:
    """
    Return the Python of an environment in which these lists are installed, one after the other.

    It is made on first use, and anew whenever one of the lists has changed.
    """
    environment = ROOT / ".cache" / name
    python, made = environment / "bin" / "python", environment / "lists"
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in lists)).hexdigest()
    if not made.exists() or made.read_text() != digest:
        subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for path in lists:  # a later one may have another version of what is in an earlier
            subprocess.run([*pip, "--requirement", str(path)], check=True)
        made.write_text(digest)
    return python


def python_beside() -> Path:
    """Return the Python that has the packages of others, and the servers."""
    return python_with("integrations", OURS, BESIDE)
