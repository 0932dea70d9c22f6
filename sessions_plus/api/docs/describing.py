"""How an operation is described: its shapes, and every error that it may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    OpenApiResponse,
    extend_schema,
)
from rest_framework import serializers

from sessions_plus.api.bodies import Body
from sessions_plus.api.docs.errors import (
    ALWAYS,
    ERRORS,
    READS_BODY,
    SIGNED_IN,
    STORES,
    WRITING,
)
from sessions_plus.api.docs.shapes import (
    Error,
    SecondFactorNeeded,
)
from sessions_plus.api.pages import MAX_PAGE_SIZE
from sessions_plus.named_types import AnyView

F = TypeVar("F", bound=AnyView)

Shape = type[serializers.Serializer[Any]]  # of whatever it shows


def page_of(shape: Shape) -> Shape:
    fields = {
        "next": serializers.URLField(allow_null=True, help_text="The older ones."),
        "previous": serializers.URLField(allow_null=True, help_text="The newer ones."),
        "results": shape(many=True),
    }
    return type(
        f"{shape.__name__.removesuffix('Serializer')}Page", (serializers.Serializer,), fields
    )


PAGING = (
    OpenApiParameter("cursor", OpenApiTypes.STR, description="As in `next` and `previous`."),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE},
        description="50 without it.",
    ),
)


def _responses(codes: Iterable[str]) -> dict[int, OpenApiResponse]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(ERRORS[code][0], []).append(code)
    return {status: _error_response(status, found) for status, found in sorted(by_status.items())}


def _error_response(status: int, codes: list[str]) -> OpenApiResponse:
    shape = SecondFactorNeeded if "second_factor_required" in codes else Error
    return OpenApiResponse(
        shape,
        description="\n".join(f"* `{code}`: {ERRORS[code][1]}" for code in codes),
        examples=[
            OpenApiExample(
                code,
                value={"code": code, "detail": ERRORS[code][1]},
                response_only=True,
                status_codes=[str(status)],
            )
            for code in codes
        ],
    )


def described(**facts: Any) -> Callable[[F], F]:  # extend_schema() says what each is
    """``extend_schema``, also where the site's own default is another schema class."""

    def describe(method: F) -> F:
        method.kwargs = {"schema": AutoSchema}  # type: ignore[attr-defined]  # as @action has
        return extend_schema(**facts)(method)

    return describe


def operation(
    name: str,
    summary: str,
    *,
    tag: str,
    shows: Shape | None = None,
    status: int = 200,
    reads: type[Body] | None = None,
    example: Mapping[str, object] | None = None,
    errors: Iterable[str] = (),
    is_safe: bool = False,
    is_open: bool = False,
    is_list: bool = False,
    parameters: Iterable[OpenApiParameter] = (),
    to_tokens: Shape | None = None,
) -> Callable[[F], F]:
    """
    Describe one operation.

    ``is_open``: without signing in, so by neither cookie nor header. ``to_tokens``: what is
    answered, with 200, where an access token came.
    """
    codes = [*ALWAYS, *errors]
    codes += [] if is_open else SIGNED_IN
    codes += [] if is_safe else [*READS_BODY, *STORES]
    codes += ["invalid"] if is_list else []
    codes += [] if is_safe or is_open else WRITING
    examples = [OpenApiExample(name, value=dict(example), request_only=True)] if example else []
    return described(
        operation_id=name,
        summary=summary,
        tags=[tag],
        request=reads,
        responses={
            status: OpenApiResponse(shows, description="Done.") if shows else None,
            **({200: OpenApiResponse(to_tokens, description="Done.")} if to_tokens else {}),
            **_responses(codes),
        },
        examples=examples,
        parameters=[*(PAGING if is_list else ()), *parameters],
        auth=[] if is_open else None,
    )


def named(kind: str) -> OpenApiParameter:
    return OpenApiParameter(
        "public_id", OpenApiTypes.STR, OpenApiParameter.PATH, description=f"Of the {kind}: a UUID."
    )
