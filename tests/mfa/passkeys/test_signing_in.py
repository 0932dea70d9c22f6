"""Signing in by a passkey alone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth import load_backend
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.client_info import client_info_from
from sessions_plus.exceptions import (
    PasskeyNeedsPassword,
    PasskeyNotAllowed,
    PasskeyRefused,
    PasskeysOff,
    PasskeyUnknown,
    TooManyAttempts,
)
from sessions_plus.mfa.challenge import Passed
from sessions_plus.mfa.passkeys import uses
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.models import Authenticator, Event, SessionEvent, Throttle, UsedNonce
from tests.support.authenticators import only
from tests.support.passkeys import (
    BACKED_UP,
    ELIGIBLE,
    PRESENT,
    VERIFIED,
    Json,
    Key,
    SoftwareAuthenticator,
    a_party,
    decoded,
    encoded,
    enrol_passkey,
)

BROWSER = "a browser"


def ask(now: datetime, holder: str = BROWSER, use: Use = Use.SIGN_IN) -> Json:
    return uses.sign_in_options(a_party(), use=use, holder=holder, now=now)


def sign_in(sent: object, now: datetime, holder: str = BROWSER, **kwargs: Any) -> Passed:
    facts = {"party": a_party(), "use": Use.SIGN_IN, "client": None, **kwargs}
    return uses.sign_in(sent, holder=holder, now=now, **facts)


@pytest.fixture
def phone(user: User, now: datetime) -> SoftwareAuthenticator:
    return enrol_passkey(user, at=now)


@pytest.fixture
def key(user: User, now: datetime) -> SoftwareAuthenticator:
    return enrol_passkey(user, SoftwareAuthenticator(is_synced=False), at=now)


def test_nobody_is_named_before(user: User, now: datetime, django_assert_num_queries: Any) -> None:
    """What a stranger's browser is told costs no query, and is the same for everybody."""
    with django_assert_num_queries(0):
        options = ask(now)

    assert options["allowCredentials"] == []
    assert options["userVerification"] == "required"
    assert options["rpId"] == "testserver"
    assert len(decoded(options["challenge"])) == 40
    enrol_passkey(user, at=now)
    again = ask(now)
    assert {**again, "challenge": None} == {**options, "challenge": None}


def test_signs_in(user: User, now: datetime, phone: SoftwareAuthenticator) -> None:
    """The passkey tells who comes, and proves both factors."""
    passed = sign_in(phone.use(ask(now)), now)

    assert (passed.user, passed.methods) == (user, ("pky", "swk"))
    assert passed.backend in django_settings.AUTHENTICATION_BACKENDS
    assert load_backend(passed.backend).get_user(user.pk) == user
    assert only(user).last_used_at == now
    assert not SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED).exists()


def test_a_key_says_that_it_stays_where_it_is(
    user: User, now: datetime, key: SoftwareAuthenticator
) -> None:
    """A passkey that cannot be synced is known as one, and its count is kept."""
    assert sign_in(key.use(ask(now)), now).methods == ("pky", "hwk")

    assert only(user).sign_count == 2


def test_backed_up_follows(user: User, now: datetime, phone: SoftwareAuthenticator) -> None:
    """Whether it is synced may change, and is kept."""
    sign_in(phone.use(ask(now), without=BACKED_UP), now)
    assert only(user).backed_up is False

    sign_in(phone.use(ask(now)), now)

    assert only(user).backed_up is True


