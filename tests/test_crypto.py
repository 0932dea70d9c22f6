"""Sealing: what opens, what does not, and what is never the same twice."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from sessions_plus import crypto
from sessions_plus.crypto import Purpose, context, seal, unseal
from sessions_plus.exceptions import SealBroken

BOUND_TO = context("table", "column", 1, "owner")


def sealed(text: bytes = b"text") -> bytes:
    return seal(text, purpose=Purpose.SESSION_DATA, bound_to=BOUND_TO)


def opened(
    envelope: bytes, *, purpose: Purpose = Purpose.SESSION_DATA, bound_to: bytes = BOUND_TO
) -> bytes:
    return unseal(envelope, purpose=purpose, bound_to=bound_to)


def new_key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


@pytest.mark.parametrize("text", [b"", b"x", b"x" * 100_000], ids=["empty", "one", "long"])
def test_what_was_sealed_opens(text: bytes) -> None:
    """An envelope gives back exactly what was put in."""
    assert opened(sealed(text)) == text


def test_no_envelope_is_like_another() -> None:
    """Salt and nonce of each envelope are fresh, so equal texts look unrelated."""
    envelopes = [sealed() for _ in range(20_000)]

    assert len({envelope[5:33] for envelope in envelopes}) == 20_000
    assert len({envelope[33:] for envelope in envelopes}) == 20_000


def salt_of_entry() -> bytes:
    envelope = seal(b"text", purpose=Purpose.CACHE_ENTRY, bound_to=BOUND_TO)
    assert opened(envelope, purpose=Purpose.CACHE_ENTRY) == b"text"
    return envelope[5:21]


def test_cache_entries_share_a_salt_and_no_nonce() -> None:
    """What a thread seals for the cache needs one cipher, and is as unlike as any envelopes."""
    envelopes = [
        seal(b"text", purpose=Purpose.CACHE_ENTRY, bound_to=BOUND_TO) for _ in range(20_000)
    ]

    assert len({envelope[5:21] for envelope in envelopes}) == 1
    assert len({envelope[21:33] for envelope in envelopes}) == 20_000
    assert sealed()[5:21] != salt_of_entry()


def test_salt_is_shared_by_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Far fewer than random nonces allow: then there is a new one."""
    monkeypatch.setattr(crypto, "SEALS_PER_SHARED_SALT", 3)
    monkeypatch.setattr(crypto, "_shared_salt", crypto._SharedSalt())

    salts = [salt_of_entry() for _ in range(7)]

    assert [salts.count(salt) for salt in dict.fromkeys(salts)] == [3, 3, 1]
    assert crypto.SEALS_PER_SHARED_SALT < 2**32


def test_no_other_thread_or_process_shares_a_salt() -> None:
    """Each counts its own seals, so nobody else may use its salt."""
    own = salt_of_entry()
    with ThreadPoolExecutor(1) as thread:
        of_thread = thread.submit(salt_of_entry).result()
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child == 0:
        with suppress(BaseException):
            os.write(writer, salt_of_entry())
        os._exit(0)
    os.waitpid(child, 0)
    of_child = os.read(reader, 16)
    for end in (reader, writer):
        os.close(end)

    assert len(of_child) == 16
    assert len({own, of_thread, of_child}) == 3
    assert salt_of_entry() == own


def test_shared_salt_outlives_no_key(settings: Any) -> None:
    """With another key the same salt makes another cipher: entries open as their key is known."""
    old, new = new_key(), new_key()
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [old]
    envelope = seal(b"text", purpose=Purpose.CACHE_ENTRY, bound_to=BOUND_TO)

    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [new, old]
    newer = seal(b"text", purpose=Purpose.CACHE_ENTRY, bound_to=BOUND_TO)
    assert newer[5:21] == envelope[5:21]
    assert opened(envelope, purpose=Purpose.CACHE_ENTRY) == b"text"

    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [new]
    assert opened(newer, purpose=Purpose.CACHE_ENTRY) == b"text"
    with pytest.raises(SealBroken):
        opened(envelope, purpose=Purpose.CACHE_ENTRY)
    with pytest.raises(SealBroken):
        opened(newer[:5] + envelope[5:], purpose=Purpose.CACHE_ENTRY)


def test_every_damaged_bit_is_noticed() -> None:
    """An envelope with any one bit changed does not open."""
    envelope = sealed()

    for position in range(len(envelope) * 8):
        damaged = bytearray(envelope)
        damaged[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBroken):
            opened(bytes(damaged))


