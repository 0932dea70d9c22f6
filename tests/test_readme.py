"""README: one screen. The lines of what a site adds next work as they stand, in a new project."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.fresh_projects import ROOT, Project

BLOCK = re.compile(r"```python\n# (settings|urls)\.py, at the end\n(.*?)```", re.DOTALL)
WISH = re.compile(
    r"^\*\*… (?P<words>.+?)[.,]\*\*(?P<text>.*?)(?=^\*\*… |^## )", re.DOTALL | re.MULTILINE
)

TOKENS = """
import json
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

settings.ALLOWED_HOSTS = ["testserver"]
User.objects.create_user("ada", password="a phrase of ada's")
form = {"username": "ada", "password": "a phrase of ada's"}
tokens = Client().post("/api/tokens/", json.dumps(form), "application/json").json()
bearer = {"Authorization": f"Bearer {tokens['access']}"}
print(len(Client().get("/api/sessions/", headers=bearer).json()["results"]))
"""


PAGE = (ROOT / "docs" / "next-steps.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
ONE_SCREEN = 55  # lines


def wishes() -> dict[str, list[tuple[str, str]]]:
    """What the page fulfils: for each wish the file and the lines to add to it."""
    found = {m["words"]: BLOCK.findall(m["text"]) for m in WISH.finditer(PAGE)}
    return {words: lines for words, lines in found.items() if lines}


WISHES = wishes()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project that followed the first five minutes, but for its commands."""
    made = Project.start(tmp_path)
    made.write("start/django.md")
    return made


@pytest.mark.parametrize("wish", WISHES)
def test_each_wish_is_sound(project: Project, wish: str) -> None:
    """The lines of each wish pass the system checks beside those of the first five minutes."""
    project.add(WISHES[wish])

    project.manage("check", "--fail-level", "WARNING")


def test_the_api_answers(project: Project) -> None:
    """With the one line of the API a program signs in and sees its session."""
    project.add(WISHES["an API with tokens"])
    project.manage("migrate", "--verbosity", "0")

    assert project.manage("shell", "--no-imports", "-c", TOKENS).split() == ["1"]


def test_the_page_names_its_wishes() -> None:
    """None of the wishes is lost to the pattern that finds them."""
    assert len(WISHES) == PAGE.count("\n**… ")


def test_the_readme_is_one_screen() -> None:
    """Two commands, three pictures, five lines of comparison, three of figures."""
    commands = re.findall(r"^make \w+", README, re.MULTILINE)
    parts = re.split(r"^## ", README, flags=re.MULTILINE)
    lines = {part.partition("\n")[0]: part.count("\n- ") for part in parts}

    assert len(README.splitlines()) <= ONE_SCREEN
    assert (len(commands), README.count("<img ")) == (2, 3)
    assert (lines["What others do"], lines["What it costs"]) == (5, 3)
