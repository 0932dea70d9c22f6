"""The schema says what the API does, and the API does what the schema says."""

from __future__ import annotations

import json
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # no stubs
import pytest
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema

from sessions_plus.api.docs.errors import ERRORS
from sessions_plus.api.errors import STATUS
from sessions_plus.api.schema import SETTINGS, OwnGenerator
from sessions_plus.api.urls import urlpatterns


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


def test_what_writes_may_be_refused(schema: dict[str, Any]) -> None:
    """Each operation that changes something tells what it answers where nothing is written."""
    writing = [
        operation for _, method, operation in operations(schema) if method not in ("get", "head")
    ]

    assert writing
    assert [found["operationId"] for found in writing if "503" not in found["responses"]] == []


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
