"""The session's dictionary as bytes, by the site's ``SESSION_SERIALIZER``."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from sessions_plus.exceptions import NotSerialisable
from sessions_plus.named_types import SessionData

_read_json = json.JSONDecoder().raw_decode

JSON = "django.contrib.sessions.serializers.JSONSerializer"


class Undecodable(Exception):
    """The bytes are not what the site's serializer makes."""


class Serializer(Protocol):
    """What Django asks of a ``SESSION_SERIALIZER``."""

    def dumps(self, obj: object) -> bytes: ...

    def loads(self, data: bytes) -> Any: ...  # what was dumped


def serializer() -> Serializer:
    """The site's serializer; Django, too, asks of it that it keeps nothing."""
    return _made(settings.SESSION_SERIALIZER)


def serializer_class() -> type[Serializer]:
    """What ``SESSION_SERIALIZER`` names."""
    return _imported(settings.SESSION_SERIALIZER)


@lru_cache(maxsize=8)
def _made(path: str) -> Serializer:
    return _imported(path)()


@lru_cache(maxsize=8)
def _imported(path: str) -> type[Serializer]:
    found: type[Serializer] = import_string(path)
    return found


def encode(data: SessionData) -> bytes:
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


def decode(payload: bytes | None) -> SessionData:
    """
    Return the dictionary that was encoded; nothing stored is an empty one.

    Raises:
        Undecodable: it was encoded by another serializer.
    """
    if not payload:
        return {}
    try:
        if settings.SESSION_SERIALIZER == JSON:
            # What Django's does, but for looking at what stands before and after the text.
            decoded: SessionData = _read_json(payload.decode("latin-1"))[0]
        else:
            decoded = serializer().loads(payload)
    except Exception as error:
        raise Undecodable from error  # each serializer has errors of its own
    return decoded


def may_hold(key: str, payload: bytes | None) -> bool:
    """
    Say whether the dictionary may have this key, without decoding it.

    Only Django's JSON shows its keys; of any other serializer's bytes nothing is known.
    """
    if settings.SESSION_SERIALIZER != JSON:
        return True
    return key.encode() in (payload or b"")


def _what_is_wrong(codec: Serializer, data: SessionData) -> str | None:
    for key, value in data.items():
        try:
            codec.dumps({key: value})
        except (TypeError, ValueError):
            return (
                f"The session's value for {key!r} ({type(value).__name__}) cannot be stored by "
                f"{settings.SESSION_SERIALIZER}. Store a str, number, bool, None, list or dict."
            )
    return None
