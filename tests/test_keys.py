"""What a session key is made of, and that a bogus one is told at a glance."""

from __future__ import annotations

import base64
import time

import pytest

from sessions_plus.crypto import Purpose
from sessions_plus.keys import TOKEN_LENGTH, new_public_id, new_token, read_token


def test_token_names_its_public_id() -> None:
    """A token tells the public id that it was made for."""
    public_id = new_public_id()

    token = new_token(public_id)

    assert len(token) == TOKEN_LENGTH
    assert read_token(token) == public_id


def test_tokens_are_never_the_same() -> None:
    """Two tokens of one public id share nothing but that id: 256 bits are secret."""
    public_id = new_public_id()

    tokens = {new_token(public_id) for _ in range(10_000)}

    assert len(tokens) == 10_000
    secrets = {base64.urlsafe_b64decode(token)[16:48] for token in tokens}
    assert len(secrets) == 10_000


@pytest.mark.parametrize("position", range(TOKEN_LENGTH))
def test_any_changed_character_is_refused(position: int) -> None:
    """A token with one character changed, anywhere, was never issued."""
    token = new_token(new_public_id())
    other = "A" if token[position] != "A" else "B"

    assert read_token(token[:position] + other + token[position + 1 :]) is None


@pytest.mark.parametrize(
    "bogus",
    [None, "", "x", "A" * TOKEN_LENGTH, "é" * TOKEN_LENGTH, "=" * TOKEN_LENGTH, "A" * 100_000,
     "\x00" * TOKEN_LENGTH, "-_" * (TOKEN_LENGTH // 2)],
    ids=["none", "empty", "short", "zeros", "not ascii", "padding", "long", "nul", "url-safe"],
)  # fmt: skip
def test_bogus_tokens_are_refused(bogus: str | None) -> None:
    """Whatever we didn't issue is None, and never an error."""
    assert read_token(bogus) is None


def test_token_of_another_purpose_is_refused() -> None:
    """A device token is no session key."""
    token = new_token(new_public_id(), purpose=Purpose.DEVICE_TOKEN)

    assert read_token(token) is None
    assert read_token(token, purpose=Purpose.DEVICE_TOKEN) is not None


def test_public_ids_sort_by_time() -> None:
    """A public id is a UUIDv7: its version and variant are right, and time is its front."""
    before = time.time_ns() // 1_000_000
    public_id = new_public_id()
    after = time.time_ns() // 1_000_000

    assert public_id.version == 7
    assert public_id.variant == "specified in RFC 4122"
    assert before <= public_id.int >> 80 <= after
