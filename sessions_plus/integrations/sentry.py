"""
Sentry: what it sends of a failure shows no password, code, key or token.

    from sessions_plus.integrations.sentry import Scrubber

    sentry_sdk.init(dsn=…, send_default_pii=True, event_scrubber=Scrubber())

It may be named in the settings module: nothing is read before something fails.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.utils import AnnotatedValue, iter_event_frames

from sessions_plus.error_reports import (
    KEYS_PASS,
    TYPED_PASSES,
    is_named_as_secret,
    secret_cookies,
)


class Scrubber(EventScrubber):  # type: ignore[misc]  # Sentry's, where it is not installed
    """
    Sentry's own, which masks by a list of names; and what of ours and of Django's is secret.

    What is in a dictionary under the name of a secret, at any depth; our cookies; and all
    variables of what handles session keys and of forms, where a password is called ``value``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"recursive": True, "send_default_pii": True} | options)

    def scrub_dict(self, d: object) -> None:
        if isinstance(d, dict):
            cookies = secret_cookies()
            for name in d:
                if isinstance(name, str) and (name in cookies or is_named_as_secret(name)):
                    d[name] = _substitute()
        super().scrub_dict(d)  # and what is in it

    def scrub_event(self, event: Any) -> None:
        """Mask what is in its dictionaries, and anywhere the tokens of its address."""
        super().scrub_event(event)
        address = event.get("request", {}).get("url")
        for token in _tokens_in(address) if isinstance(address, str) else ():
            _replace(event, token)

    def scrub_frames(self, event: Any) -> None:
        super().scrub_frames(event)
        for frame in iter_event_frames(event):
            module = f"{frame.get('module') or ''}"
            if module.startswith((*KEYS_PASS, *TYPED_PASSES)) and "vars" in frame:
                frame["vars"] = dict.fromkeys(frame["vars"], _substitute())


def scrub(event: Any, hint: Any) -> Any:
    """
    Do the same as ``before_send`` and ``before_send_transaction``.

    For where ``data_collection`` is set: then Sentry asks no scrubber.
    """
    Scrubber().scrub_event(event)
    return _plain(event)


def _tokens_in(address: str) -> list[str]:
    """Return what its route calls by the name of a secret, as in a link of a mail."""
    try:
        found = resolve(urlsplit(address).path).kwargs
    except Resolver404:
        return []
    return [str(value) for name, value in found.items() if value and is_named_as_secret(name)]


def _replace(value: Any, token: str) -> Any:
    """Return it without the token, which a request's ``repr`` has in its path, for one."""
    if isinstance(value, str):
        return value.replace(token, _substitute().value)
    if isinstance(value, dict | list):
        for at, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            value[at] = _replace(inner, token)
    return value


def _plain(value: Any) -> Any:
    """Return it with the text that stands for what was masked: what is sent is made already."""
    if isinstance(value, AnnotatedValue):
        return value.value
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list) else value


def _substitute() -> AnnotatedValue:
    return AnnotatedValue.substituted_because_contains_sensitive_data()