WRONG = [
    pytest.param("origin", {"origin": "https://testserver"}, id="another scheme"),
    pytest.param("origin", {"origin": "http://evil.example"}, id="another site"),
    pytest.param("origin", {"origin": "http://www.testserver"}, id="a subdomain"),
    pytest.param("origin", {"origin": "http://testserver.evil.example"}, id="below another"),
    pytest.param("origin", {"origin": "null"}, id="nowhere"),
    pytest.param("cross_origin", {"client": {"crossOrigin": True}}, id="in a frame"),
    pytest.param("cross_origin", {"client": {"crossOrigin": 1}}, id="perhaps in a frame"),
    pytest.param("cross_origin", {"client": {"topOrigin": "http://evil.example"}}, id="a top"),
    pytest.param("type", {"type": "webauthn.create"}, id="a new passkey"),
    pytest.param("nonce", {"nonce": b"x" * 40}, id="an invented nonce"),
    pytest.param("nonce", {"nonce": b""}, id="no nonce"),
    pytest.param("rp_id", {"rp_id": "evil.example"}, id="another domain"),
    pytest.param("rp_id", {"rp_id": "www.testserver"}, id="a domain below"),
    pytest.param("not_present", {"without": PRESENT}, id="nobody there"),
    pytest.param("not_verified", {"without": VERIFIED}, id="nobody asked"),
    pytest.param("backup_flags", {"without": ELIGIBLE}, id="synced though it cannot be"),
    pytest.param("backup_flags", {"without": ELIGIBLE | BACKED_UP}, id="no more to be synced"),
    pytest.param("user_handle", {"user_handle": b"x" * 32}, id="another's handle"),
    pytest.param("signature", {"key": Key()}, id="another key"),
    pytest.param("signature", {"signature": b"\x30\x06\x02\x01\x01\x02\x01\x01"}, id="a number"),
    pytest.param("signature", {"signature": b""}, id="no signature"),
    pytest.param("malformed", {"data": b"short"}, id="no data"),
    pytest.param("oversize", {"user_handle": b"x" * 65}, id="too long a handle"),
    pytest.param("oversize", {"credential_id": b"x" * 1024}, id="too long an id"),
    pytest.param("oversize", {"client": {"more": "x" * 17_000}}, id="too long"),
]


@pytest.mark.parametrize(("reason", "wrong"), WRONG)
def test_nothing_else_is_taken(
    user: User, now: datetime, phone: SoftwareAuthenticator, reason: str, wrong: Json
) -> None:
    """Whatever is not as it has to be is refused in the same words, with an event, and no harm."""
    options = ask(now)

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(phone.use(options, **wrong), now)

    assert (refusal.value.code, refusal.value.reason) == ("passkey_refused", reason)
    event = SessionEvent.objects.get(event=Event.SIGN_IN_FAILED)
    assert event.reason == f"passkey_{reason}"
    assert not UsedNonce.objects.exists()
    assert sign_in(phone.use(options), now).user == user


def test_flags_of_a_key_may_not_change(now: datetime, key: SoftwareAuthenticator) -> None:
    """A passkey that could not be synced when it was made never can."""
    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(key.use(ask(now), flags=ELIGIBLE), now)

    assert refusal.value.reason == "backup_flags"


SHAPES: list[Any] = [
    None,
    [],
    "passkey",
    {},
    {"type": "public-key"},
    {"type": "public-key", "id": "AA", "rawId": "AA", "response": None},
    {"type": "public-key", "id": 5, "rawId": 5, "response": {}},
    {"type": "public-key", "id": "AA", "rawId": "AA", "response": {"clientDataJSON": 5}},
    {"type": "public-key", "id": "AA", "rawId": "AB", "response": {}},
]


@pytest.mark.parametrize("sent", SHAPES, ids=range(len(SHAPES)))
def test_what_is_no_passkey_is_refused(user: User, now: datetime, sent: object) -> None:
    """Nothing of another shape fails in another way."""
    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)

    assert refusal.value.reason == "malformed"


@pytest.mark.parametrize(
    "spell",
    [
        pytest.param(lambda text: text + "=", id="padded"),
        pytest.param(lambda text: text + "!", id="more signs"),
        pytest.param(lambda text: f" {text}", id="a space"),
        pytest.param(lambda text: text[:-1] + "Ä", id="another alphabet"),
        pytest.param(lambda text: text[:-1] + "\x00", id="a NUL"),
        pytest.param(lambda text: 5, id="a number"),
    ],
)
@pytest.mark.parametrize("name", ["id", "clientDataJSON", "authenticatorData", "signature"])
def test_bytes_have_one_spelling(
    now: datetime, phone: SoftwareAuthenticator, name: str, spell: Any
) -> None:
    """What is spelled otherwise than browsers spell it is refused."""
    sent = phone.use(ask(now))
    owner = sent if name == "id" else sent["response"]
    owner[name] = spell(owner[name])
    sent["rawId"] = sent["id"]

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)
    assert refusal.value.reason == "malformed"


