"""schemathesis asks the demo, as its own settings, addresses, people and server make it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.support.demo import PASSWORD, ROOT, Demo, program
from tests.support.services.process import Server, new_directory

pytestmark = pytest.mark.services

CONFIG = Path(__file__).with_name("schemathesis.toml")

# Of use with a code, a challenge or an authenticator only; tests/api/test_mfa.py has them.
NEEDS_A_FACTOR = {
    "login_challenge",
    "recovery_codes",
    "token_challenge",
    "totp_confirm",
    "totp_remove",
}
# Of use with a passkey's signature only, or to who has one; tests/api/test_passkeys.py has them.
NEEDS_A_PASSKEY = {
    "passkey_confirm",
    "passkey_remove",
    "reauthenticate_passkey",
    "reauthenticate_passkey_options",
    "token_challenge_passkey",
    "token_challenge_passkey_options",
    "token_passkey",
}
CALLERS = [
    # A program asks no form for a CSRF token, so it cannot sign in to the session cookie.
    pytest.param(
        "program", "sam", NEEDS_A_FACTOR | NEEDS_A_PASSKEY | {"login"}, id="staff, by token"
    ),
    pytest.param(
        "browser",
        "maya",
        NEEDS_A_FACTOR | NEEDS_A_PASSKEY | {"staff_session_list", "staff_revoke_all"},
        id="a customer, by cookie",
    ),
]


@pytest.fixture(scope="module")
def demo() -> Iterator[Server]:
    """The seeded demo, as an ASGI server serves it: `runserver` takes 40 ms for each answer."""
    demo = Demo(new_directory(), settings="tests.api.demo_settings")
    demo.set_up()
    server = demo.serve(
        *("-m", "uvicorn", "demo_project.asgi:application", "--app-dir", ROOT),
        port_option="--port=",
    )
    yield server
    server.stop()
    shutil.rmtree(demo.directory)


def published(demo: Server) -> dict[str, Any]:
    with program(demo.url) as client:
        schema = client.get("/api/schema/", params={"format": "json"})
    found: dict[str, Any] = schema.raise_for_status().json()
    return found


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [(path, one) for path, methods in schema["paths"].items() for one in methods.values()]


def sign_in(demo: Server, username: str) -> dict[str, Any]:
    account = {"username": username, "password": PASSWORD}
    with program(demo.url) as client:
        answer = client.post("/api/tokens/", json=account)
    tokens: dict[str, Any] = answer.raise_for_status().json()
    return tokens


def with_true_examples(schema: dict[str, Any], true: dict[str, str]) -> dict[str, Any]:
    """The schema, with these values in its examples, so that they do what they show."""
    for _, operation in operations(schema):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] in true:
                parameter["example"] = true[parameter["name"]]
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for example in content.get("examples", {}).values():
            value = example["value"]
            value.update({name: true[name] for name in value.keys() & true.keys()})
    return schema


def run_schemathesis(demo: Server, caller: str, username: str, directory: Path) -> tuple[int, str]:
    """Return how it ended and what it said; its answers are in ``directory``."""
    somebody = jwt.decode(sign_in(demo, "jonas")["access"], options={"verify_signature": False})
    true = {
        "username": username,
        "password": PASSWORD,
        "refresh": sign_in(demo, username)["refresh"],
        "user_id": somebody["sub"],
    }
    schema = with_true_examples(published(demo), true)
    (directory / "schema.json").write_text(json.dumps(schema))
    command = [sys.executable, "-m", "schemathesis.cli"]
    environment = {
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.api.schemathesis_hooks",
        "DEMO_URL": demo.url,
        "DEMO_CALLER": caller,
        "DEMO_USERNAME": username,
        "DEMO_PASSWORD": PASSWORD,
        "DEMO_ANSWERS": str(directory / "answers"),
    }
    done = subprocess.run(
        [*command, "--config-file", CONFIG, "run", "schema.json", "--url", demo.url, "--no-color"],
        cwd=directory,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("caller", "username", "of_no_use"), CALLERS)
def test_schemathesis(
    demo: Server, tmp_path: Path, caller: str, username: str, of_no_use: set[str]
) -> None:
    """
    Whatever the demo is sent: no fault of ours, no undocumented status, no answer of another shape.

    What was sent reached the views: each endpoint that this caller may use did its work.
    """
    pytest.importorskip("schemathesis")

    code, said = run_schemathesis(demo, caller, username, tmp_path)

    assert code == 0, said[-6000:]  # its last lines name the seed
    answers = (line.split() for line in (tmp_path / "answers").read_text().splitlines())
    of_use = {name for name, status in answers if status.startswith("2")}
    every = {operation["operationId"] for _, operation in operations(published(demo))}
    assert every - of_use == of_no_use
