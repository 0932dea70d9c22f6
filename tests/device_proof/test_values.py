"""Names, nonces, proof cookies, headers and the rule: values that nobody stores."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import override_settings

from sessions_plus.conf import conf
from sessions_plus.device_proof import headers, instructions, names, nonces, proof_cookie, spelling
from sessions_plus.device_proof.rule import must_prove
from sessions_plus.keys import new_public_id

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
SESSION, OTHER = new_public_id(), new_public_id()
KEY, OTHER_KEY = new_public_id(), new_public_id()
LIFETIME = timedelta(minutes=15)
SECOND = timedelta(seconds=1)


def changed(text: str, at: int) -> str:
    """Return it with one character changed to another of the alphabet."""
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("eyJ.eyJ.x", "eyJ.eyJ.x"),
        ('"eyJ.eyJ.x"', "eyJ.eyJ.x"),
        ("  x ", "x"),
        (None, None),
        ("", None),
        ('""', None),
        ("a" * 4096, "a" * 4096),
        ("a" * 4097, None),
        ("a, b", None),
        ("é", None),
        ("a\x7f", None),
    ],
)
def test_headers_are_read_bare_and_quoted(sent: str | None, text: str | None) -> None:
    """Chromium sends them bare, the specification quotes them; nothing else is read."""
    assert headers.read_string(sent) == text


def test_headers_are_written_quoted() -> None:
    assert headers.offer("/r/", "n") == '(ES256 RS256);path="/r/";challenge="n"'
    assert headers.challenge("n", "i") == '"n";id="i"'


def test_a_name_is_read_without_asking_anybody() -> None:
    """What we never named is nobody, whichever character was changed."""
    name = names.identifier_of(KEY)

    assert names.read_identifier(name) == KEY
    assert all(names.read_identifier(changed(name, at)) is None for at in range(len(name)))
    assert names.read_identifier(None) is names.read_identifier("x") is None


def read_nonce(text: str, *, session: UUID = SESSION, now: datetime = NOW) -> int | None:
    return nonces.read_nonce(text, session, KEY, now, lifetime=LIFETIME)


@pytest.mark.parametrize(
    ("age", "holds"),
    [
        (timedelta(0), True),
        (LIFETIME - SECOND, True),
        (LIFETIME, False),
        (-timedelta(minutes=1), True),
        (-timedelta(minutes=1) - SECOND, False),
    ],
    ids=["fresh", "almost", "exactly", "clocks apart", "from the future"],
)
def test_a_nonce_holds_for_its_lifetime(age: timedelta, holds: bool) -> None:
    """The end is exclusive; servers' clocks may be a minute apart."""
    nonce = nonces.new_nonce(SESSION, KEY, NOW)

    assert (read_nonce(nonce, now=NOW + age) is not None) is holds


def test_a_nonce_is_of_one_session_and_one_key() -> None:
    """One to register is none to prove with, and the other way round; none is twice the same."""
    nonce, unbound = nonces.new_nonce(SESSION, KEY, NOW), nonces.new_nonce(SESSION, None, NOW)

    assert read_nonce(nonce) == int(NOW.timestamp() * 1000)
    assert read_nonce(nonce, session=OTHER) is None
    assert nonces.read_nonce(nonce, SESSION, OTHER_KEY, NOW, lifetime=LIFETIME) is None
    assert nonces.read_nonce(nonce, SESSION, None, NOW, lifetime=LIFETIME) is None
    assert read_nonce(unbound) is None
    assert nonce != nonces.new_nonce(SESSION, KEY, NOW)
    assert all(read_nonce(changed(nonce, at)) is None for at in range(len(nonce)))


def is_good(value: str, *, after: float = 0.0, key: UUID = KEY, session: UUID = SESSION) -> bool:
    now = NOW.timestamp() + after
    return proof_cookie.is_good(value, session.bytes, key.bytes, now)


def new_cookie() -> str:
    return proof_cookie.new_value(SESSION.bytes, KEY.bytes, now=NOW.timestamp())


@pytest.mark.parametrize(
    ("after", "holds"), [(0, True), (660, True), (661, False)], ids=["new", "a minute over", "over"]
)
def test_a_proof_cookie_holds_for_its_lifetime(after: float, holds: bool) -> None:
    """And a minute more: the browser's clock is not ours."""
    assert is_good(new_cookie(), after=after) is holds


def test_a_proof_cookie_is_of_one_session_and_one_key() -> None:
    """No character of it can be changed, and no two are alike."""
    value = new_cookie()

    assert len(value) == 40
    assert value != new_cookie()
    assert not is_good(value, session=OTHER)
    assert not is_good(value, key=OTHER_KEY)
    assert not any(is_good(changed(value, at)) for at in range(40))


def test_a_proof_cookie_outlives_a_new_secret_key() -> None:
    """As long as the old one is named."""
    with override_settings(SECRET_KEY="one", SECRET_KEY_FALLBACKS=[]):
        value = new_cookie()
    with override_settings(SECRET_KEY="two", SECRET_KEY_FALLBACKS=["one"]):
        assert is_good(value)
    with override_settings(SECRET_KEY="two", SECRET_KEY_FALLBACKS=[]):
        assert not is_good(value)


def test_each_key_has_a_cookie_of_its_own() -> None:
    """Two accounts in one browser leave each other's alone, also bound in the same second."""
    ours, theirs = (proof_cookie.name_of(key.bytes) for key in (KEY, OTHER_KEY))
    cookies = {ours: new_cookie()}

    assert ours != theirs
    assert proof_cookie.proves(cookies, SESSION.bytes, KEY.bytes, NOW.timestamp())
    assert not proof_cookie.proves(cookies, SESSION.bytes, OTHER_KEY.bytes, NOW.timestamp())
    assert not proof_cookie.proves(None, SESSION.bytes, KEY.bytes, NOW.timestamp())


@pytest.mark.parametrize(
    ("is_bound", "is_seen", "after", "expected"),
    [
        (False, True, 60, False),
        (True, False, 60, False),
        (True, True, 10, False),
        (True, True, 11, True),
    ],
    ids=["unbound", "browser never showed a proof", "requests under way", "bound"],
)
def test_must_prove(is_bound: bool, is_seen: bool, after: int, expected: bool) -> None:
    """Only a browser that showed a proof once has to, and not in its first ten seconds."""
    found = must_prove(
        device_key_id=KEY if is_bound else None,
        bound_at=NOW,
        is_seen=is_seen,
        now=NOW + after * SECOND,
    )

    assert found is expected


def test_what_a_browser_is_told() -> None:
    """The JSON of the protocol, as Chromium took it."""
    told = instructions.instructions(
        identifier="i",
        refresh_path="/refresh/",
        origin="https://example.com",
        cookie="__Host-proof-1",
        attributes="Path=/; Secure",
        left_out=["/static"],
    )

    assert told == {
        "session_identifier": "i",
        "refresh_url": "/refresh/",
        "scope": {
            "origin": "https://example.com",
            "include_site": False,
            "scope_specification": [{"type": "exclude", "domain": "*", "path": "/static"}],
        },
        "credentials": [
            {"type": "cookie", "name": "__Host-proof-1", "attributes": "Path=/; Secure"}
        ],
    }
    assert instructions.the_end("i") == {"session_identifier": "i", "continue": False}


def test_off_is_the_default() -> None:
    assert conf.DEVICE_BINDING == "off"
    assert spelling.spell(b"\xff") == "_w"