def test_bits_to_spare_are_zero(now: datetime, phone: SoftwareAuthenticator) -> None:
    """Of the last sign's bits not all are bytes; the rest cannot make a second name of one id."""
    sent = phone.use(ask(now))
    other = sent["id"][:-1] + chr(ord(sent["id"][-1]) + 1)
    assert decoded(other) == phone.passkeys[0].id
    sent["id"] = sent["rawId"] = other

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)
    assert refusal.value.reason == "malformed"


def test_client_data_says_nothing_twice(now: datetime, phone: SoftwareAuthenticator) -> None:
    """A name that occurs twice could be read either way."""
    sent = phone.use(ask(now))
    text = decoded(sent["response"]["clientDataJSON"]).decode()
    sent["response"]["clientDataJSON"] = encoded(
        text.replace("{", '{"origin": "http://evil.example", ', 1).encode()
    )

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)
    assert refusal.value.reason == "malformed"


def test_an_unknown_one_is_said_to_be(now: datetime, user: User) -> None:
    """A passkey that was removed is told so, for its authenticator to forget it."""
    phone = enrol_passkey(user, at=now)
    Authenticator.objects.all().delete()

    with pytest.raises(PasskeyUnknown) as refusal:
        sign_in(phone.use(ask(now)), now)

    assert refusal.value.credential_id == phone.passkeys[0].id
    assert (refusal.value.code, refusal.value.rp_id) == ("passkey_unknown", "testserver")
    event = SessionEvent.objects.get(event=Event.SIGN_IN_FAILED)
    assert (event.user, event.reason) == (None, "passkey_unknown")


def test_a_pending_one_opens_nothing(now: datetime, user: User) -> None:
    """A passkey whose enrolment was not completed is not known."""
    phone = enrol_passkey(user, at=now)
    Authenticator.objects.update(confirmed_at=None)

    with pytest.raises(PasskeyUnknown):
        sign_in(phone.use(ask(now)), now)


def test_of_another_browser(now: datetime, phone: SoftwareAuthenticator) -> None:
    """A nonce that one browser got is worth nothing in another, nor to a program."""
    sent = phone.use(ask(now, "another"))

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)
    assert refusal.value.reason == "nonce"
    with pytest.raises(PasskeyRefused):
        sign_in(sent, now, "another", use=Use.TOKENS)
    assert sign_in(sent, now, "another").methods


def test_comes_too_late(now: datetime, phone: SoftwareAuthenticator) -> None:
    """After five minutes what was signed is worth nothing."""
    sent = phone.use(ask(now))

    with pytest.raises(PasskeyRefused):
        sign_in(sent, now + timedelta(minutes=5))


def test_is_taken_once(now: datetime, phone: SoftwareAuthenticator) -> None:
    """What signed somebody in signs nobody in again."""
    sent = phone.use(ask(now))
    sign_in(sent, now)

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)

    assert refusal.value.reason == "replayed"
    event = SessionEvent.objects.get(event=Event.SIGN_IN_FAILED)
    assert event.user_id == Authenticator.objects.get().user_id


@pytest.mark.parametrize(
    ("stored", "count", "is_right"),
    [
        pytest.param(0, 0, True, id="never counts"),
        pytest.param(0, 1, True, id="begins to count"),
        pytest.param(5, 6, True, id="goes on"),
        pytest.param(5, 2**32 - 1, True, id="jumps"),
        pytest.param(5, 5, False, id="stands still"),
        pytest.param(5, 4, False, id="goes back"),
        pytest.param(5, 0, False, id="counts no more"),
    ],
)
def test_a_count_goes_on(
    user: User, now: datetime, stored: int, count: int, is_right: bool
) -> None:
    """A count that does not go on may be a copy's: refused, recorded, and not switched off."""
    key = enrol_passkey(user, SoftwareAuthenticator(is_synced=False), at=now)
    Authenticator.objects.update(sign_count=stored)
    sent = key.use(ask(now), count=count)

    if is_right:
        assert sign_in(sent, now).methods
        assert only(user).sign_count == count
        return
    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(sent, now)
    assert refusal.value.reason == "cloned"
    assert only(user).sign_count == stored
    assert only(user).disabled_at is None
    assert SessionEvent.objects.get(event=Event.AUTHENTICATOR_CLONED).user == user
    assert sign_in(key.use(ask(now), count=stored + 1), now).methods


