"""What can be wrong with a value of the right type, in words; None: nothing."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import urlsplit


def not_negative(value: timedelta | int | None) -> str | None:
    if isinstance(value, timedelta):
        return "it is negative" if value < timedelta(0) else None
    return "it is negative" if value is not None and value < 0 else None


def positive(value: timedelta | int | None) -> str | None:
    if isinstance(value, timedelta):
        return "it is not more than zero" if value <= timedelta(0) else None
    return "it is not more than zero" if value is not None and value <= 0 else None


def empty(value: object) -> str | None:
    return "it is empty" if isinstance(value, str) and not value.strip() else None


LISTS_OF_ADDRESSES = ("x-forwarded-for", "forwarded")


def no_header(value: str | None) -> str | None:
    if value is None:
        return None
    if value.lower() in LISTS_OF_ADDRESSES:
        return "it is a list that a client may begin; without this setting it is read, with care"
    if value.upper().startswith("HTTP_"):
        return "it is not written as it is sent, such as X-Real-IP"
    is_name = all(part.isascii() and part.isalnum() for part in value.split("-"))
    return None if is_name else "it is no name of a header, such as X-Real-IP"


# Of the forms that a name in the DNS may have; a name of one part is a machine's own.
DOMAIN = re.compile(r"(?!-)[a-z0-9-]{1,63}(\.(?!-)[a-z0-9-]{1,63})*")

SITE_DATA = ("cache", "cookies", "storage", "executionContexts", "*")


def no_site_data(values: list[str]) -> str | None:
    unknown = [value for value in values if value not in SITE_DATA]
    return f"{unknown[0]!r} is none of {', '.join(SITE_DATA)}" if unknown else None


def no_origin(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    is_origin = parts.scheme in ("http", "https") and parts.netloc and not parts.path.strip("/")
    return None if is_origin else "it is not a scheme and a host, such as https://example.com"


POLICIES = ("optional", "staff", "required")


def no_domain(value: str | None) -> str | None:
    if value is None:
        return None
    is_domain = bool(DOMAIN.fullmatch(value)) and not value.replace(".", "").isdigit()
    return None if is_domain else "it is no domain in small letters, such as example.com"


def no_origins(values: list[str]) -> str | None:
    wrong = [value for value in values if not _is_origin(value)]
    return (
        f"{wrong[0]!r} is no origin, such as https://example.com, and no android:apk-key-hash:…"
        if wrong
        else None
    )


def _is_origin(value: object) -> bool:
    if not isinstance(value, str):
        return False
    if value.startswith("android:apk-key-hash:"):
        return True
    parts = urlsplit(value)
    is_whole = value == f"{parts.scheme}://{parts.netloc}" and value == value.lower()
    return is_whole and parts.scheme in ("http", "https") and bool(parts.netloc)


def no_policy(value: object) -> str | None:
    if not isinstance(value, str) or value in POLICIES or "." in value:
        return None
    return "it is neither optional, staff or required, nor the dotted path of a function"


SHORTEST_TOKEN = 20


def guessable(value: str | None) -> str | None:
    is_short = value is not None and len(value) < SHORTEST_TOKEN
    return (
        f"it is shorter than {SHORTEST_TOKEN} characters, so it can be guessed"
        if is_short
        else None
    )


BINDINGS = ("off", "observe", "enforce")


def no_binding(value: object) -> str | None:
    if not isinstance(value, str) or value in BINDINGS or "." in value:
        return None
    return "it is neither off, observe or enforce, nor the dotted path of a function"


# Below two minutes Chromium proves its key at every request, and it signs six times in nine
# minutes at most.
SHORTEST_PROOF, LONGEST_PROOF = timedelta(minutes=3), timedelta(hours=1)


def no_proof_lifetime(value: timedelta) -> str | None:
    if SHORTEST_PROOF <= value <= LONGEST_PROOF:
        return None
    return "it is not between 3 minutes and an hour"
