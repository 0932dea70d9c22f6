"""What a site lacks is told by ``manage.py check`` in a line that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).resolve().parent.parent

SITE = """
import sys
from tests.settings import *

def without(name):
    sys.modules[name] = None  # importing it raises ModuleNotFoundError

def cached(backend, location=""):
    caches = {{"default": {{"BACKEND": backend, "LOCATION": location}}}}
    return {{"CACHES": caches, "SESSION_ENGINE": "sessions_plus.backends.cached_db"}}

{change}
"""
REDIS = 'globals().update(cached("django_redis.cache.RedisCache", "redis://127.0.0.1:1/0"))'
DJANGOS_REDIS = REDIS.replace("django_redis.cache", "django.core.cache.backends.redis")
MEMCACHED = DJANGOS_REDIS.replace("redis.RedisCache", "memcached.PyMemcacheCache")


def check(directory: Path, change: str, *arguments: str) -> tuple[int, str]:
    """Return the exit code of ``check`` on a site with a change, and what it said."""
    (directory / "changed_site.py").write_text(SITE.format(change=dedent(change)))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "django", "check", *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{directory}{os.pathsep}{ROOT}",
            "DJANGO_SETTINGS_MODULE": "changed_site",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            f'without("django_redis"); {REDIS}',
            ("E108", "'django_redis'", "pip install 'django-sessions-plus[redis]'"),
            id="django_redis",
        ),
        pytest.param(
            f'without("redis"); {REDIS}',
            ("E108", "'redis'", "pip install 'django-sessions-plus[redis]'"),
            id="redis below django_redis",
        ),
        pytest.param(
            f'without("redis"); {DJANGOS_REDIS}',
            ("E108", "'redis'", "pip install 'django-sessions-plus[redis]'"),
            id="redis below Django's",
        ),
        pytest.param(
            f'without("pymemcache"); {MEMCACHED}',
            ("E111", "pymemcache", "CACHES['default']['BACKEND']"),
            id="pymemcache",
        ),
        pytest.param(
            'globals().update(cached("nowhere.Cache"))',
            ("E111", "nowhere.Cache", "CACHES['default']['BACKEND']"),
            id="cache of nowhere",
        ),
        pytest.param(
            'without("geoip2"); SESSIONS_PLUS_LOCATION_DATABASE = __file__',
            ("E108", "'geoip2'", "pip install 'django-sessions-plus[geoip]'"),
            id="geoip2",
        ),
        pytest.param(
            'INSTALLED_APPS.remove("sessions_plus")',
            ("AppNotInstalled", "add 'sessions_plus'"),
            id="the app",
        ),
        pytest.param(
            'INSTALLED_APPS.remove("sessions_plus"); ROOT_URLCONF = "tests.support.sites"',
            ("AppNotInstalled", "add 'sessions_plus'"),
            id="the app, without its pages",
        ),
        pytest.param(
            'without("rest_framework"); INSTALLED_APPS.remove("rest_framework")\n'
            'ROOT_URLCONF = "sessions_plus.api.urls"',
            ("ExtraNotInstalled", 'pip install "django-sessions-plus[api]"'),
            id="rest_framework",
        ),
        pytest.param(
            'without("joserfc"); ROOT_URLCONF = "sessions_plus.api.urls"',
            ("ExtraNotInstalled", "joserfc", 'pip install "django-sessions-plus[api]"'),
            id="joserfc",
        ),
        pytest.param(
            'AUTHENTICATION_BACKENDS = ["nowhere.Backend"]',
            ("E110", "AUTHENTICATION_BACKENDS", "nowhere.Backend"),
            id="backend of nowhere",
        ),
        pytest.param(
            'SESSION_SERIALIZER = "nowhere.JSON"',
            ("E110", "SESSION_SERIALIZER", "nowhere.JSON"),
            id="serialiser of nowhere",
        ),
        pytest.param(
            'SESSION_ENGINE = "nowhere.at.all"',
            ("E104", "nowhere.at.all"),
            id="engine of nowhere",
        ),
        pytest.param(
            "del MIDDLEWARE[1]",
            ("E102", "admin.E410, which names Django's, is content with it"),
            id="our middleware",
        ),
    ],
)
def test_what_is_missing_is_told(tmp_path: Path, change: str, said: tuple[str, ...]) -> None:
    """A missing library, app or path is named with what to do, and there is no traceback."""
    code, text = check(tmp_path, change, "--deploy")  # which runs the everyday checks, too

    assert code == 1
    assert "Traceback" not in text
    for part in said:
        assert part in text


@pytest.mark.parametrize("change", ["", DJANGOS_REDIS], ids=["without a cache", "with one"])
def test_a_whole_site_hears_nothing(tmp_path: Path, change: str) -> None:
    """Where nothing is missing, all checks run, Django's own look at caches too."""
    code, text = check(tmp_path, change)

    assert (code, text) == (0, "System check identified no issues (0 silenced).\n")
