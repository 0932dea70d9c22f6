"""
The headers of Device Bound Session Credentials, read and written.

They are structured fields (RFC 9651). What browsers send arrives bare as well as quoted
(Chromium 150 and 156 send it bare); what they are sent has to be quoted.
"""

from __future__ import annotations

from django.http import HttpRequest

OFFER = "Secure-Session-Registration"
CHALLENGE = "Secure-Session-Challenge"
RESPONSE = "Secure-Session-Response"
IDENTIFIER = "Sec-Secure-Session-Id"
SKIPPED = "Secure-Session-Skipped"
COME_AGAIN = "Refresh"

OF_RESPONSES = (OFFER, CHALLENGE, COME_AGAIN)
OF_REQUESTS = (RESPONSE, IDENTIFIER, SKIPPED, "Sec-Fetch-Site", "Sec-Fetch-Mode")
"""What has to get through, beside cookies, between a browser and a site that binds sessions."""

LONGEST = 4096
"""More than any proof takes: one with an RSA key of 4096 bits takes some 1,800 characters."""


def read_string(value: str | None) -> str | None:
    """Return the text of a header, bare or quoted; None where there is none, or it is no text."""
    if value is None:
        return None
    text = value.strip()
    if len(text) >= 2 and text[0] == text[-1] == '"':
        text = text[1:-1]
    is_plain = 0 < len(text) <= LONGEST and text.isascii() and text.isprintable()
    return text if is_plain and not set(text) & set('" \\,;') else None


def proof_in(request: HttpRequest) -> str | None:
    """Return what the browser signed, as it was sent."""
    return read_string(request.headers.get(RESPONSE))


def identifier_in(request: HttpRequest) -> str | None:
    """Return which device-bound session the browser means."""
    return read_string(request.headers.get(IDENTIFIER))


def offer(path: str, nonce: str) -> str:
    """``(ES256 RS256);path="/account/device-key/register/";challenge="…"``"""
    return f'(ES256 RS256);path="{path}";challenge="{nonce}"'


def challenge(nonce: str, identifier: str) -> str:
    """``"…";id="…"``"""
    return f'"{nonce}";id="{identifier}"'


def come_again(path: str) -> str:
    """``0;url=/account/``: the page of another site's link asks for itself, as our own."""
    return f"0;url={path}"
