"""The schema says what the API does, and the API does what the schema says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no stubs
import pytest
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from sessions_plus.api.docs import ERRORS
from sessions_plus.api.errors import STATUS
from sessions_plus.api.schema import SETTINGS, OwnGenerator
from sessions_plus.api.urls import urlpatterns
from tests.tokens.factories import new_tokens

# They end the session that asks, so they come last.
ENDING = ("revoke_all", "logout", "session_revoke", "device_revoke", "staff_revoke_all")

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
)


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    with patched_settings(SETTINGS):
        generator: Any = OwnGenerator(urlconf="tests.urls")
        made: dict[str, Any] = generator.get_schema(request=None, public=True)
    return json.loads(json.dumps(made))  # as it is served


def operations(schema: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    ]


def test_valid(schema: dict[str, Any]) -> None:
    """The schema is valid OpenAPI 3.1."""
    assert schema["openapi"] == "3.1.0"
    validate_schema(schema)


def test_every_endpoint_is_there(schema: dict[str, Any]) -> None:
    """Each method of each endpoint is described, once, and no other."""
    described = [operation["operationId"] for _, _, operation in operations(schema)]
    views: list[Any] = [pattern.callback for pattern in urlpatterns]
    methods = ("get", "post", "put", "patch", "delete")
    served = sum(hasattr(view.cls, method) for view in views for method in methods)

    assert len(described) == len(set(described)) == served


def test_every_error_is_shown(schema: dict[str, Any]) -> None:
    """Each error's code stands in an example, with the status it has."""
    shown = {
        (example["value"]["code"], int(status))
        for _, _, operation in operations(schema)
        for status, response in operation["responses"].items()
        if int(status) >= 400
        for example in response["content"]["application/json"]["examples"].values()
    }

    assert shown == {(code, status) for code, (status, _) in ERRORS.items()}
    assert {code: ERRORS[code][0] for code in STATUS} == dict(STATUS)


def test_examples_fit(schema: dict[str, Any]) -> None:
    """Each example of a body is one that its schema allows."""
    for _, _, operation in operations(schema):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if content is None:
            continue
        assert content["examples"]
        for example in content["examples"].values():
            allowed = {**content["schema"], "components": schema["components"]}
            jsonschema.validate(example["value"], allowed)


def run_schemathesis(url: str, path: Path, access: str, *options: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "schemathesis.cli", "run", str(path), "--url", url]
    command += ["-H", f"Authorization: Bearer {access}", "--checks", ",".join(CHECKS)]
    command += ["--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color", *options]
    done = subprocess.run(
        command, cwd=path.parent, capture_output=True, text=True, timeout=300, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_schemathesis(
    schema: dict[str, Any],
    staff: Any,
    live_server: LiveServer,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """Whatever is sent: no fault of ours, no undocumented status, no answer of another shape."""
    pytest.importorskip("schemathesis")
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = {"requests": None, "sign_in": None, "refresh": None}
    path = tmp_path / "schema.json"
    path.write_text(json.dumps(schema))
    excluded = [part for name in ENDING for part in ("--exclude-operation-id", name)]
    included = [part for name in ENDING for part in ("--include-operation-id", name)]
    fuzz = ["--max-examples", "5"]

    first = new_tokens(staff, methods=("pwd", "otp")).access
    code, said = run_schemathesis(live_server.url, path, first, *excluded, *fuzz)
    assert code == 0, said[-6000:]

    second = new_tokens(staff, methods=("pwd", "otp")).access
    code, said = run_schemathesis(live_server.url, path, second, *included, *fuzz)
    assert code == 0, said[-6000:]
