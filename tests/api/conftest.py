"""Callers of the API: by token, by cookie, and by nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client, RequestFactory
from django.urls import reverse

from sessions_plus.tokens.refresh import Tokens
from tests.tokens.factories import new_tokens

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class Caller:
    """
    Speaks JSON to the API: ``call("post", "token_issue", {"username": …})``.

    As a browser would, it sends the CSRF token only if told to.
    """

    def __init__(self, access: str | None = None) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=True)
        self.access = access
        self.sends_csrf = True

    def __call__(
        self,
        method: str,
        name: str,
        body: Any = None,
        *,
        args: tuple[Any, ...] = (),
        headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> Any:
        given = {"user-agent": "shop/1.0", **(headers or {})}
        if self.access is not None:
            given["authorization"] = f"Bearer {self.access}"
        csrf = self.client.cookies.get("csrftoken")
        if csrf is not None and self.sends_csrf:
            given["x-csrftoken"] = csrf.value
        if method not in ("get", "head"):
            text = json.dumps(body) if body is not None else ""
            extra = {"data": text, "content_type": "application/json"} | extra
        return getattr(self.client, method)(f"/api/{path_of(name, args)}", headers=given, **extra)


def path_of(name: str, args: tuple[Any, ...] = ()) -> str:
    return reverse(f"sessions_plus_api:{name}", args=args).removeprefix("/api/")


@pytest.fixture
def tokens(user: Any) -> Tokens:
    """Ann's program is signed in."""
    return new_tokens(user)


@pytest.fixture
def program(tokens: Tokens) -> Caller:
    return Caller(tokens.access)


@pytest.fixture
def web(user: Any, password: str) -> Caller:
    """Ann's browser is signed in, with a CSRF token."""
    caller = Caller()
    give_csrf_token(caller)
    response = caller("post", "login", {"username": "ann", "password": password})
    assert response.status_code == 200, response.content
    return caller


@pytest.fixture
def stranger() -> Caller:
    return Caller()


def give_csrf_token(caller: Caller) -> None:
    """Give a browser what any page of the site with a form gives it."""
    from django.middleware.csrf import get_token

    caller.client.cookies["csrftoken"] = get_token(RequestFactory().get("/"))[:32]
