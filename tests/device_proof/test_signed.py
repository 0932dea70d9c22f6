"""What a browser signed: which proofs are read, and whose they are."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_plus.device_proof.signed import DevicePublicKey, Signed, is_signed_by, take_apart
from sessions_plus.device_proof.spelling import read, spell
from tests.support.device_keys import SoftwareKey

HERE = "https://example.com/refresh/"

ES256 = SoftwareKey()
RS256 = SoftwareKey("RS256")


def taken_apart(proof: str) -> Signed:
    signed = take_apart(proof)
    assert signed is not None
    return signed


def key_of(key: SoftwareKey) -> DevicePublicKey:
    found = taken_apart(key.first_proof("n")).key
    assert found is not None
    return found


@pytest.mark.parametrize("key", [ES256, RS256], ids=["ES256", "RS256"])
def test_a_proof_is_of_the_key_that_signed_it(key: SoftwareKey) -> None:
    """Both algorithms: at first with the key along, later without it."""
    public = key_of(key)
    first, later = taken_apart(key.first_proof("one")), taken_apart(key.proof("two"))

    assert (first.nonce, later.nonce) == ("one", "two")
    assert later.key is None
    assert is_signed_by(first, public, audience=HERE)
    assert is_signed_by(later, public, audience=HERE)


@pytest.mark.parametrize("key", [ES256, RS256], ids=["ES256", "RS256"])
def test_another_key_signed_nothing(key: SoftwareKey) -> None:
    """A proof of a key of the same kind is none of this one's, nor is one that was changed."""
    other = SoftwareKey(key.algorithm)
    proof = key.proof("nonce")
    header, claims, signature = proof.split(".")
    changed = ".".join([header, spell(b'{"jti": "other"}'), signature])

    assert not is_signed_by(taken_apart(proof), key_of(other), audience=HERE)
    assert not is_signed_by(taken_apart(changed), key_of(key), audience=HERE)
    assert not is_signed_by(taken_apart(f"{header}.{claims}."), key_of(key), audience=HERE)


def test_the_algorithm_is_that_of_the_registered_key() -> None:
    """A proof that names another one is refused before anything is computed."""
    proof = taken_apart(RS256.proof("nonce"))

    assert not is_signed_by(proof, key_of(ES256), audience=HERE)


@pytest.mark.parametrize(
    ("audience", "holds"),
    [(None, True), (HERE, True), ("https://evil.example/refresh/", False)],
    ids=["none", "ours", "another's"],
)
def test_audience(audience: str | None, holds: bool) -> None:
    """A proof that says for whom it is holds there only."""
    claims = {"jti": "n"} | ({"aud": audience} if audience else {})
    proof = ES256.signed({"alg": "ES256", "typ": "dbsc+jwt"}, claims)

    assert is_signed_by(taken_apart(proof), key_of(ES256), audience=HERE) is holds


GOOD = {"alg": "ES256", "typ": "dbsc+jwt", "jwk": ES256.jwk}


@pytest.mark.parametrize(
    ("header", "claims"),
    [
        pytest.param({**GOOD, "alg": "none"}, {"jti": "n"}, id="no algorithm"),
        pytest.param({**GOOD, "alg": "HS256"}, {"jti": "n"}, id="symmetric"),
        pytest.param({**GOOD, "alg": ["ES256"]}, {"jti": "n"}, id="algorithm no text"),
        pytest.param({**GOOD, "typ": "JWT"}, {"jti": "n"}, id="another type"),
        pytest.param({**GOOD, "crit": ["exp"]}, {"jti": "n"}, id="critical extension"),
        pytest.param({**GOOD, "jwk": {**ES256.jwk, "d": "AA"}}, {"jti": "n"}, id="private key"),
        pytest.param({**GOOD, "jwk": RS256.jwk}, {"jti": "n"}, id="key of another kind"),
        pytest.param({**GOOD, "jwk": "text"}, {"jti": "n"}, id="key no object"),
        pytest.param({**GOOD, "jwk": {**ES256.jwk, "x": 1}}, {"jti": "n"}, id="number no text"),
        pytest.param(GOOD, {}, id="no nonce"),
        pytest.param(GOOD, {"jti": 1}, id="nonce no text"),
        pytest.param(GOOD, {"jti": "n", "aud": ["a"]}, id="audience a list"),
        pytest.param(GOOD, [], id="claims no object"),
        pytest.param([], {"jti": "n"}, id="header no object"),
    ],
)
def test_what_no_browser_writes_is_not_read(header: Any, claims: Any) -> None:
    """Nothing is verified that is not of the one form."""
    assert take_apart(ES256.signed(header, claims)) is None


@pytest.mark.parametrize(
    "proof",
    ["", "a", "a.b", "a.b.c.d", "..", "é.b.c", "{}.{}.{}", "=" * 9, "a.b." + "x" * 5000],
)
def test_no_proof_at_all(proof: str) -> None:
    assert take_apart(proof) is None


def test_a_name_twice_is_refused() -> None:
    """Two readers might believe two different things."""
    parts = (b'{"alg":"ES256","alg":"ES256","typ":"dbsc+jwt"}', b'{"jti":"n"}', b"x" * 64)

    assert take_apart(".".join(spell(part) for part in parts)) is None


@pytest.mark.parametrize("bits", [1024, 4104], ids=["too short", "too long"])
def test_rsa_keys_of_another_size_sign_nothing(bits: int) -> None:
    key = SoftwareKey("RS256", bits=bits)

    assert not is_signed_by(taken_apart(key.first_proof("n")), key_of(key), audience=HERE)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"crv": "P-384"}, id="another curve"),
        pytest.param({"x": ES256.jwk["y"]}, id="no point of the curve"),
        pytest.param({"x": "!"}, id="no base64"),
        pytest.param({"x": ""}, id="empty"),
    ],
)
def test_broken_keys_sign_nothing(change: dict[str, str]) -> None:
    key = DevicePublicKey("ES256", {**ES256.jwk, **change})

    assert not is_signed_by(taken_apart(ES256.proof("n")), key, audience=HERE)


def test_a_huge_exponent_is_not_computed_with() -> None:
    """Who sends a key decides how long verifying takes, but not beyond this."""
    key = DevicePublicKey("RS256", {**RS256.jwk, "e": spell(b"\xff" * 256)})

    assert not is_signed_by(taken_apart(RS256.proof("n")), key, audience=HERE)


@pytest.mark.parametrize("text", ["YQ==", "YR", "Y Q", "Y+", "é", "Y"])
def test_there_is_one_spelling(text: str) -> None:
    """Padding, spare bits and what is not of the alphabet are refused."""
    assert read("YQ") == b"a"
    assert read(text) is None
