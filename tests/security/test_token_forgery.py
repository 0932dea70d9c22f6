"""
Access tokens that we did not make, or not for this: OWASP ASVS 5.0, V9, row by row.

Each attack is signed with the site's own key wherever that makes it stronger.
"""

from __future__ import annotations

import base64
import json
import logging
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from sessions_plus.exceptions import InvalidToken
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import SessionEvent
from sessions_plus.tokens import access, bearer, jose, keys
from tests.tokens.factories import (
    changed,
    claims_of,
    header_of,
    new_request,
    new_tokens,
    part,
    signed,
)

pytestmark = pytest.mark.django_db

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def token(user: Any) -> str:
    return new_tokens(user).access


def reason_of(token: str) -> str:
    """Return why a token is refused; "" where it is accepted."""
    request = new_request(authorization=f"Bearer {token}")
    try:
        bearer.authenticate(request)
    except InvalidToken as refused:
        return refused.reason
    return ""


def test_asvs_9_1_1_any_changed_byte(token: str) -> None:
    """A token of which any byte was changed is refused, whichever part it is in."""
    assert reason_of(token) == ""

    for position, sign in enumerate(token):
        other = "A" if sign != "A" else "B"
        assert reason_of(token[:position] + other + token[position + 1 :]), position


def test_asvs_9_1_1_nothing_is_done_on_a_forgers_word(
    token: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A forged token writes no row, and nothing of what it says is logged."""
    before = SessionEvent.objects.count()
    header, _, signature = token.split(".")
    forged = part(claims_of(token) | {"sub": "canary"})

    with caplog.at_level(logging.DEBUG):
        assert reason_of(f"{header}.{forged}.{signature}") == "signature"

    assert SessionEvent.objects.count() == before
    assert "canary" not in caplog.text
    assert forged not in caplog.text


def test_asvs_16_3_3_a_refusal_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A refused token leaves one line in the security log, which says why."""
    with caplog.at_level(logging.INFO, logger="sessions_plus.security"):
        reason_of("a.b.c")

    line = json.loads(caplog.messages[-1])
    assert (line["event"], line["reason"]) == ("token.refused", "malformed")


@pytest.mark.parametrize("name", ["none", "None", "NONE", "nOnE", "", "RS256", "ES384", "HS256"])
def test_asvs_9_1_2_another_algorithm(token: str, name: str) -> None:
    """The algorithm is that of our key, whatever the header says."""
    _, payload, signature = token.split(".")

    named = part(header_of(token) | {"alg": name})

    assert reason_of(f"{named}.{payload}.{signature}") == "algorithm"
    assert reason_of(f"{named}.{payload}.") == "algorithm"


def test_asvs_9_1_2_no_algorithm(token: str) -> None:
    """A header without an algorithm is refused."""
    header = {name: value for name, value in header_of(token).items() if name != "alg"}

    assert reason_of(signed(header, claims_of(token))) == "header"


def public_key_as_secret() -> Iterator[Any]:
    jwk = keys.jwks(timezone.now())["keys"][0]
    public = jwt.PyJWK(jwk).key
    for encoding, form in (
        (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
        (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo),
    ):
        yield public.public_bytes(encoding, form)
    yield json.dumps(jwk).encode()


def test_asvs_9_1_2_public_key_as_shared_secret(token: str) -> None:
    """The public key, which everybody has, is no shared secret, however it is written."""
    hmac = jwt.get_algorithm_by_name("HS256")
    body = f"{part(header_of(token) | {'alg': 'HS256'})}.{token.split('.')[1]}"

    for secret in public_key_as_secret():
        forged = f"{body}.{part(hmac.sign(body.encode(), secret))}"
        assert reason_of(forged) == "algorithm"


@pytest.mark.parametrize("name", ["HS256", "RS256", "none", "ES384"])
def test_asvs_9_1_2_settings_too(settings: Settings, name: str) -> None:
    """No setting makes the site sign with another algorithm."""
    settings.SESSIONS_PLUS_TOKEN_ALGORITHM = name

    with pytest.raises(ImproperlyConfigured, match=name):
        keys.get_signer(timezone.now())


@pytest.mark.parametrize(
    "extra",
    [
        {"jku": "http://127.0.0.1:1/jwks.json"},
        {"x5u": "http://127.0.0.1:1/cert.pem"},
        {"jwk": {"kty": "EC"}},
        {"x5c": ["MIIB"]},
        {"x5t": "abc"},
        {"crit": ["exp"]},
        {"b64": False},
        {"cty": "JWT"},
        {"zip": "DEF"},
    ],
    ids=lambda extra: next(iter(extra)),
)
def test_asvs_9_1_3_keys_from_elsewhere(
    token: str, extra: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header that brings a key or names a place to find one is refused, and nobody goes there."""

    def refuse(*_: object) -> None:
        pytest.fail("something connected")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    assert reason_of(signed(header_of(token) | extra, claims_of(token))) == "header"


def test_asvs_9_1_3_own_key_in_the_header(token: str) -> None:
    """A token signed with the key that it brings itself is refused."""
    own = jose.new_private_key("ES256")
    header = {"alg": "ES256", "typ": "at+jwt", "kid": own.thumbprint()}

    assert reason_of(jose.sign(header, json.dumps(claims_of(token)).encode(), own)) == "key"


@pytest.mark.parametrize(
    "kid",
    ["../../etc/passwd", "' OR 1=1 --", "\x00", "x" * 600, "", "é", 1, None, ["a"], {"a": 1}],
    ids=repr,
)
def test_asvs_9_1_3_strange_key_names(token: str, kid: object) -> None:
    """The name of a key only chooses among ours, whatever it is."""
    assert reason_of(signed(header_of(token) | {"kid": kid}, claims_of(token))) in {"key", "header"}


def test_unknown_key_names_cost_one_reading_a_second(
    token: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A flood of unknown keys does not reach the database."""
    reason_of(token)
    forged = [signed(header_of(token) | {"kid": f"k{n}"}, claims_of(token)) for n in range(5)]
    reason_of(forged[0])

    with django_assert_num_queries(0):
        assert {reason_of(one) for one in forged} == {"key"}


def moment(seconds: float) -> int:
    return int(timezone.now().timestamp() + seconds)


@pytest.mark.parametrize("name", ["exp", "nbf", "iat", "auth_time"])
@pytest.mark.parametrize(
    "value",
    [None, 1.5, "1700000000", -1, 10**12, 1e308, True, [], 10**400],
    ids=["missing", "float", "text", "negative", "far", "huge float", "bool", "list", "huge"],
)
def test_asvs_9_2_1_times_are_whole_seconds(token: str, name: str, value: object) -> None:
    """A time that is missing, or no whole number of seconds of our age, is refused."""
    assert reason_of(changed(token, **{name: value})) in {"times", "malformed"}


@pytest.mark.parametrize(
    ("exp", "nbf", "iat", "reason"),
    [
        pytest.param(-1, -300, -300, "expired", id="expired a second ago"),
        pytest.param(0, -300, -300, "expired", id="expires now"),
        pytest.param(300, 60, 0, "too_early", id="not yet valid"),
        pytest.param(300, 0, 60, "too_early", id="issued in the future"),
        pytest.param(310, 20, 20, "", id="within the leeway of clocks"),
        pytest.param(301, 0, 0, "lifetime", id="longer than allowed"),
        pytest.param(10 * 365 * 86400, 0, 0, "lifetime", id="ten years"),
        pytest.param(300, 0, -10, "lifetime", id="issued earlier than it says"),
        pytest.param(299, 0, 0, "", id="good"),
    ],
)
def test_asvs_9_2_1_validity(token: str, exp: int, nbf: int, iat: int, reason: str) -> None:
    """A token holds between its times, and never for longer than the setting allows."""
    forged = changed(token, exp=moment(exp), nbf=moment(nbf), iat=moment(iat))

    assert reason_of(forged) == reason


@pytest.mark.parametrize("typ", ["JWT", "jwt", "AT+JWT", "application/at+jwt", "refresh", ""])
def test_asvs_9_2_2_another_type(token: str, typ: str) -> None:
    """A token of another type is refused, though we signed it."""
    assert reason_of(signed(header_of(token) | {"typ": typ}, claims_of(token))) == "type"


def test_asvs_9_2_2_no_type(token: str) -> None:
    """A token without a type is refused."""
    header = {name: value for name, value in header_of(token).items() if name != "typ"}

    assert reason_of(signed(header, claims_of(token))) == "header"


def test_asvs_9_2_2_other_tokens(user: Any) -> None:
    """Nothing else that we give out passes as an access token."""
    tokens = new_tokens(user)

    assert reason_of(tokens.refresh)
    assert reason_of(tokens.device_token or "")
    assert reason_of(json.dumps(keys.jwks(timezone.now())).replace(" ", ""))


@pytest.mark.parametrize(
    "aud",
    [
        None,
        "",
        "sessions",
        "sessions-plus2",
        "https://sessions-plus",
        ["sessions-plus"],
        ["sessions-plus", "other"],
        {"sessions-plus": 1},
        "SESSIONS-PLUS",
    ],
    ids=repr,
)
def test_asvs_9_2_3_audience(token: str, aud: object) -> None:
    """A token for anybody else, or for others too, is refused."""
    assert reason_of(changed(token, aud=aud)) == "audience"


def test_asvs_9_2_4_one_audience(user: Any, settings: Settings) -> None:
    """With one key and two audiences, the token for one is no good at the other."""
    settings.SESSIONS_PLUS_TOKEN_AUDIENCE = "https://api.example"
    token = new_tokens(user).access
    assert claims_of(token)["aud"] == "https://api.example"

    settings.SESSIONS_PLUS_TOKEN_AUDIENCE = "https://other.example"

    assert reason_of(token) == "audience"


@pytest.mark.parametrize("iss", [None, "", "https://evil.example", ["sessions-plus"]], ids=repr)
def test_asvs_9_2_4_issuer(token: str, iss: object) -> None:
    """A token of another issuer is refused, though the key is ours."""
    assert reason_of(changed(token, iss=iss)) == "issuer"


@pytest.mark.parametrize(
    "change",
    [
        {"sub": None},
        {"sub": 1},
        {"sid": None},
        {"sid": "1"},
        {"sid": "00000000-0000-0000-0000-000000000000 "},
        {"sid": 5},
        {"jti": None},
        {"amr": "pwd"},
        {"amr": [1]},
    ],
    ids=repr,
)
def test_other_claims(token: str, change: dict[str, Any]) -> None:
    """A claim that is missing or of another kind is refused."""
    assert reason_of(changed(token, **change)) == "claims"


def test_user_is_the_sessions(token: str, other_user: Any) -> None:
    """A token whose user is not its session's is refused."""
    assert reason_of(changed(token, sub=str(other_user.pk))) == "claims"


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda t: t + "=", id="padding"),
        pytest.param(lambda t: t + "==", id="more padding"),
        pytest.param(lambda t: t.replace(".", "=.", 1), id="padded header"),
        pytest.param(lambda t: t + "\n", id="line break"),
        pytest.param(lambda t: " " + t, id="blank before"),
        pytest.param(lambda t: t + ".", id="fourth part"),
        pytest.param(lambda t: t + "é", id="not ASCII"),
        pytest.param(lambda t: t[:-1] + chr(ord(t[-1]) + 1), id="spare bits"),
        pytest.param(lambda t: t.rsplit(".", 1)[0], id="two parts"),
        pytest.param(lambda t: t.rsplit(".", 1)[0] + ".", id="no signature"),
        pytest.param(lambda t: "", id="nothing"),
        pytest.param(lambda t: "..", id="dots"),
        pytest.param(lambda t: t + "A" * 5000, id="too long"),
        pytest.param(lambda t: t.replace("-", "+").replace("_", "/") + "+", id="other alphabet"),
    ],
)
def test_one_spelling(token: str, spell: Any) -> None:
    """A token is written in one way only: no padding, no spare bits, no other alphabet."""
    assert reason_of(spell(token))


