"""A site made by ``startproject``, to which the blocks of a page are applied line by line."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(r"^```(?:python|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
PLACE = re.compile(r"# (?P<file>[\w/]+\.py)(?P<at_end>, at the end)?\n")
DAY = re.compile(r"\bdate\(\d+, \d+, \d+\)")

PASSWORD = "a phrase of ada's"
ADA = {"username": "ada", "password": PASSWORD}

# What `createsuperuser` asks a person for.
SUPERUSER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": PASSWORD,
    "DJANGO_SUPERUSER_EMAIL": "ada@example.com",
}
NOT_RUN = ("python manage.py runserver", "django-admin startproject")


@dataclass
class Project:
    """A site in a directory of its own, whose commands are processes of their own."""

    directory: Path

    @classmethod
    def start(cls, directory: Path) -> Project:
        project = cls(directory)
        project.run("-m", "django", "startproject", "mysite", ".")
        return project

    def add(self, lines: list[tuple[str, str]]) -> None:
        for name, text in lines:
            self.append(f"{name}.py", text)

    def append(self, file: str, text: str) -> None:
        with (self.directory / "mysite" / file).open("a", encoding="utf-8") as opened:
            opened.write(f"\n{text}")

    def follow(self, page: str) -> None:
        """Do what a page of the documentation says, block by block."""
        for block in blocks(page):
            if not self._write(block):
                self._obey(block)

    def write(self, page: str) -> None:
        """Write what a page says, and run none of its commands."""
        for block in blocks(page):
            self._write(block)

    def _write(self, block: str) -> bool:
        """Put a block where its first line says, and return whether it says so."""
        place = PLACE.match(block)
        if place is None:
            return False
        text = block[place.end() :]
        if place["at_end"]:
            self.append(place["file"], in_time(text))
        else:
            (self.directory / "mysite" / place["file"]).write_text(text)
        return True

    def _obey(self, commands: str) -> None:
        for line in commands.splitlines():
            command = line.partition("  #")[0].strip()
            if command.startswith("python -m pip install"):
                for name in shlex.split(command)[4:]:
                    is_installed(name)
            elif command.startswith("python manage.py createsuperuser"):
                self.manage("createsuperuser", "--noinput", **SUPERUSER)
            elif not command.startswith(NOT_RUN):
                program, script, *arguments = shlex.split(command)
                assert (program, script) == ("python", "manage.py"), command
                self.manage(*arguments)

    def manage(self, *arguments: str, **environment: str) -> str:
        return self.run("-W", "error", *QUIET, "manage.py", *arguments, **environment)

    def shell(self, script: str) -> str:
        """Run a script in the site, whose test client is let in."""
        allowed = "from django.conf import settings\nsettings.ALLOWED_HOSTS = ['testserver']\n"
        return self.manage("shell", "--no-imports", "-c", allowed + script)

    def run(self, *arguments: str, **environment: str) -> str:
        """Run Python, which must succeed, and return what it said."""
        done = self.tried(*arguments, **environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tried(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        set_here = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
        set_here.pop("DJANGO_SETTINGS_MODULE", None)
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=set_here,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


# Of others, about themselves.
QUIET = [
    *("-W", "ignore:pkg_resources is deprecated:UserWarning"),
]


def blocks(page: str) -> list[str]:
    """The code of a page that somebody writes or runs, in its order."""
    return BLOCK.findall((ROOT / "docs" / page).read_text(encoding="utf-8"))


def is_installed(requirement: str) -> None:
    """What a page installs is what the tests have, with the extras that it names."""
    name, _, extras = requirement.rstrip("]").partition("[")
    if name != "django-sessions-plus":
        distribution(name)  # raises where it is not
        return
    declared = (ROOT / "setup.cfg").read_text()
    assert all(f"\n{extra} =\n" in declared for extra in filter(None, extras.split(",")))


def in_time(text: str) -> str:
    """A day that the page gives as an example will be over once."""
    soon = date.today() + timedelta(days=14)  # noqa: DTZ011  (as settings have it)
    return DAY.sub(f"date({soon.year}, {soon.month}, {soon.day})", text)
