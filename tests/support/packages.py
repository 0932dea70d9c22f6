"""
Build the distributions, check them, and install each extra in a fresh environment on each
supported Python that is installed: ``make packages``, before a release.

In each environment a blank project gets the lines that use the extra, and passes its checks.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from tests.support.matrix import MATRIX, ROOT, find_python

TWINE = "twine==7.0.0"
PIP = ("-m", "pip", "--disable-pip-version-check", "install", "--quiet")
DATA = ["pyproject.toml", "setup.cfg", "MANIFEST.in", *map(str, ROOT.glob("*.md")), "LICENSE"]

PLAIN = (
    """
INSTALLED_APPS += ["sessions_plus"]
SESSION_ENGINE = "sessions_plus.backends.db"
AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]
MIDDLEWARE = [name.replace("django.contrib.sessions", "sessions_plus") for name in MIDDLEWARE]
""",
    """
from django.urls import include
urlpatterns += [path("account/", include("sessions_plus.urls"))]
""",
)

# What a site writes to use an extra: settings and addresses. Of others it is installed, no more.
USES = {
    "redis": (
        """
SESSION_ENGINE = "sessions_plus.backends.cached_db"
CACHES = {
    "default": {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://127.0.0.1:6379/0",
    }
}
""",
        "",
    ),
    "api": ("", 'urlpatterns += [path("api/", include("sessions_plus.api.urls"))]\n'),
    "metrics": ("SESSIONS_PLUS_METRICS = True\n", ""),
    "geoip": ("import geoip2.database\n", ""),
}


class Failed(Exception):
    """A command failed; its output is the argument."""


@dataclass(frozen=True)
class Pair:
    python: str
    extra: str

    def __str__(self) -> str:
        return f"Python {self.python}, {self.extra or 'no extra'}"


def main() -> int:
    pythons = {version: found for version in MATRIX if (found := find_python(version))}
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        wheel = build(work)
        pairs = [Pair(*pair) for pair in product(pythons, ["", *extras_of(wheel)])]
        with ThreadPoolExecutor(max_workers=2) as pool:
            failed = [*pool.map(lambda pair: try_pair(pair, pythons[pair.python], wheel), pairs)]
    for version in MATRIX.keys() - pythons:
        print(f"Python {version}: not exercised here: not installed")
    return int(any(failed))


def build(work: Path) -> Path:
    """Make sdist and wheel of what is here, look at both, and return the wheel."""
    tree, tools = work / "tree", work / "tools"
    tree.mkdir()
    for name in DATA:
        shutil.copy(ROOT / name, tree)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "sessions_plus", tree / "sessions_plus", ignore=ignored)
    run(sys.executable, "-m", "build", "--no-isolation", cwd=tree)
    run(sys.executable, "-m", "venv", tools, cwd=work)
    python = tools / "bin" / "python"
    run(python, *PIP, TWINE, cwd=work)
    built = sorted((tree / "dist").iterdir())
    print(run(python, "-m", "twine", "check", "--strict", *built, cwd=work).strip())
    return next(path for path in built if path.suffix == ".whl")


def extras_of(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("METADATA"))
        lines = archive.read(name).decode().splitlines()
    return [line.partition(": ")[2] for line in lines if line.startswith("Provides-Extra: ")]


def try_pair(pair: Pair, program: str, wheel: Path) -> bool:
    """Say how it went, and return whether it failed."""
    with tempfile.TemporaryDirectory() as name:
        try:
            install_and_check(pair, program, wheel, Path(name))
        except Failed as error:
            print(f"{pair}: FAILED\n{error}", flush=True)
            return True
    print(f"{pair}: installed and checked", flush=True)
    return False


def install_and_check(pair: Pair, program: str, wheel: Path, work: Path) -> None:
    run(program, "-m", "venv", work / "venv", cwd=work)
    python = work / "venv" / "bin" / "python"
    run(python, *PIP, f"{wheel}[{pair.extra}]" if pair.extra else wheel, cwd=work)
    run(python, "-m", "pip", "check", cwd=work)
    run(python, "-m", "django", "startproject", "mysite", ".", cwd=work)
    for lines in (PLAIN, USES.get(pair.extra, ("", ""))):
        for file, text in zip(("settings.py", "urls.py"), lines, strict=True):
            with (work / "mysite" / file).open("a") as opened:
                opened.write(text)
    run(python, "-W", "error", "manage.py", "check", "--fail-level", "WARNING", cwd=work)
    run(python, "-W", "error", "manage.py", "migrate", "--verbosity", "0", cwd=work)


def run(*command: str | Path, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(done.stdout + done.stderr)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
