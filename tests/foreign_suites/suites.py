"""Whose tests are run, and how: from the sources that they release."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Suite:
    """One package's tests, as its source distribution holds them."""

    name: str
    version: str
    tests: tuple[str, ...]
    paths: tuple[str, ...] = (".",)
    """What of it stands on the path of modules."""
    settings: str = ""
    """Its module of settings; where there is none, its tests configure Django by themselves."""

    options: tuple[str, ...] = ()
    """What pytest is told besides; the options of its own configuration are left out."""

    is_configured: bool = True
    """Whether it has a configuration of pytest; without, pytest would find ours, further up."""

    left_out: Path | None = None
    """A directory with what the distribution leaves out of ``tests``, written by us."""

    without: tuple[str, ...] = ()
    """Apps that are taken out of its site, with and without us."""

    part: str = ""
    """Which of its tests these are, where they are run in two parts."""

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return f"{self.name}, {self.part}" if self.part else self.name


SUITES = (
    Suite(
        "django-allauth",
        "65.22.1",
        tuple(f"tests/apps/{app}" for app in ("account", "mfa", "headless")),
        settings="tests.projects.regular.settings",
        options=("--ignore=tests/apps/headless/usersessions",),
        without=("allauth.usersessions",),  # as a check of ours demands (E112)
    ),
    Suite(
        "django-allauth",
        "65.22.1",
        ("tests/apps/usersessions", "tests/apps/headless/usersessions"),
        settings="tests.projects.regular.settings",
        part="its sessions",
    ),
    Suite(
        "djangorestframework",
        "3.18.3",
        ("tests/authentication", "tests/test_testing.py", "tests/browsable_api"),
        # Its apps without migrations name users, whose table has some: PostgreSQL wants that first.
        options=("--no-migrations",),
    ),
    Suite(
        "django-otp",
        "1.7.5",
        (
            "src/django_otp/tests.py",
            *(f"src/django_otp/plugins/otp_{kind}/tests.py" for kind in ("email", "hotp")),
            *(f"src/django_otp/plugins/otp_{kind}/tests.py" for kind in ("static", "totp")),
        ),
        paths=("src", "test"),
        settings="test_project.settings",
        is_configured=False,
    ),
    Suite("django-axes", "8.3.1", ("tests",), settings="tests.settings"),
    Suite("djangorestframework-simplejwt", "5.5.1", ("tests",)),
    Suite(
        "django-two-factor-auth",
        "1.18.1",
        ("tests",),
        settings="tests.settings",
        is_configured=False,
        left_out=HERE / "for_two_factor",
    ),
)
