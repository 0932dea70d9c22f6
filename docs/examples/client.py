"""
A client of the API in one file, with nothing but Python's own library.

    session = ApiClient("https://shop.example/api/", TokenFile("tokens.json"))
    session.sign_in("ann", password, ask_code=lambda: input("Code: "))
    for found in session.get("sessions/")["results"]:
        print(found["device"]["label"], found["last_activity"])
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict, cast
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import Request, urlopen

TIMEOUT_SECONDS = 10


class Tokens(TypedDict, total=False):
    """What is worth keeping. Whoever reads it is signed in: keep it as you keep a password."""

    access: str
    refresh: str
    device_token: str


class ApiError(Exception):
    """The API refused. ``code`` is stable, so decide by it; ``detail`` is for people."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("code", "unknown"))
        self.detail = str(body.get("detail", ""))
        self.body = body
        super().__init__(f"{self.status} {self.code}: {self.detail}")


class TokenFile:
    """Tokens in a file that only its owner can read."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def load(self) -> Tokens:
        if not self.path.exists():
            return {}
        return cast(Tokens, json.loads(self.path.read_text()))

    def save(self, tokens: Tokens) -> None:
        """Replace the file whole, so that a crash leaves the old tokens or the new."""
        new = self.path.with_suffix(".new")
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(tokens, file)
        new.replace(self.path)


class ApiClient:
    """Signs in once, then refreshes its tokens by itself. Safe to use from several threads."""

    def __init__(self, base_url: str, store: TokenFile) -> None:
        self.base_url = base_url
        self.store = store
        self.tokens = store.load()
        self._refreshing = threading.Lock()

    def sign_in(
        self, username: str, password: str, *, ask_code: Callable[[], str], device_name: str = ""
    ) -> None:
        """Sign in. ``ask_code`` is called where the account has a second factor."""
        proof = {"username": username, "password": password}
        about = {"device_name": device_name} if device_name else {}
        if "device_token" in self.tokens:  # so that it is the same device again
            about["device_token"] = self.tokens["device_token"]
        try:
            got = self._send("POST", "tokens/", proof | about)
        except ApiError as error:
            if error.code != "second_factor_required":
                raise
            proof = {"challenge": error.body["challenge"], "code": ask_code()}
            got = self._send("POST", "tokens/challenge/", proof | about)
        self._keep(got)

    def sign_out(self) -> None:
        """End the session. Its device stays known."""
        self._send("POST", "tokens/revoke/", {"refresh": self.tokens["refresh"]})
        self.tokens.pop("access")
        self.tokens.pop("refresh")
        self.store.save(self.tokens)

    def get(self, path: str) -> dict[str, Any]:
        return self.request("GET", path)

    def request(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """
        Send a request; if the access token has expired, refresh it once and try again.

        What proves something, as ``reauthenticate/`` does, is answered with new tokens, or has
        them in ``tokens``, as where a second factor is added. They are kept.
        """
        access = self.tokens["access"]
        try:
            got = self._send(method, path, body, access=access)
        except ApiError as error:
            if error.code != "invalid_token":
                raise
            self._refresh(instead_of=access)
            got = self._send(method, path, body, access=self.tokens["access"])
        new = got.get("tokens", got)
        if "refresh" in new:
            self._keep(new)
        return got

    def _refresh(self, *, instead_of: str) -> None:
        with self._refreshing:
            if self.tokens["access"] != instead_of:
                return  # another thread was first
            # If the answer is lost, asking again brings the same tokens.
            self._keep(self._send("POST", "tokens/refresh/", {"refresh": self.tokens["refresh"]}))

    def _keep(self, got: dict[str, Any]) -> None:
        for name in ("access", "refresh", "device_token"):
            if name in got:
                self.tokens[name] = got[name]
        self.store.save(self.tokens)

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        *,
        access: str | None = None,
    ) -> dict[str, Any]:
        request = Request(urljoin(self.base_url, path), method=method)  # noqa: S310 - our own URL
        request.add_header("User-Agent", "example-client/1.0")
        if access is not None:
            request.add_header("Authorization", f"Bearer {access}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS) as response:  # noqa: S310
                return cast(dict[str, Any], json.loads(response.read() or b"{}"))
        except HTTPError as error:
            raise ApiError(error.code, _body_of(error)) from None


def _body_of(error: HTTPError) -> dict[str, Any]:
    """Return what the API says; nothing where a proxy answered in its place, with a page."""
    try:
        return cast(dict[str, Any], json.loads(error.read() or b"{}"))
    except ValueError:
        return {}
