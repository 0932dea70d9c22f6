"""
A site's code that uses ours is checked by ``mypy --strict`` without a word of complaint.

And of ours: what the checker is not to see says why.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SITE = ROOT / "tests" / "typed_site"
PACKAGE = ROOT / "sessions_plus"
FILES = sorted(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
HOME = Path("named_types.py")


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
        "from django.http import HttpRequest, HttpResponse\n"
        "from sessions_plus.authority import authority_of\n"
        "from sessions_plus.tokens.guards import bearer_required\n"
        "revoke_all('ann')\n"
        "Limits(idle_timeout=60, absolute_lifetime=None)\n"
        "@bearer_required\n"
        "def stock(request: HttpRequest) -> HttpResponse:\n"
        "    return HttpResponse(str(authority_of(request.path)))\n"
        "stock('/stock/')\n"
    )

    found = checked(wrong)

    assert found.stdout.count("[arg-type]") == 4, found.stdout


# How often `Any` stands outside of sessions_plus/named_types.py: let it become less.
MOST_ANY = 101

IGNORED = re.compile(r"type: ignore\[[\w, -]+\]")
NOT_A_REASON = re.compile(r"#\s*(type: ignore\[[\w, -]+\]|noqa: [A-Z0-9, ]+)\s*")


def explained(source: str) -> set[int]:
    """
    Return the lines beside which a reason stands: in a comment there, or in one right above.

    To switch a tool off is none.
    """
    found: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and NOT_A_REASON.sub("", token.string).strip():
            line = token.start[0]
            found.add(line if token.line[: token.start[1]].strip() else line + 1)
    return found


def uses_of_any(source: str) -> list[int]:
    """Return the lines of each ``Any``, but for the options of a command: argparse made them."""
    tree = ast.parse(source)
    options = {
        id(node.annotation)
        for node in ast.walk(tree)
        if isinstance(node, ast.arg) and node.arg == "options"
    }
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and node.id == "Any" and id(node) not in options
    ]


def ignores(source: str) -> list[int]:
    """Return the lines on which the type checker is told to look away."""
    return [number for number, line in enumerate(source.splitlines(), 1) if IGNORED.search(line)]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_what_is_not_checked_has_its_reason_beside_it(path: Path) -> None:
    """A reader learns why a type is ``Any``, and why the checker is told to look away."""
    source = (PACKAGE / path).read_text()
    beside = explained(source)

    assert [line for line in ignores(source) if line not in beside] == []
    if path != HOME:
        assert [line for line in uses_of_any(source) if line not in beside] == []


def test_any_has_one_home() -> None:
    """There are no more of them elsewhere than there were."""
    found = {path: uses_of_any((PACKAGE / path).read_text()) for path in FILES if path != HOME}

    assert sum(map(len, found.values())) <= MOST_ANY


@pytest.mark.parametrize(
    ("source", "is_explained"),
    [
        ("x: Any  # a site's", True),
        ("# a site's\nx: Any", True),
        ("x: Any", False),
        ("x: Any  # noqa: E501", False),
        ("x = y()  # type: ignore[misc]", False),
        ("x = y()  # type: ignore[misc]  # it has no types", True),
        ("y()  # it does\nx: Any", False),
        ('x: Any = "# no comment"', False),
    ],
)
def test_a_reason_is_told_from_none(source: str, is_explained: bool) -> None:
    """A comment of the line before, or one to another tool, is none."""
    (line,) = uses_of_any(source) + ignores(source)

    assert (line in explained(source)) is is_explained
