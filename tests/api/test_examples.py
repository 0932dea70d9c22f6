"""What the documentation shows runs as it stands there."""

from __future__ import annotations

import importlib.util
import re
import shutil
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from sessions_plus.api.docs.errors import ERRORS
from sessions_plus.models import Device, Session
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db(transaction=True)

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "api.md").read_text()


@pytest.fixture(scope="module")
def example() -> Any:
    """The example client, imported as a site's own module would be."""
    spec = importlib.util.spec_from_file_location("example_client", DOCS / "examples/client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def api(example: Any, live_server: LiveServer, tmp_path: Path) -> Any:
    return example.ApiClient(f"{live_server.url}/api/", example.TokenFile(tmp_path / "tokens"))


def no_code() -> str:
    pytest.fail("a code was asked for")


def test_client(api: Any, user: Any, password: str, tmp_path: Path) -> None:
    """The client signs in, is a device with a name, and signs out."""
    api.sign_in("ann", password, ask_code=no_code, device_name="Ann's laptop")

    found = api.get("sessions/")["results"]
    assert [one["device"]["label"] for one in found] == ["Ann's laptop"]
    assert stat.S_IMODE((tmp_path / "tokens").stat().st_mode) == 0o600
    api.sign_out()
    assert Session.objects.get().revoked_at is not None

    api.sign_in("ann", password, ask_code=no_code)
    assert Device.objects.count() == 1


def test_client_with_a_second_factor(api: Any, user: Any, password: str) -> None:
    """The client asks for a code where one is needed."""
    app = enrol(user)

    api.sign_in("ann", password, ask_code=app.code)

    assert api.get("mfa/")["recovery_codes_left"] == 10


def test_client_refreshes(api: Any, user: Any, password: str, settings: Settings) -> None:
    """Threads whose access token has expired go on with one refresh."""
    settings.SESSIONS_PLUS_ACCESS_TOKEN_LIFETIME = timedelta(seconds=1)
    api.sign_in("ann", password, ask_code=no_code)
    old = api.tokens["refresh"]
    settings.SESSIONS_PLUS_ACCESS_TOKEN_LIFETIME = timedelta(minutes=5)
    api.tokens["access"] = "a.b.c"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: api.get("devices/"), range(4)))

    assert all(one["results"] for one in found)
    assert api.tokens["refresh"] != old
    assert Session.objects.get().revoked_at is None


def test_client_keeps_the_tokens_of_a_proof(api: Any, user: Any, password: str) -> None:
    """Who proves something by a request goes on with the tokens that it is answered with."""
    api.sign_in("ann", password, ask_code=no_code)
    before = dict(api.tokens)

    api.request("POST", "reauthenticate/", {"password": password})
    assert api.tokens["refresh"] != before["refresh"]
    api.tokens["access"] = "a.b.c"

    assert api.get("devices/")["results"]


def test_client_keeps_the_tokens_of_a_new_factor(api: Any, user: Any, password: str) -> None:
    """Who adds a second factor goes on with the tokens inside the answer."""
    api.sign_in("ann", password, ask_code=no_code)
    secret = api.request("POST", "mfa/totp/")["secret"]

    api.request("POST", "mfa/totp/confirm/", {"code": App.typed(secret).code()})
    api.tokens["access"] = "a.b.c"

    assert api.get("devices/")["results"]


def test_client_tells_errors(example: Any, api: Any, user: Any) -> None:
    """An error has the API's code."""
    with pytest.raises(example.ApiError) as refused:
        api.sign_in("ann", "wrong", ask_code=no_code)

    assert (refused.value.status, refused.value.code) == (401, "invalid_credentials")


def test_client_tells_of_a_page(example: Any, api: Any, user: Any, password: str) -> None:
    """An answer that is a page, as a proxy gives, is an error like any other."""
    api.sign_in("ann", password, ask_code=no_code)

    with pytest.raises(example.ApiError) as refused:
        api.get("nothing/")

    assert (refused.value.status, refused.value.code) == (404, "unknown")


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="no curl or no jq")
def test_walk_with_curl(live_server: LiveServer, user: Any, password: str, tmp_path: Path) -> None:
    """The commands of the page, one after the other, do what it says."""
    script = "\n".join(re.findall(r"```bash\n(.*?)```", PAGE, flags=re.DOTALL))
    names = {"BASE": f"{live_server.url}/api", "USERNAME": "ann", "PASSWORD": password}

    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **names},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert "api\tMy laptop\ttrue" in done.stdout
    assert "Kitchen laptop" in done.stdout
    assert "the same" in done.stdout
    assert done.stdout.rstrip().endswith("invalid_token")


def test_every_code_is_on_the_page() -> None:
    """The page's table has each error's code beside its status."""
    rows = dict(re.findall(r"^\| (\d{3}) \| (.*) \|$", PAGE, flags=re.MULTILINE))

    for code, (status, _) in ERRORS.items():
        assert f"`{code}`" in rows[str(status)], code
