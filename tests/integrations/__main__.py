"""
Run the tests against the real packages of others, in an environment of their own.

``python -m tests.integrations [ARGUMENT OF PYTEST ...]``. The environment is made on first use,
and made anew whenever one of the lists of what is in it has changed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
ENVIRONMENT = ROOT / ".cache" / "integrations"
LISTS = [ROOT / "requirements.txt", HERE / "requirements.txt"]

# Warnings are errors here, too; these are of django-user-sessions, about itself, and of what
# social-auth imports.
QUIET = [
    *("-W", "ignore:pkg_resources is deprecated:UserWarning"),
    *("-W", "ignore:defusedxml.cElementTree is deprecated:DeprecationWarning"),
]


def main(arguments: list[str]) -> int:
    python = ENVIRONMENT / "bin" / "python"
    if not is_up_to_date():
        subprocess.run([sys.executable, "-m", "venv", "--clear", ENVIRONMENT], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        for path in LISTS:  # the second has another version of what is in the first
            subprocess.run([*pip, "--requirement", str(path)], check=True)
        (ENVIRONMENT / "lists").write_text(digest_of_lists())
    tests = ["-q", "--ds=tests.integrations.settings", *QUIET, *(arguments or [str(HERE)])]
    return subprocess.run([python, "-m", "pytest", *tests], cwd=ROOT, check=False).returncode


def is_up_to_date() -> bool:
    made = ENVIRONMENT / "lists"
    return made.exists() and made.read_text() == digest_of_lists()


def digest_of_lists() -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in LISTS)).hexdigest()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
