"""The API's schema as a page: what a program may ask, what to send, and every answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from drf_spectacular.settings import patched_settings

from sessions_plus.api.schema import SETTINGS, OwnGenerator


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as its body says it, with its status."""

    status: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one address. ``bodies`` are examples of what it takes, as JSON."""

    group: str
    method: str
    path: str
    summary: str
    done: str
    bodies: tuple[str, ...]
    refusals: tuple[Refusal, ...]


def api_reference(request: HttpRequest) -> HttpResponse:
    return render(request, "api_reference.html", {"groups": groups()})


@cache
def groups() -> tuple[tuple[str, tuple[Operation, ...]], ...]:
    """Return the operations under the name of what they are about."""
    with patched_settings(SETTINGS):
        generator: Any = OwnGenerator()  # type: ignore[no-untyped-call]  # drf-spectacular's
        schema = generator.get_schema(request=None, public=True)
    found = sorted(operations(schema), key=lambda one: one.group)
    return tuple((name, tuple(ones)) for name, ones in groupby(found, lambda one: one.group))


def operations(schema: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in schema["paths"].items():
        for method, described in methods.items():
            answers = described["responses"]
            yield Operation(
                group=described["tags"][0],
                method=method.upper(),
                path=path,
                summary=described["summary"],
                done=next(status for status in answers if status.startswith("2")),
                bodies=tuple(json.dumps(one) for one in examples(described.get("requestBody"))),
                refusals=tuple(
                    Refusal(status, one["code"], one["detail"].replace("`", ""))
                    for status, answer in answers.items()
                    if status.startswith(("4", "5"))
                    for one in examples(answer)
                ),
            )


def examples(described: dict[str, Any] | None) -> Iterator[Any]:
    """Yield the examples of a body, where there is one."""
    content = (described or {}).get("content", {}).get("application/json", {})
    return (example["value"] for example in content.get("examples", {}).values())
