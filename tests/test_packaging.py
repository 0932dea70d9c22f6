"""The built distribution: it holds what it must, and a new project runs with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.support.translations import LANGUAGES

pytestmark = pytest.mark.packaging

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ["pyproject.toml", "setup.cfg", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md"]

SETTINGS = """
INSTALLED_APPS += ["sessions_plus"]
SESSION_ENGINE = "sessions_plus.backends.db"
AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]
MIDDLEWARE[1] = "sessions_plus.middleware.SessionMiddleware"
ALLOWED_HOSTS = ["testserver"]
"""

URLS = """
from django.urls import include
urlpatterns += [path("account/", include("sessions_plus.urls"))]
"""

VISIT = """
from django.test import Client
print([Client().get(path).status_code for path in ("/account/login/", "/account/devices/")])
"""

# An extra that somebody is told to install, and what then can be imported.
EXTRA = re.compile(r"django-sessions-plus\[(\w+)\]")
BROUGHT = {
    "api": "joserfc",
    "metrics": "opentelemetry.metrics",
    "passkeys": "webauthn",
    "redis": "django_redis",
}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, and return what it said."""
    # The settings of the tests are not those of the new project.
    environment = {**os.environ}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What of a clone matters to whoever builds or installs from it."""
    tree = tmp_path_factory.mktemp("tree")
    for name in SOURCES:
        shutil.copy(ROOT / name, tree)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sessions_plus", tree / "sessions_plus", ignore=ignored)
    (tree / "tests").mkdir()
    (tree / "tests" / "__init__.py").touch()
    return tree


@pytest.fixture(scope="module")
def wheel(clone: Path) -> Path:
    """The wheel, built from the source distribution in a directory of its own."""
    run(sys.executable, "-m", "build", "--no-isolation", cwd=clone)
    return next((clone / "dist").glob("*.whl"))


def test_wheel_holds_what_the_package_holds(wheel: Path) -> None:
    """Every file of the package is in the wheel: templates, static, locale, migrations, types."""
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}

    source = ROOT / "sessions_plus"
    here = {
        str(path.relative_to(ROOT))
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert packed == here
    kinds = ("py.typed", "migrations/0001_initial.py", "templates/", "static/")
    spoken = [f"locale/{language}/LC_MESSAGES/django.mo" for language in LANGUAGES]
    for kind in (*kinds, *spoken):
        assert any(name.startswith(f"sessions_plus/{kind}") for name in packed), kind


def test_metadata_names_licence_and_extras(wheel: Path) -> None:
    """The wheel tells its licence, its Pythons and its extras."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        metadata = archive.read(name).decode()

    assert "Requires-Python: >=3.11" in metadata
    assert "BSD-3-Clause" in metadata
    for extra in ("redis", "api", "geoip"):
        assert f"Provides-Extra: {extra}" in metadata


def test_the_base_needs_five_packages(wheel: Path) -> None:
    """Whatever else is needed by somebody stands behind an extra."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        needed = re.findall(r"^Requires-Dist: (.+)$", archive.read(name).decode(), re.MULTILINE)

    base = {re.split(r"[<>=\[ ]", line)[0].lower() for line in needed if "extra ==" not in line}
    assert base == {"django", "cryptography", "pyotp", "segno", "ua-parser"}


def test_extras_install_from_a_clone(clone: Path, tmp_path: Path) -> None:
    """Each extra that a page tells to install is there, and brings what it is for."""
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {extra for page in pages for extra in EXTRA.findall(page.read_text(encoding="utf-8"))}
    assert named == BROUGHT.keys()
    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"

    run(python, "-m", "pip", "install", "--quiet", f".[{','.join(sorted(named))}]", cwd=clone)

    run(python, "-c", f"import {', '.join(BROUGHT.values())}", cwd=tmp_path)


def test_a_new_project_runs_with_it(wheel: Path, tmp_path: Path) -> None:
    """A bare ``startproject`` with the few lines of the README migrates, checks and answers."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    run(python, "-m", "django", "startproject", "site_of_mine", ".", cwd=tmp_path)
    with (tmp_path / "site_of_mine" / "settings.py").open("a") as settings:
        settings.write(SETTINGS)
    with (tmp_path / "site_of_mine" / "urls.py").open("a") as urls:
        urls.write(URLS)
    manage = (python, "-W", "error", "manage.py")
    run(*manage, "check", "--fail-level", "WARNING", cwd=tmp_path)
    run(*manage, "migrate", cwd=tmp_path)
    run(*manage, "makemigrations", "--check", cwd=tmp_path)

    assert "[200, 302]" in run(*manage, "shell", "-c", VISIT, cwd=tmp_path)
