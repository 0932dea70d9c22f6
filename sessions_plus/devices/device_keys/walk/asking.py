"""Asking the site from outside, over TLS: no redirect is followed, and nothing is kept."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPResponse, HTTPSConnection
from http.cookies import CookieError, Morsel, SimpleCookie
from urllib.parse import urlencode, urlsplit

PATIENCE_SECONDS = 10
LONGEST_BODY = 65536

# As Chromium asks there by itself.
BY_ITSELF = {
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "no-cors",
    "Sec-Fetch-Dest": "empty",
    "User-Agent": "sessionsdoctor",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: the names of ``headers`` in lower case, each cookie that was set by name."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    cookies: Mapping[str, Morsel[str]] = field(default_factory=dict)
    body: bytes = b""


class Site:
    """A site as browsers find it: its address begins with ``https://``."""

    def __init__(self, address: str, *, authorities: str | None = None) -> None:
        """
        ``authorities``: a file of certificates to trust beside none of the machine's.

        Raises:
            ValueError: no such address.
            OSError: no such file, or there is no certificate in it.
        """
        parts = urlsplit(address)
        if parts.scheme != "https" or parts.hostname is None or parts.query or parts.fragment:
            raise ValueError(address)
        self.host, self.port = parts.hostname, parts.port or 443
        self.before = parts.path.rstrip("/")
        self.origin = f"https://{parts.netloc.rpartition('@')[2].removesuffix(':443')}".lower()
        self._context = ssl.create_default_context(cafile=authorities)

    def post(
        self, path: str, headers: Mapping[str, str], fields: Mapping[str, str] | None = None
    ) -> Answer:
        """
        Ask as a browser does by itself, and return what came back.

        Raises:
            OSError: nobody answers, or not with a certificate that is trusted.
            HTTPException: what answers is no web server.
        """
        sent = {**BY_ITSELF, "Origin": self.origin, **headers}
        body = urlencode(fields) if fields is not None else None
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection = HTTPSConnection(
            self.host, self.port, timeout=PATIENCE_SECONDS, context=self._context
        )
        try:
            connection.request("POST", self.before + path, body=body, headers=sent)
            return _answer(connection.getresponse())
        finally:
            connection.close()


def _answer(response: HTTPResponse) -> Answer:
    cookies: dict[str, Morsel[str]] = {}
    for line in response.headers.get_all("Set-Cookie") or ():
        cookies.update(_cookie(line))
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, cookies, response.read(LONGEST_BODY))


def _cookie(line: str) -> SimpleCookie:
    try:
        return SimpleCookie(line)
    except CookieError:
        return SimpleCookie()
