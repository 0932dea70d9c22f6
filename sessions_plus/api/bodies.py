"""What the API reads: a small JSON object, and only with fields that it knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import serializers
from rest_framework.exceptions import ParseError
from rest_framework.fields import empty
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer
from rest_framework.utils.encoders import JSONEncoder

from sessions_plus.api.errors import BodyTooLarge
from sessions_plus.masked import Secret

MAX_BODY_BYTES = 16 * 1024


class Encoder(JSONEncoder):
    """Writes a ``Secret`` as what it is: an answer's body is where it is meant to be seen."""

    def default(self, obj: object) -> object:
        return obj.reveal() if isinstance(obj, Secret) else super().default(obj)


class JSONAnswer(JSONRenderer):
    encoder_class = Encoder

    @sensitive_variables()
    def render(self, *args: Any, **kwargs: Any) -> bytes:  # handed on as they came
        return super().render(*args, **kwargs)


class StrictJSONParser(BaseParser):
    """
    JSON in UTF-8, of at most ``MAX_BODY_BYTES``, each name once.

    No other kind is read: what a form can send, any page on the web can (OWASP ASVS 3.5.2).
    """

    media_type = "application/json"
    renderer_class = JSONAnswer

    @sensitive_variables()
    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, object] | None = None,
    ) -> dict[str, object]:
        raw = stream.read(MAX_BODY_BYTES + 1)
        if len(raw) > MAX_BODY_BYTES:
            raise BodyTooLarge
        try:
            found = json.loads(raw.decode(), object_pairs_hook=_once, parse_constant=_refuse)
        except (ValueError, RecursionError):
            raise ParseError from None
        if not isinstance(found, dict):
            raise ParseError(_("The body must be a JSON object."))
        return found


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """
    Return an object, each of whose names is text and occurs once.

    Raises:
        ValueError: one does not; or it has half of a surrogate pair, so that no answer
            could name it.
    """
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("A name occurs twice.")
    "".join(found).encode()
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON.")


class Body(serializers.Serializer[object]):
    """A body: none of its fields may be missing, and no other may be there."""

    def to_internal_value(self, data: object) -> object:
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        if unknown:
            # Named as sent, but cut: it is an answer, not a mirror.
            raise serializers.ValidationError(
                {name[:64]: [_("There is no such field.")] for name in unknown[:8]}
            )
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """
    A string, as it is: a number or a boolean is none, and nothing is trimmed.

    ``is_secret``: its value is a ``Secret`` from here on, which no error report shows.
    """

    def __init__(self, *, is_secret: bool = False, **kwargs: Any) -> None:  # as a CharField
        self.is_secret = is_secret
        super().__init__(**{"trim_whitespace": False, **kwargs})

    def to_internal_value(self, data: object) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))

    @sensitive_variables()
    def run_validation(self, data: object = empty) -> object:
        value = super().run_validation(data)
        return Secret(value) if self.is_secret and isinstance(value, str) else value


class Nothing(Body):
    """A body without fields, which may also be left out."""
