"""Whose tests are run, and how: from the sources that they release."""

from __future__ import annotations

from dataclasses import dataclass


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

    is_configured: bool = True
    """Whether it has a configuration of pytest; without, pytest would find ours, further up."""

    not_on_postgresql: str = ""
    """Why it shows nothing there; "": it does."""

    @property
    def requirement(self) -> str:
        return f"{self.name}=={self.version}"

    def __str__(self) -> str:
        return self.name


SUITES = (
    Suite(
        "django-allauth",
        "65.22.1",
        tuple(f"tests/apps/{app}" for app in ("account", "mfa", "usersessions", "headless")),
        settings="tests.projects.regular.settings",
        not_on_postgresql="its site has allauth.usersessions, whose column takes 40 characters of "
        "our key's 76 (sessions_plus.E112)",
    ),
    Suite(
        "djangorestframework",
        "3.18.3",
        ("tests/authentication", "tests/test_testing.py", "tests/browsable_api"),
        not_on_postgresql="it has two databases, and its tables are not made where one is given",
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
)

INCOMPLETE = {
    "django-two-factor-auth": "its source distribution has the tests, but not the settings, "
    "addresses and helpers that they need (1.18.1); see `make integrations`",
}
