"""The lines of the README work as they stand, in a new project that has nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.fresh_projects import ROOT, Project

BLOCK = re.compile(r"```python\n# (settings|urls)\.py, at the end\n(.*?)```", re.DOTALL)
WISH = re.compile(
    r"^\*\*… (?P<words>.+?)[.,]\*\*(?P<text>.*?)(?=^\*\*… |^## )", re.DOTALL | re.MULTILINE
)

VISIT = """
import re
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

settings.ALLOWED_HOSTS = ["testserver"]
User.objects.create_user("ada", password="a phrase of ada's")


def signed_in():
    client = Client()
    form = {"username": "ada", "password": "a phrase of ada's"}
    client.post("/account/login/?next=/account/devices/", form)
    return client


here, there = signed_in(), signed_in()
page = here.get("/account/devices/").content.decode()
revoke = re.findall(r"/account/devices/sessions/[0-9a-f-]+/revoke/", page)
before = there.get("/account/devices/").status_code
here.post(revoke[0])
after = there.get("/account/devices/")
print(page.count("This device"), len(revoke), before, after.status_code, after.headers["Location"])
"""

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


def wishes() -> dict[str, list[tuple[str, str]]]:
    """What the README fulfils: for each wish the file and the lines to add to it."""
    found = {m["words"]: BLOCK.findall(m["text"]) for m in WISH.finditer(_readme())}
    return {words: lines for words, lines in found.items() if lines}


def _readme() -> str:
    return (ROOT / "README.md").read_text(encoding="utf-8")


WISHES = wishes()
FIRST, *FURTHER = WISHES


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new project with the lines of the first wish."""
    made = Project.start(tmp_path)
    made.add(WISHES[FIRST])
    return made


def test_a_new_project_tracks_its_sessions(project: Project) -> None:
    """With those lines somebody signs in twice, and ends one session from the other."""
    project.manage("check", "--fail-level", "WARNING")
    project.manage("migrate", "--verbosity", "0")

    said = project.manage("shell", "--no-imports", "-c", VISIT)

    assert said.split() == ["1", "1", "200", "302", "/account/login/?next=/account/devices/"]


@pytest.mark.parametrize("wish", FURTHER)
def test_each_further_wish_is_sound(project: Project, wish: str) -> None:
    """The lines of each further wish pass the system checks beside those of the first."""
    project.add(WISHES[wish])

    project.manage("check", "--fail-level", "WARNING")


def test_the_api_answers(project: Project) -> None:
    """With the one line of the API a program signs in and sees its session."""
    project.add(WISHES["an API with tokens"])
    project.manage("migrate", "--verbosity", "0")

    assert project.manage("shell", "--no-imports", "-c", TOKENS).split() == ["1"]


def test_the_readme_names_its_wishes() -> None:
    """None of the wishes is lost to the pattern that finds them."""
    assert len(WISHES) == _readme().count("\n**… ")
    assert len(BLOCK.findall(_readme())) == _readme().count("```python")


def test_the_quickstart_has_the_same_lines() -> None:
    """Whoever follows the longer way writes what the README says."""
    page = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")

    for _, text in WISHES[FIRST]:
        assert text in page
