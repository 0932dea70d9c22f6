"""Passkeys over HTTP: made, used alone, after a password, and to prove oneself again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.models import Authenticator, Event, Session, SessionEvent, UsedNonce
from tests.api.conftest import Caller
from tests.support.passkeys import SoftwareAuthenticator, enrol_passkey
from tests.tokens.factories import claims_of

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _two_hosts(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture
def phone(user: User) -> SoftwareAuthenticator:
    """Ann has a passkey."""
    return enrol_passkey(user)


def asked(caller: Caller, name: str, body: Any = None) -> dict[str, Any]:
    response = caller("post", name, body if body is not None else {})
    assert response.status_code in (200, 201), response.content
    found: dict[str, Any] = response.json()
    return found


def signed_in(caller: Caller, phone: SoftwareAuthenticator, **wrong: Any) -> Any:
    options = asked(caller, "token_passkey_options")
    sent = phone.use(options["public_key"], **wrong)
    body = {"credential": sent, "nonce_token": options["nonce_token"]}
    return caller("post", "token_passkey", body)


def test_passkey_gets_tokens(phone: SoftwareAuthenticator, stranger: Caller) -> None:
    """A passkey alone signs a program in, and its token says so in the words of RFC 8176."""
    response = signed_in(stranger, phone)

    assert response.status_code == 200
    assert Session.objects.get().methods[0] == "pky"
    assert {"pky", "swk", "user", "mfa"} <= set(claims_of(response.json()["access"])["amr"])


def test_asking_writes_nothing(
    stranger: Caller, django_assert_num_queries: Any, settings: Any
) -> None:
    """What strangers ask for costs no query, let alone a row."""
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))
    with django_assert_num_queries(0):
        for _ in range(1000):
            asked(stranger, "token_passkey_options")


def test_nonce_needs_its_token(phone: SoftwareAuthenticator, stranger: Caller) -> None:
    """What was signed is worthless without what came with the options, and with other's."""
    options = asked(stranger, "token_passkey_options")
    other = asked(stranger, "token_passkey_options")["nonce_token"]
    body = {"credential": phone.use(options["public_key"]), "nonce_token": other}

    assert stranger("post", "token_passkey", body).json()["code"] == "passkey_refused"
    assert not UsedNonce.objects.exists()


def test_unknown_passkey_is_told(phone: SoftwareAuthenticator, stranger: Caller) -> None:
    """A passkey that is gone gets 401, and what its authenticator is to be told."""
    Authenticator.objects.all().delete()

    response = signed_in(stranger, phone)

    assert response.status_code == 401
    body = response.json()
    assert body["code"] == "passkey_unknown"
    assert set(body["unknown"]) == {"rpId", "credentialId"}


@pytest.mark.parametrize("credential", [{}, {"id": 7}, {"response": []}, {"id": "x" * 9000}])
def test_malformed_is_one_answer(credential: Any, stranger: Caller) -> None:
    """Whatever is no passkey's answer is refused, with an event."""
    token = asked(stranger, "token_passkey_options")["nonce_token"]

    response = stranger("post", "token_passkey", {"credential": credential, "nonce_token": token})

    assert response.json()["code"] == "passkey_refused"
    assert SessionEvent.objects.get().reason.startswith("passkey_")


def test_passkey_answers_a_challenge(
    phone: SoftwareAuthenticator, password: str, stranger: Caller
) -> None:
    """After the password a passkey is the second factor, also one that verifies nobody."""
    waits = stranger("post", "token_issue", {"username": "ann", "password": password}).json()
    challenge = waits["challenge"]
    options = asked(stranger, "token_challenge_passkey_options", {"challenge": challenge})
    sent = phone.use(options["public_key"], without=0x04)

    body = {"challenge": challenge, "credential": sent}
    response = stranger("post", "token_challenge_passkey", body)

    assert response.status_code == 200
    assert Session.objects.get().methods == ["pwd", "sec", "swk"]
    assert stranger("post", "token_challenge_passkey", body).json()["code"] == "challenge_over"


def test_key_without_verification_needs_the_password(
    phone: SoftwareAuthenticator, stranger: Caller
) -> None:
    """Alone, a passkey that did not verify who is there signs nobody in."""
    assert signed_in(stranger, phone, without=0x04).json()["code"] == "passkey_refused"
    assert not Session.objects.exists()


def test_passkey_is_fresh_proof(user: User, program: Caller) -> None:
    """A program proves its user again by their passkey, and gets new tokens."""
    phone = enrol_passkey(user)
    options = asked(program, "reauthenticate_passkey_options")

    response = program(
        "post", "reauthenticate_passkey", {"credential": phone.use(options["public_key"])}
    )

    assert response.status_code == 200
    assert "pky" in claims_of(response.json()["access"])["amr"]
    row = Session.objects.get()
    assert row.reauth_methods.split()[0] == "pky"


def test_enrolling(user: User, web: Caller) -> None:
    """A browser's program adds a passkey, gets recovery codes with the first, and removes it."""
    phone = SoftwareAuthenticator()
    options = asked(web, "passkey_begin")
    sent = {"credential": phone.make(options["public_key"]), "name": "Phone"}

    response = web("post", "passkey_confirm", sent)

    body = response.json()
    assert response.status_code == 201
    assert len(body["recovery_codes"]) == 10
    assert body["authenticator"]["kind"] == "passkey"
    assert web("post", "passkey_confirm", sent).json()["code"] == "enrolment_over"


def test_enrolling_needs_all_factors(user: User, program: Caller) -> None:
    """A session by password alone cannot mint a passkey for somebody who has a factor."""
    enrol_passkey(user)

    response = program("post", "passkey_begin", {})

    assert response.json()["code"] == "reauthentication_required"
    assert Authenticator.objects.count() == 1


def test_last_way_in_stays(phone: SoftwareAuthenticator, user: User, stranger: Caller) -> None:
    """Who gave up their password keeps their last passkey."""
    user.set_unusable_password()
    user.save()
    program = Caller(signed_in(stranger, phone).json()["access"])
    row = Authenticator.objects.get()

    response = program("delete", "passkey_detail", args=(row.public_id,))

    assert response.json()["code"] == "last_way_in"
    assert Authenticator.objects.exists()


def test_passkeys_that_are_off(phone: SoftwareAuthenticator, stranger: Caller) -> None:
    """Where passkeys only confirm a password, or are off, none is asked for."""
    for setting in ("off", "second_factor"):
        with override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN=setting):
            response = stranger("post", "token_passkey_options", {})
            assert (response.status_code, response.json()["code"]) == (400, "passkeys_off")


def test_an_app_is_no_passkey(web: Caller, user: User) -> None:
    """Each kind is removed at its own address."""
    options = asked(web, "passkey_begin")
    web(
        "post",
        "passkey_confirm",
        {"credential": SoftwareAuthenticator().make(options["public_key"])},
    )
    row = Authenticator.objects.get()

    assert web("delete", "totp_detail", args=(row.public_id,)).status_code == 404
    assert web("delete", "passkey_detail", args=(row.public_id,)).status_code == 204
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_REMOVED).get().reason == "passkey"
