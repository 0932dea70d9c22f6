"""
Sentry: what it sends of a failure shows no password, code, key or token.

    from sessions_plus.integrations.sentry import Scrubber

    sentry_sdk.init(dsn=…, send_default_pii=True, event_scrubber=Scrubber())

It may be named in the settings module: nothing is read before something fails.
"""

from __future__ import annotations

from typing import Any

from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.utils import AnnotatedValue, iter_event_frames

from sessions_plus.error_reports import (
    KEYS_PASS,
    TYPED_PASSES,
    is_named_as_secret,
    secret_cookies,
)

MAX_DEPTH = 12  # Sentry's own is less


class Scrubber(EventScrubber):
    """
    Sentry's own, which masks by a list of names; and what of ours and of Django's is secret.

    What is in a dictionary under the name of a secret, at any depth; our cookies; and all
    variables of what handles session keys and of forms, where a password is called ``value``.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"recursive": True, "send_default_pii": True} | options)

    def scrub_dict(self, d: object) -> None:
        super().scrub_dict(d)
        _mask(d)

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
    return event


def _mask(value: object, depth: int = 0) -> None:
    """Mask in place what has the name of a secret."""
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        cookies = secret_cookies()
        for name, inner in value.items():
            if isinstance(name, str) and (name in cookies or is_named_as_secret(name)):
                value[name] = _substitute()
            else:
                _mask(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _mask(inner, depth + 1)


def _substitute() -> AnnotatedValue:
    return AnnotatedValue.substituted_because_contains_sensitive_data()
