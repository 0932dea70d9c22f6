"""The pages "I have a site with …" work as they stand: a new project, done line by line."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.support.fresh_projects import ADA, QUIET, ROOT, SUPERUSER, Project, blocks
from tests.support.services.process import PATIENCE_SECONDS, Server, free_port

PAGES = sorted(str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs/start").glob("*.md"))
DJANGO = "start/django.md"
TWO_SCREENS = 90  # lines
FIVE_MINUTES = 300  # it takes some seconds
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.start(tmp_path)


@pytest.fixture
def server(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """What the last line of step 3 starts, on a port that is free."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("DJANGO_SETTINGS_MODULE", raising=False)
    port = free_port()
    command = [sys.executable, *QUIET, "manage.py", "runserver", "--noreload", str(port)]
    url = f"http://127.0.0.1:{port}"
    server = Server("the site", command, port, url, project.directory, lambda: serves(url))
    yield server
    server.stop()


def serves(url: str) -> bool:
    try:
        return httpx.get(f"{url}/account/login/", timeout=PATIENCE_SECONDS).is_success
    except httpx.TransportError:
        return False


def browser(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, follow_redirects=True)


def sign_in(client: httpx.Client, page: str = "/account/login/") -> httpx.Response:
    """As a person does: see the form, fill it in, send it."""
    token = TOKEN.search(client.get(page).text)
    assert token is not None
    return client.post(page, data={**ADA, "csrfmiddlewaretoken": token[1]})


def test_five_minutes(project: Project, server: Server) -> None:
    """From a blank project to the page of devices, on a real server, by the page's own lines."""
    began = time.monotonic()
    project.follow(DJANGO)
    server.start()

    with browser(server.url) as here, browser(server.url) as there:
        sign_in(here)
        sign_in(there)
        page = here.get("/account/devices/")
        token = TOKEN.search(page.text)
        revoke = re.search(r"/account/devices/sessions/[\w-]+/revoke/", page.text)
        assert token is not None
        assert revoke is not None
        here.post(revoke[0], data={"csrfmiddlewaretoken": token[1]})
        ended = there.get("/account/devices/")

    assert page.text.count("This device") == 1
    assert ended.url.path == "/account/login/"
    assert time.monotonic() - began < FIVE_MINUTES


SECOND_FACTOR = """
import re

import pyotp
from django.test import Client

ada = {"username": "ada", "password": "a phrase of ada's"}
phone = Client()
phone.post("/account/login/", ada)
begun = phone.post("/account/security/totp/begin/", follow=True).content.decode()
app = pyotp.TOTP(re.search("secret=([A-Z2-7]+)", begun)[1])
phone.post("/account/security/totp/", {"code": app.now()})
asked = Client().post("/account/login/", ada)
private = Client().get("/account/security/")
print(asked["Location"].partition("?")[0], private["Location"].partition("?")[0])
"""


def test_the_second_factor(project: Project) -> None:
    """With the first lines of its page alone somebody sets it up, and is asked for it."""
    settings = next(block for block in blocks(DJANGO) if block.startswith("# settings.py"))
    for block in (settings, *blocks("mfa.md")[:2]):
        project.append(f"{block[2:].partition('.')[0]}.py", block)
    project.manage("check", "--fail-level", "WARNING")
    project.manage("migrate", "--verbosity", "0")
    project.manage("createsuperuser", "--noinput", **SUPERUSER)

    assert project.shell(SECOND_FACTOR).split() == ["/account/challenge/", "/account/login/"]


def test_few_lines() -> None:
    """At most five lines of settings, and one of addresses beside its import."""
    settings, urls = (
        [line for line in block.splitlines()[1:] if line and not line.startswith("from ")]
        for block in blocks(DJANGO)
        if block.startswith("# ")
    )

    assert len(settings) <= 5
    assert len(urls) == 1


MISSING = [
    ("nothing but the app", 0, ["manage.py migrate", "E104", "E101", "W102", "nowhere"]),
    ("the settings, no addresses", 1, ["manage.py migrate", "nowhere"]),
    ("all but migrate", 2, ["manage.py migrate"]),
]


@pytest.mark.parametrize(("what", "followed", "said"), MISSING, ids=[what for what, *_ in MISSING])
def test_the_doctor_says_what_is_missing(
    project: Project, what: str, followed: int, said: list[str]
) -> None:
    """Whoever stops half-way is told each thing that is left, and what to write."""
    settings, urls = (block for block in blocks(DJANGO) if block.startswith("# "))
    project.append("settings.py", settings if followed else 'INSTALLED_APPS += ["sessions_plus"]')
    if followed > 1:
        project.append("urls.py", urls)

    done = project.tried("manage.py", "sessionsdoctor")

    assert done.returncode == 1
    assert [words for words in said if words not in done.stdout] == [], done.stdout
    assert ("nowhere" in done.stdout) == ("nowhere" in said)
    if not followed:
        assert "Put 'sessions_plus.middleware.SessionMiddleware' in its place." in done.stdout


def test_the_doctor_is_content(project: Project) -> None:
    """Who did everything is told of no problem, and where the pages are."""
    project.follow(DJANGO)

    assert "/account/devices/" in project.manage("sessionsdoctor")


PROGRAM = """
import json
from django.test import Client

user = json.dumps({"username": "ada", "password": "a phrase of ada's"})
tokens = Client().post(SIGN_IN, user, "application/json").json()
bearer = {"Authorization": f"Bearer {tokens['access']}"}
before = Client().get("/whoami/", headers=bearer)
refreshed = Client().post(
    REFRESH, json.dumps({"refresh": tokens["refresh"]}), "application/json"
).json()

browser = Client()
browser.post("/account/login/", {"username": "ada", "password": "a phrase of ada's"})
listed = browser.get("/account/devices/").content.decode()
session = tokens["session"]
browser.post(f"/account/devices/sessions/{session}/revoke/")
after = Client().get("/whoami/", headers=bearer)
is_next = refreshed["refresh"] != tokens["refresh"]
print(before.json(), is_next, session in listed, after.status_code)
"""

WHOAMI = """
from rest_framework.decorators import api_view
from rest_framework.response import Response


@api_view()
def whoami(request):
    return Response(request.user.get_username())


urlpatterns += [path("whoami/", whoami)]
"""


def test_rest_framework(project: Project) -> None:
    """A program signs in, calls a view of the site, and is signed out from the page of devices."""
    project.append("settings.py", 'INSTALLED_APPS += ["rest_framework"]')
    project.append("urls.py", WHOAMI)
    project.follow("start/rest-framework.md")

    where = 'SIGN_IN, REFRESH = "/api/auth/tokens/", "/api/auth/tokens/refresh/"\n'
    assert project.shell(where + PROGRAM).split() == ["ada", "True", "True", "401"]


@pytest.mark.parametrize("page", PAGES)
def test_is_short(page: str) -> None:
    """Each of these pages is read in two screens, and has the same four steps."""
    text = (ROOT / "docs" / page).read_text()

    assert len(text.splitlines()) <= TWO_SCREENS
    steps = re.findall(r"^## (\d)\.", text, re.MULTILINE)
    assert steps == ["1", "2", "3", "4"]


def test_each_block_says_where_it_belongs() -> None:
    """A block of code that no test would apply is none."""
    for page in PAGES:
        for block in blocks(page):
            assert re.match(r"# [\w/]+\.py(, at the end)?\n|python |django-admin ", block), block