def test_every_cut_envelope_is_noticed() -> None:
    """An envelope cut anywhere, or lengthened, does not open."""
    envelope = sealed()

    for length in range(len(envelope)):
        with pytest.raises(SealBroken):
            opened(envelope[:length])
    with pytest.raises(SealBroken):
        opened(envelope + b"\x00")


@pytest.mark.parametrize(
    "moved",
    [
        {"bound_to": context("table", "column", 2, "owner")},
        {"bound_to": context("table", "other", 1, "owner")},
        {"bound_to": context("table", "column", 1, "thief")},
        {"bound_to": context("other", "column", 1, "owner")},
        {"purpose": Purpose.TOTP_SECRET},
    ],
    ids=["row", "column", "owner", "table", "purpose"],
)
def test_moved_envelope_does_not_open(moved: dict[str, Any]) -> None:
    """A value put in another row, column, table, or under another owner is refused."""
    with pytest.raises(SealBroken):
        opened(sealed(), **moved)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("",), ()),
        ((None,), ("",)),
        ((None,), ("None",)),
        ((1, 2), (12,)),
    ],
    ids=["split", "empty or none", "none or empty text", "none or its name", "numbers"],
)
def test_contexts_are_never_ambiguous(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    """Two different lists of parts never read the same."""
    assert context(*one) != context(*other)


def test_keys_rotate_without_downtime(settings: Any) -> None:
    """A new key in front seals; the old one behind it still opens; without it nothing does."""
    old, new = new_key(), new_key()
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [old]
    envelope = sealed()

    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [new, old]
    assert opened(envelope) == b"text"
    assert not crypto.sealed_under_current_key(envelope)
    assert crypto.sealed_under_current_key(sealed())

    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [new]
    with pytest.raises(SealBroken):
        opened(envelope)


def test_secret_key_rotates_with_its_fallbacks(settings: Any) -> None:
    """Without keys of its own the app follows ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``."""
    envelope, first = sealed(), settings.SECRET_KEY

    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another key, as long as that", [first]
    assert opened(envelope) == b"text"

    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(SealBroken):
        opened(envelope)


@pytest.mark.parametrize(
    "key",
    ["short", base64.b64encode(b"x" * 31).decode(), "!" * 44],
    ids=["text", "31 bytes", "signs"],
)
def test_weak_key_is_refused_without_showing_it(settings: Any, key: str) -> None:
    """A key that is too short is an error that tells how to make one, and not the key."""
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [key]

    with pytest.raises(ImproperlyConfigured, match="SESSIONS_PLUS_ENCRYPTION_KEYS") as caught:
        sealed()

    assert key not in str(caught.value)


def test_master_key_is_not_in_its_repr() -> None:
    """The repr of a key tells nothing of it."""
    master = crypto.key_ring()[0]

    assert master.secret.hex() not in repr(master)
    assert repr(master.secret) not in repr(master)


def test_sealed_under_a_token_opens_with_it_alone() -> None:
    """What is sealed under a token opens with that token, on the same row, only."""
    envelope = crypto.seal_under("token", b"next", purpose=Purpose.SUCCESSOR, bound_to=BOUND_TO)

    assert (
        crypto.unseal_under("token", envelope, purpose=Purpose.SUCCESSOR, bound_to=BOUND_TO)
        == b"next"
    )
    for secret, bound_to in [("other", BOUND_TO), ("token", b"elsewhere")]:
        with pytest.raises(SealBroken):
            crypto.unseal_under(secret, envelope, purpose=Purpose.SUCCESSOR, bound_to=bound_to)
    with pytest.raises(SealBroken):
        crypto.unseal_under("token", b"", purpose=Purpose.SUCCESSOR, bound_to=BOUND_TO)


def test_tags_are_hmac() -> None:
    """A prepared state makes what HMAC-SHA-256 does, for many at once and again and again."""
    messages = [os.urandom(size) for size in (0, 1, 48, 63, 64, 65, 1000)] * 50
    key = crypto.key_ring()[0].for_purpose(Purpose.SESSION_KEY)

    def made(message: bytes) -> bytes:
        return crypto.tag(message, purpose=Purpose.SESSION_KEY, size=32)

    with ThreadPoolExecutor(8) as executor:
        tags = list(executor.map(made, messages))

    assert tags == [hmac.digest(key, message, "sha256") for message in messages]