def test_second_form_of_a_signature_buys_nothing(user: Any, token: str) -> None:
    """The other valid form of an ECDSA signature passes, and ends with the session all the same."""
    body, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = raw[:32], P256_ORDER - int.from_bytes(raw[32:], "big")
    twin = f"{body}.{part(r + s.to_bytes(32, 'big'))}"
    assert reason_of(twin) == ""

    revoke_all(user)

    assert reason_of(twin) == reason_of(token) == "ended"


def test_signature_as_der(token: str) -> None:
    """A signature in another encoding is refused."""
    body, _, signature = token.rpartition(".")
    raw = base64.urlsafe_b64decode(signature + "==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    assert decode_dss_signature(der)

    assert reason_of(f"{body}.{part(der)}") == "signature"


@pytest.mark.parametrize("zeros", [bytes(64), bytes(32) + b"\x01" * 32, b"\xff" * 64])
def test_degenerate_signature(token: str, zeros: bytes) -> None:
    """A signature of zeros, or beyond the curve's order, is refused."""
    assert reason_of(f"{token.rpartition('.')[0]}.{part(zeros)}") == "signature"


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b'{"sub":"1","sub":"2"}', id="name twice"),
        pytest.param(b"[]", id="list"),
        pytest.param(b"null", id="null"),
        pytest.param(b"", id="empty"),
        pytest.param(b'{"exp":NaN}', id="NaN"),
        pytest.param(b'{"a":Infinity}', id="infinity"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"[" * 1500, id="deep"),
        pytest.param(b'{"a":' * 400 + b"1" + b"}" * 400, id="deep object"),
    ],
)
def test_payload_is_a_plain_object(token: str, payload: bytes) -> None:
    """A payload that two readers may read differently, or not at all, is refused."""
    assert reason_of(signed(header_of(token), payload))


def test_header_name_twice(token: str) -> None:
    """A header with a name twice is refused."""
    kid = header_of(token)["kid"]
    header = f'{{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"{kid}"}}'.encode()

    assert reason_of(signed(header, claims_of(token))) == "malformed"


def test_key_of_another_site(user: Any, token: str) -> None:
    """A token that another site signed, in all else like ours, is refused."""
    other = ec.generate_private_key(ec.SECP256R1())

    forged = jwt.encode(
        claims_of(token),
        other,
        algorithm="ES256",
        headers={"typ": "at+jwt", "kid": header_of(token)["kid"]},
    )

    assert reason_of(forged) == "signature"


def test_expired_key(token: str) -> None:
    """A token signed with a key after that key's end is refused."""
    now = timezone.now()
    keys.rotate(now - timedelta(hours=1))
    keys.forget_known_keys()

    assert reason_of(token) == "key"


def test_sizes(user: Any, settings: Settings) -> None:
    """The largest token that the site can issue is smaller than the largest that is read."""
    settings.SESSIONS_PLUS_TOKEN_CLAIMS = lambda user, session: {"x": "y" * 1015}

    assert len(new_tokens(user).access) < access.MAX_TOKEN_LENGTH
