"""The session's dictionary as bytes, by the site's ``SESSION_SERIALIZER``."""

from __future__ import annotations

from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from sessions_plus.exceptions import NotSerialisable


class Serializer(Protocol):
    """What Django asks of a ``SESSION_SERIALIZER``."""

    def dumps(self, obj: Any) -> bytes: ...

    def loads(self, data: bytes) -> Any: ...


def serializer() -> Serializer:
    made: Serializer = import_string(settings.SESSION_SERIALIZER)()
    return made


def encode(data: dict[str, Any]) -> bytes:
    """
    Return the dictionary's bytes.

    Raises:
        NotSerialisable: a value cannot be stored; the message names its key.
    """
    codec = serializer()
    try:
        return codec.dumps(data)
    except (TypeError, ValueError) as error:
        raise NotSerialisable(_what_is_wrong(codec, data) or str(error)) from error


def decode(payload: bytes | None) -> dict[str, Any]:
    """Return the dictionary that was encoded; nothing stored is an empty one."""
    decoded: dict[str, Any] = serializer().loads(payload) if payload else {}
    return decoded


def _what_is_wrong(codec: Serializer, data: dict[str, Any]) -> str | None:
    for key, value in data.items():
        try:
            codec.dumps({key: value})
        except (TypeError, ValueError):
            return (
                f"The session's value for {key!r} ({type(value).__name__}) cannot be stored by "
                f"{settings.SESSION_SERIALIZER}. Store a str, number, bool, None, list or dict."
            )
    return None
