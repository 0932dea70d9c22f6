"""
How a site knows that its own doctor asks, and the doctor that it is the site that answers.

Both have the site's keys, and nobody on the way between them has. The question is
``asked, in ms (6 bytes) | random (16 bytes) | tag (16 bytes)`` in URL-safe base64.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sessions_plus.crypto import Purpose, context, tag, tag_is_ours
from sessions_plus.device_proof.nonces import milliseconds
from sessions_plus.device_proof.spelling import read, spell

MOMENT_BYTES = 6
RANDOM_BYTES = 16
TAG_BYTES = 16
LENGTH = MOMENT_BYTES + RANDOM_BYTES + TAG_BYTES

LIFETIME = timedelta(minutes=1)
"""How far the moment of a question may be from now, either way: clocks differ."""


def new_question(now: datetime) -> str:
    body = milliseconds(now).to_bytes(MOMENT_BYTES, "big") + secrets.token_bytes(RANDOM_BYTES)
    return spell(body + _tag("question", body))


def is_question(text: str, now: datetime) -> bool:
    """Say whether whoever asks has the site's keys, and asks now. No I/O."""
    whole = read(text, length=LENGTH)
    if whole is None:
        return False
    body, given = whole[:-TAG_BYTES], whole[-TAG_BYTES:]
    asked = int.from_bytes(body[:MOMENT_BYTES], "big")
    is_now = abs(milliseconds(now) - asked) <= LIFETIME / timedelta(milliseconds=1)
    return is_now and tag_is_ours(_message("question", body), given, purpose=Purpose.SELF_CHECK)


def answer_to(question: str) -> str:
    """Return what only the site can answer a question with."""
    return spell(_tag("answer", question.encode()))


def is_answer(text: object, question: str) -> bool:
    """Say whether whoever answered has the site's keys."""
    given = read(text, length=TAG_BYTES) if isinstance(text, str) else None
    message = _message("answer", question.encode())
    return given is not None and tag_is_ours(message, given, purpose=Purpose.SELF_CHECK)


def _tag(kind: str, body: bytes) -> bytes:
    return tag(_message(kind, body), purpose=Purpose.SELF_CHECK, size=TAG_BYTES)


def _message(kind: str, body: bytes) -> bytes:
    return context(kind) + body