def test_public_keys_cannot_be_swapped(
    user: User, other_user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """Who writes to the database gains nothing by putting a key in another's place (ASVS 6.7.1)."""
    thief = enrol_passkey(other_user, at=now)
    theirs = only(other_user)
    Authenticator.objects.for_user(user).update(sealed_public_key=theirs.sealed_public_key)

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(phone.use(ask(now), key=thief.passkeys[0].key), now)
    assert refusal.value.reason == "unreadable"

    Authenticator.objects.for_user(other_user).update(user=user)
    with pytest.raises(PasskeyRefused):
        sign_in(thief.use(ask(now)), now)


def test_a_disabled_user_stays_out(user: User, now: datetime, phone: SoftwareAuthenticator) -> None:
    """Who may not sign in does not, whatever they hold, and is told no more than others."""
    User.objects.update(is_active=False)

    with pytest.raises(PasskeyRefused) as refusal:
        sign_in(phone.use(ask(now)), now)

    assert (refusal.value.code, refusal.value.reason) == ("passkey_refused", "user")


def test_one_that_asked_nobody_needs_the_password(user: User, now: datetime) -> None:
    """What was made without asking who is there signs nobody in alone, whatever it says later."""
    phone = enrol_passkey(user, at=now)
    Authenticator.objects.update(verifies_user=False)

    with pytest.raises(PasskeyNeedsPassword):
        sign_in(phone.use(ask(now)), now)

    assert only(user).verifies_user is False
    assert SessionEvent.objects.get(event=Event.SIGN_IN_FAILED).user == user


@pytest.mark.parametrize("setting", ["second_factor", "off"])
def test_not_where_the_site_does_not_want_it(
    now: datetime, phone: SoftwareAuthenticator, setting: str
) -> None:
    """Where a passkey only confirms a password, or nothing, nobody signs in by it."""
    sent = phone.use(ask(now))

    with override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN=setting):
        with pytest.raises(PasskeysOff):
            ask(now)
        with pytest.raises(PasskeysOff):
            sign_in(sent, now)


def test_aal3_takes_no_synced_one_of_before(now: datetime, phone: SoftwareAuthenticator) -> None:
    """A passkey that was made before the profile was chosen is refused like a new one."""
    with override_settings(SESSIONS_PLUS_PROFILE="aal3"), pytest.raises(PasskeyNotAllowed):
        sign_in(phone.use(ask(now)), now)


class TestThrottle:
    """Attempts are counted by network, and never for an account."""

    def test_strangers_wait(self, user: User, now: datetime, rf: Any) -> None:
        """After many refusals from one network nothing more is looked at, for a while."""
        phone = enrol_passkey(user, at=now)
        client = client_info_from(rf.get("/", REMOTE_ADDR="203.0.113.7"))
        for _ in range(100):
            with pytest.raises(PasskeyRefused):
                sign_in({}, now, client=client)

        with pytest.raises(TooManyAttempts):
            sign_in(phone.use(ask(now)), now, client=client)

        elsewhere = client_info_from(rf.get("/", REMOTE_ADDR="198.51.100.7"))
        assert sign_in(phone.use(ask(now)), now, client=elsewhere).methods

    def test_nobody_locks_an_owner_out(self, user: User, now: datetime) -> None:
        """However often somebody tries a passkey's name, its owner's counters stay at nothing."""
        phone = enrol_passkey(user, at=now)
        for _ in range(20):
            with pytest.raises(PasskeyRefused):
                sign_in(phone.use(ask(now), key=Key()), now)

        assert set(Throttle.objects.values_list("scope", flat=True)) == {"address"}
        assert sign_in(phone.use(ask(now)), now).methods

    def test_a_success_takes_nothing(self, now: datetime, phone: SoftwareAuthenticator) -> None:
        """A sign-in that succeeds uses up no attempt of its network."""
        sign_in(phone.use(ask(now)), now)

        assert Throttle.objects.get().attempts == 0
