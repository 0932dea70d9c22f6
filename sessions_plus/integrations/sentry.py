"""
Sentry: what it sends of a failure shows no password, code, key or token.

    from sessions_plus.integrations.sentry import scrub

    sentry_sdk.init(dsn=…, before_send=scrub, before_send_transaction=scrub)

It may be named in the settings module: nothing is read before something fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve

from sessions_plus.error_reports import (
    KEYS_PASS,
    TYPED_PASSES,
    is_named_as_secret,
    secret_cookies,
)
from sessions_plus.named_types import JsonObject

MASK = "[Filtered]"
"""As Sentry's own."""


def scrub(event: JsonObject, hint: object) -> JsonObject:
    """
    Mask what is secret in an event that Sentry is about to send.

    What is in a dictionary under the name of a secret, at any depth; our cookies; all variables
    of what handles session keys and of forms, where a password is called ``value``; and the
    tokens of its address, as of a link in a mail. Besides what Sentry masks by itself.
    """
    for part in _parts(event):
        _mask(part)
    for frame in _frames(event):
        if str(frame.get("module")).startswith((*KEYS_PASS, *TYPED_PASSES)):
            frame["vars"] = dict.fromkeys(frame.get("vars") or {}, MASK)
    address = _inside(event, "request").get("url")
    for token in _tokens_in(address) if isinstance(address, str) else ():
        _replace(event, token)
    return event


def _parts(event: JsonObject) -> Iterator[object]:
    """Yield what holds values that the site or its visitors named."""
    request = _inside(event, "request")
    yield from (request.get(name) for name in ("headers", "cookies", "data", "env"))
    yield from (event.get(name) for name in ("extra", "user"))
    yield from (crumb.get("data") for crumb in _inside(event, "breadcrumbs").get("values") or ())
    yield from (span.get("data") for span in event.get("spans") or ())
    yield from (frame.get("vars") for frame in _frames(event))


def _frames(event: JsonObject) -> Iterator[JsonObject]:
    holders = [event]
    for name in ("exception", "threads"):
        holders += _inside(event, name).get("values") or []
    for holder in holders:
        yield from _inside(holder, "stacktrace").get("frames") or ()


def _inside(holder: JsonObject, name: str) -> JsonObject:
    found: JsonObject = holder.get(name) or {}
    return found


def _mask(value: object) -> None:
    """Mask in place what has the name of a secret."""
    if isinstance(value, dict):
        cookies = secret_cookies()
        for name, inner in value.items():
            if isinstance(name, str) and (name in cookies or is_named_as_secret(name)):
                value[name] = MASK
            else:
                _mask(inner)
    elif isinstance(value, list):
        for inner in value:
            _mask(inner)


def _tokens_in(address: str) -> list[str]:
    """Return what its route calls by the name of a secret."""
    try:
        found = resolve(urlsplit(address).path).kwargs
    except Resolver404:
        return []
    return [str(value) for name, value in found.items() if value and is_named_as_secret(name)]


def _replace(value: object, token: str) -> object:
    """Return it without the token, which a request's ``repr`` has in its path, for one."""
    if isinstance(value, str):
        return value.replace(token, MASK)
    if isinstance(value, dict | list):
        for at, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            value[at] = _replace(inner, token)
    return value
