"""How a passkey comes to be one of a person's."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import override_settings

from sessions_plus.exceptions import (
    EnrolmentOver,
    PasskeyNotAllowed,
    PasskeyRefused,
    TooManyPasskeys,
)
from sessions_plus.mfa import enrolment
from sessions_plus.mfa.enrolment import PENDING_LIFETIME, Enrolled
from sessions_plus.mfa.passkeys import registration
from sessions_plus.mfa.passkeys.credentials import credential_hash, open_public_key
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import Authenticator, Device, Event, RecoveryCode, SessionEvent
from tests.support.authenticators import SESSION, App, enrol, only
from tests.support.passkeys import (
    EDDSA,
    ELIGIBLE,
    ES256,
    ES384,
    PRESENT,
    RS256,
    VERIFIED,
    Json,
    Key,
    SoftwareAuthenticator,
    a_party,
    cbor,
    decoded,
    enrol_passkey,
)

ELSEWHERE = UUID("018f0000-0000-7000-8000-000000000002")


def begin(user: User, now: datetime, **kwargs: Any) -> Json:
    return registration.begin(user, party=a_party(), session_public_id=SESSION, now=now, **kwargs)


def finish(user: User, sent: object, now: datetime, **kwargs: Any) -> Enrolled:
    facts = {"party": a_party(), "session_public_id": SESSION, "name": "", **kwargs}
    return registration.finish(user, sent, authority=None, client=None, now=now, **facts)


@pytest.fixture
def phone() -> SoftwareAuthenticator:
    return SoftwareAuthenticator()


def test_a_new_passkey_counts(user: User, now: datetime, phone: SoftwareAuthenticator) -> None:
    """Until it was made nothing is asked for; then it is a factor, with ten recovery codes."""
    options = begin(user, now)
    assert not has_authenticator(user)

    enrolled = finish(user, phone.make(options), now, name="My phone")

    row = only(user)
    assert (row.kind, row.name, row.confirmed_at) == ("passkey", "My phone", now)
    assert row.credential_hash == credential_hash(phone.passkeys[0].id)
    assert open_public_key(row) == cbor(phone.passkeys[0].key.cose())
    assert bytes(row.user_handle or b"") == phone.passkeys[0].user_handle
    assert (row.rp_id, row.transports) == ("testserver", "internal hybrid")
    assert (row.backup_eligible, row.backed_up, row.verifies_user) == (True, True, True)
    assert len(enrolled.recovery_codes) == 10
    event = SessionEvent.objects.get(event=Event.AUTHENTICATOR_ADDED)
    assert (event.user, event.reason) == (user, "passkey")


@pytest.mark.django_db(transaction=True)
def test_asvs_6_3_7_its_owner_is_told(user: User) -> None:
    """A mail tells of a new passkey, in words that name it."""
    enrol_passkey(user)

    (told,) = [letter for letter in mail.outbox if "an authenticator was added" in letter.subject]
    assert "It is a passkey." in told.body


def test_what_browsers_are_asked_for(user: User, now: datetime) -> None:
    """The options are those of the specification, and name the person by nothing but themselves."""
    options = begin(user, now)

    assert options["rp"] == {"id": "testserver", "name": "testserver"}
    assert options["user"]["name"] == options["user"]["displayName"] == "ann"
    assert len(decoded(options["user"]["id"])) == 32
    assert len(decoded(options["challenge"])) == 32
    assert [entry["alg"] for entry in options["pubKeyCredParams"]] == [EDDSA, ES256, RS256]
    assert options["attestation"] == "none"
    assert options["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert options["extensions"] == {"credProps": True}
    assert (options["excludeCredentials"], options["timeout"]) == ([], 300_000)


@override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN="second_factor")
def test_less_is_asked_for_a_second_factor(
    user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """Where a password comes first, a key that asks nobody is fine, and known as such."""
    options = begin(user, now)
    assert options["authenticatorSelection"]["userVerification"] == "preferred"
    assert options["authenticatorSelection"]["residentKey"] == "preferred"

    finish(user, phone.make(options, without=VERIFIED), now)

    assert only(user).verifies_user is False


def test_all_passkeys_of_a_person_know_them_by_one_handle(
    user: User, other_user: User, now: datetime
) -> None:
    """A second passkey has the first one's handle and excludes it; another person has another."""
    first = enrol_passkey(user, at=now)

    again, theirs = begin(user, now), begin(other_user, now)

    assert decoded(again["user"]["id"]) == first.passkeys[0].user_handle
    assert again["excludeCredentials"] == [
        {
            "type": "public-key",
            "id": again["excludeCredentials"][0]["id"],
            "transports": ["internal", "hybrid"],
        }
    ]
    assert decoded(again["excludeCredentials"][0]["id"]) == first.passkeys[0].id
    assert theirs["user"]["id"] != again["user"]["id"]


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
@pytest.mark.parametrize("is_synced", [True, False])
def test_every_kind_of_authenticator(
    user: User, now: datetime, algorithm: int, is_synced: bool
) -> None:
    """Each algorithm that is offered is taken, of synced passkeys and of keys."""
    enrol_passkey(user, SoftwareAuthenticator(algorithm=algorithm, is_synced=is_synced), at=now)

    row = only(user)
    assert row.backup_eligible is is_synced
    assert row.sign_count == (0 if is_synced else 1)


