"""A site's code that uses ours is checked by ``mypy --strict`` without a word of complaint."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "tests" / "typed_site"


def checked(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mypy", "--config-file", str(SITE / "mypy.ini"), str(path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.packaging
def test_a_site_is_checked_strictly() -> None:
    """Decorators keep their views' types, querysets theirs, and nothing is untyped."""
    found = checked(SITE / "shop.py")

    assert found.returncode == 0, found.stdout


@pytest.mark.packaging
def test_a_mistake_is_found(tmp_path: Path) -> None:
    """What is used wrongly is reported: nothing of ours is typed as anything at all."""
    wrong = tmp_path / "wrong.py"
    wrong.write_text(
        "from sessions_plus.lifecycle import revoke_all\n"
        "from sessions_plus.policy import Limits\n"
        "revoke_all('ann')\n"
        "Limits(idle_timeout=60, absolute_lifetime=None)\n"
    )

    found = checked(wrong)

    assert found.stdout.count("[arg-type]") == 2, found.stdout
