"""Tokens as a stranger would make them: by hand, and with a library that the app does not use."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
from django.http import HttpRequest
from django.test import RequestFactory
from django.utils import timezone

from sessions_plus.tokens import jose, keys, refresh


def new_request(**headers: str) -> HttpRequest:
    """Return a request from somewhere, as the views get it."""
    return RequestFactory().post("/", headers=headers)


def new_tokens(user: Any, *, methods: tuple[str, ...] = ("pwd",), **options: Any) -> refresh.Tokens:
    """Sign a person in by program."""
    user.backend = "django.contrib.auth.backends.ModelBackend"
    request = new_request(**{"user-agent": "shop/1.0"})
    return refresh.sign_in(request, user, methods=methods, now=timezone.now(), **options)


def part(value: Any) -> str:
    """Return one part of a token: base64url without padding."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def opened(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def header_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = opened(token.partition(".")[0])
    return found


def claims_of(token: str) -> dict[str, Any]:
    found: dict[str, Any] = opened(token.split(".")[1])
    return found


def signed(header: bytes | dict[str, Any], payload: bytes | dict[str, Any]) -> str:
    """Sign any header and payload with the site's own key: what only its owner could do."""
    signer = keys.get_signer(timezone.now())
    body = f"{part(header)}.{part(payload)}"
    name = "ES256" if signer.algorithm == "ES256" else "EdDSA"
    algorithm = jwt.get_algorithm_by_name(name)
    private = algorithm.from_jwk(jose.key_to_jwk(signer.key).decode())
    return f"{body}.{part(algorithm.sign(body.encode(), private))}"


def changed(token: str, **claims: Any) -> str:
    """Return a token like ``token`` with other claims, signed by the site. None: left out."""
    found = claims_of(token) | claims
    kept = {name: value for name, value in found.items() if value is not None}
    return signed(header_of(token), kept)