@pytest.mark.parametrize(
    ("age", "kwargs"),
    [
        pytest.param(PENDING_LIFETIME, {}, id="a quarter of an hour later"),
        pytest.param(timedelta(0), {"session_public_id": ELSEWHERE}, id="another session"),
        pytest.param(timedelta(0), {"session_public_id": None}, id="no session"),
    ],
)
def test_asvs_6_4_1_an_enrolment_is_short_lived(
    user: User, now: datetime, phone: SoftwareAuthenticator, age: timedelta, kwargs: Any
) -> None:
    """It is completed within 15 minutes, and where it was begun."""
    made = phone.make(begin(user, now))

    with pytest.raises(EnrolmentOver):
        finish(user, made, now + age, **kwargs)

    assert not has_authenticator(user)


def test_it_is_nobody_elses_to_complete(
    user: User, other_user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """Another user in the same session finds nothing pending, and no nonce fits another's."""
    made = phone.make(begin(user, now))

    with pytest.raises(EnrolmentOver):
        finish(other_user, made, now)
    begin(other_user, now)
    with pytest.raises(PasskeyRefused) as refusal:
        finish(other_user, made, now)
    assert refusal.value.reason == "nonce"


def test_it_is_completed_once(user: User, now: datetime, phone: SoftwareAuthenticator) -> None:
    """What completed one enrolment completes no second one, also not a new one."""
    made = phone.make(begin(user, now))
    finish(user, made, now)

    with pytest.raises(EnrolmentOver):
        finish(user, made, now)
    begin(user, now)
    with pytest.raises(PasskeyRefused) as refusal:
        finish(user, made, now)
    assert refusal.value.reason == "nonce"


def test_beginning_voids_only_its_own_kind(
    user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """A passkey that is begun beside an app, in another tab, takes nothing of it away."""
    app = App.of(enrolment.begin(user, session_public_id=SESSION, now=now))
    made = phone.make(begin(user, now))

    enrolment.confirm(
        user, app.code(now), authority=None, session_public_id=SESSION, client=None, now=now
    )
    finish(user, made, now)

    assert set(Authenticator.objects.values_list("kind", flat=True)) == {"totp", "passkey"}


def test_trust_in_devices_ends(user: User, now: datetime) -> None:
    """Whoever trusted a device may be why a passkey is added."""
    Device.objects.create(user=user, trusted_until=now + timedelta(days=9), trust_hash="x" * 64)

    enrol_passkey(user, at=now)

    assert Device.objects.get().trusted_until is None


def test_a_second_factor_keeps_its_codes(user: User, now: datetime) -> None:
    """Beside an app no new recovery codes are made while there are unused ones."""
    enrol(user, at=now)
    enrol_passkey(user, at=now)

    assert RecoveryCode.objects.count() == 10
    assert SessionEvent.objects.filter(event=Event.RECOVERY_CODES_MADE).count() == 1


@override_settings(SESSIONS_PLUS_MAX_PASSKEYS=2)
def test_there_is_an_end_to_them(user: User, now: datetime) -> None:
    """No person has more passkeys than the site allows."""
    for _ in range(2):
        assert registration.may_add(user)
        enrol_passkey(user, at=now)

    assert not registration.may_add(user)
    with pytest.raises(TooManyPasskeys):
        begin(user, now)


@override_settings(SESSIONS_PLUS_PROFILE="aal3")
def test_aal3_wants_keys_that_cannot_be_copied(user: User, now: datetime) -> None:
    """Under aal3 a passkey that can be synced is refused with a word, and a key is taken."""
    with pytest.raises(PasskeyNotAllowed):
        finish(user, SoftwareAuthenticator().make(begin(user, now)), now)
    assert SessionEvent.objects.get(event=Event.ENROLMENT_FAILED).reason == "passkey_synced"

    finish(user, SoftwareAuthenticator(is_synced=False).make(begin(user, now)), now)

    assert only(user).backup_eligible is False


class TestConditional:
    """A password manager makes one by itself, after it filled in the password."""

    def test_nobody_has_to_be_there(
        self, user: User, now: datetime, phone: SoftwareAuthenticator
    ) -> None:
        """It is taken without presence, and is a second factor until it first asks somebody."""
        made = phone.make(begin(user, now, is_conditional=True), without=PRESENT | VERIFIED)

        finish(user, made, now)

        assert only(user).verifies_user is False

    def test_only_where_it_was_asked_for(
        self, user: User, now: datetime, phone: SoftwareAuthenticator
    ) -> None:
        """Whoever was asked to confirm it has to be there."""
        made = phone.make(begin(user, now), without=PRESENT)

        with pytest.raises(PasskeyRefused) as refusal:
            finish(user, made, now)
        assert refusal.value.reason == "not_present"


def own_key(**changes: Any) -> Any:
    cose: dict[int, Any] = Key().cose()
    return cose | {int(name[1:]) * -1: value for name, value in changes.items()}


WRONG = [
    pytest.param("origin", {"origin": "https://testserver"}, id="another scheme"),
    pytest.param("origin", {"origin": "http://evil.example"}, id="another site"),
    pytest.param("origin", {"origin": "http://www.testserver"}, id="a subdomain"),
    pytest.param("origin", {"origin": "http://testserver:8000"}, id="another port"),
    pytest.param("origin", {"origin": "http://testserver/"}, id="an address"),
    pytest.param("cross_origin", {"client": {"crossOrigin": True}}, id="in a frame"),
    pytest.param("cross_origin", {"client": {"crossOrigin": "no"}}, id="perhaps in a frame"),
    pytest.param("cross_origin", {"client": {"topOrigin": "http://testserver"}}, id="below a top"),
    pytest.param("type", {"type": "webauthn.get"}, id="an assertion"),
    pytest.param("nonce", {"nonce": b"x" * 32}, id="another nonce"),
    pytest.param("nonce", {"nonce": b""}, id="no nonce"),
    pytest.param("rp_id", {"rp_id": "evil.example"}, id="another domain"),
    pytest.param("not_present", {"without": PRESENT}, id="nobody there"),
    pytest.param("not_verified", {"without": VERIFIED}, id="nobody asked"),
    pytest.param("backup_flags", {"without": ELIGIBLE}, id="synced though it cannot be"),
    pytest.param("credential", {"cose": Key(ES384).cose()}, id="another algorithm"),
    pytest.param("credential", {"cose": {1: 2, 3: -65535}}, id="no algorithm that there is"),
    pytest.param("credential", {"cose": own_key(n2=b"\x01" * 32)}, id="no point of the curve"),
    pytest.param("credential", {"cose": own_key(n1=2)}, id="another curve"),
    pytest.param("algorithm", {"cose": Key(RS256, rsa_bits=1024).cose()}, id="a weak key"),
    pytest.param("malformed", {"data": b"short"}, id="no data"),
    pytest.param("malformed", {"attestation_object": b"\xff\xff"}, id="no CBOR"),
    pytest.param("malformed", {"attestation_object": cbor([1, 2])}, id="no map"),
    pytest.param("malformed", {"attestation_object": cbor({"authData": "x"})}, id="text"),
    pytest.param("malformed", {"attestation_object": b"\x81" * 4000}, id="a deep well"),
    pytest.param("oversize", {"credential_id": b"x" * 1024}, id="too long an id"),
    pytest.param("malformed", {"credential_id": b""}, id="no id"),
]


@pytest.mark.parametrize(("reason", "wrong"), WRONG)
def test_nothing_else_is_taken(
    user: User, now: datetime, phone: SoftwareAuthenticator, reason: str, wrong: Json
) -> None:
    """Whatever is not as it has to be is refused in the same words, leaves an event, and waits."""
    options = begin(user, now)

    with pytest.raises(PasskeyRefused) as refusal:
        finish(user, phone.make(options, **wrong), now)

    assert refusal.value.reason == reason
    assert refusal.value.code == "passkey_refused"
    assert not has_authenticator(user)
    assert SessionEvent.objects.get(event=Event.ENROLMENT_FAILED).reason == f"passkey_{reason}"
    finish(user, phone.make(options), now)
    assert has_authenticator(user)


def test_what_it_says_of_its_maker_is_left_out(
    user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """No certificate is read that was not asked for, so that none can do harm."""
    statement = {"alg": ES256, "sig": b"no signature", "x5c": [b"no certificate"]}

    finish(user, phone.make(begin(user, now), format="packed", statement=statement), now)

    assert has_authenticator(user)


def test_a_credential_is_enrolled_once(
    user: User, other_user: User, now: datetime, phone: SoftwareAuthenticator
) -> None:
    """A credential id that somebody has is nobody else's, whoever says so."""
    finish(user, phone.make(begin(user, now)), now)
    copy = phone.make(begin(other_user, now), credential_id=phone.passkeys[0].id)

    with pytest.raises(PasskeyRefused) as refusal:
        finish(other_user, copy, now)

    assert refusal.value.reason == "known"
    assert not has_authenticator(other_user)


@pytest.mark.parametrize(
    ("transports", "kept"),
    [
        (["usb", "nfc", "usb"], "usb nfc"),
        (["smart-card", 5, None, "with space", "X" * 99, "<b>"], "smart-card"),
        ("usb", ""),
        (None, ""),
        ([f"way-{letter}" for letter in "abcdefghij"], "way-a way-b way-c way-d way-e way-f"),
    ],
)
def test_ways_to_reach_it_are_hints(
    user: User, now: datetime, phone: SoftwareAuthenticator, transports: Any, kept: str
) -> None:
    """Transports that browsers may yet think of are kept, and what is no word is dropped."""
    made = phone.make(begin(user, now))
    made["response"]["transports"] = transports

    finish(user, made, now)

    assert only(user).transports == kept
