"""One signature, one success: forty threads at once, on a real database."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.mfa import challenge
from sessions_plus.mfa.enrolment import remove
from sessions_plus.mfa.passkeys import assertion, nonces, registration, uses
from sessions_plus.mfa.passkeys.assertion import Asked
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.passkeys.only_factor import give_up_password
from sessions_plus.models import Authenticator, Challenge, Event, SessionEvent, UsedNonce
from tests.mfa.passkeys.test_confirming import Own
from tests.security.test_code_races import race
from tests.support.authenticators import SESSION, a_passkey
from tests.support.passkeys import SoftwareAuthenticator, a_party, enrol_passkey

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 40

# Attempts that come at once are many, and how many may come is not the subject here.
PATIENT = override_settings(SESSIONS_PLUS_THROTTLE_ATTEMPTS=1000)


@PATIENT
def test_one_nonce_signs_in_once(user: User, now: datetime) -> None:
    """Forty threads with one signature: one signs in, and the others leave an event each."""
    phone = enrol_passkey(user, at=now)
    options = uses.sign_in_options(a_party(), use=Use.SIGN_IN, holder="x", now=now)
    sent = phone.use(options)

    found = race(
        lambda _number: uses.sign_in(
            sent, party=a_party(), use=Use.SIGN_IN, holder="x", client=None, now=now
        ),
        threads=THREADS,
    )

    assert found["ok"] == 1
    assert found["passkey_refused"] + found["too_many_attempts"] == THREADS - 1
    assert UsedNonce.objects.count() == 1
    failed = SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED)
    assert failed.count() == found["passkey_refused"]
    assert set(failed.values_list("reason", flat=True)) == {"passkey_replayed"}


def test_one_nonce_is_spent_once(now: datetime) -> None:
    """Threads that spend one nonce directly: one does."""
    nonce = nonces.make(Use.SIGN_IN, "x", now=now)

    found = race(lambda _number: nonces.spend(nonce, now=now), threads=THREADS)

    assert found == {"ok": 1, "no": THREADS - 1}


def test_one_count_is_taken_once(user: User, now: datetime) -> None:
    """Signatures with the same count, as of a key and its copy, at once: one is taken."""
    key = enrol_passkey(user, SoftwareAuthenticator(is_synced=False), at=now)
    options = uses.sign_in_options(a_party(), use=Use.SIGN_IN, holder="x", now=now)
    asked = Asked(a_party(), lambda nonce: True)
    verified = assertion.verify(key.use(options, count=7), asked)

    found = race(
        lambda _number: assertion.accept(verified, may_upgrade=False, now=now), threads=THREADS
    )

    assert found == {"ok": 1, "no": THREADS - 1}
    assert Authenticator.objects.get().sign_count == 7


@PATIENT
def test_one_challenge_is_passed_once(user: User, now: datetime) -> None:
    """Many signatures for one waiting sign-in: one signs in."""
    phone = enrol_passkey(user, at=now)
    waiting = challenge.begin(
        user,
        backend="django.contrib.auth.backends.ModelBackend",
        methods=("pwd",),
        session_public_id=SESSION,
        client=None,
        now=now,
    )
    options = uses.challenge_options(waiting, user, a_party())
    assert options is not None
    sent = phone.use(options)

    found = race(
        lambda _number: uses.pass_challenge(waiting, sent, party=a_party(), client=None, now=now),
        threads=THREADS,
    )

    assert found["ok"] == 1
    assert Challenge.objects.get().closed_at == now


def test_one_enrolment_makes_one_passkey(user: User, now: datetime) -> None:
    """What is completed in forty tabs is one passkey, and one batch of recovery codes."""
    phone = SoftwareAuthenticator()
    options = registration.begin(user, party=a_party(), session_public_id=SESSION, now=now)
    sent = phone.make(options)

    found = race(
        lambda _number: registration.finish(
            user,
            sent,
            party=a_party(),
            authority=None,
            session_public_id=SESSION,
            client=None,
            now=now,
        ),
        threads=THREADS,
    )

    assert found == {"ok": 1, "enrolment_over": THREADS - 1}
    assert Authenticator.objects.confirmed().count() == 1
    assert SessionEvent.objects.filter(event=Event.RECOVERY_CODES_MADE).count() == 1


def test_the_last_of_many_stays(user: User, now: datetime) -> None:
    """Who removes ten passkeys in ten tabs at once, and has no password, keeps one."""
    user.set_unusable_password()
    user.save()
    rows = [a_passkey(user) for _ in range(10)]

    found = race(lambda number: remove(rows[number], user_again(user), authority=own(user)))

    assert found == {"ok": 9, "last_way_in": 1}
    assert Authenticator.objects.confirmed().count() == 1


def test_password_and_passkey_do_not_go_together(user: User, now: datetime) -> None:
    """Who gives up their password as their passkeys go keeps enough of the one or the other."""
    rows = [a_passkey(user, backed_up=False) for _ in range(2)]

    def act(number: int) -> bool:
        person = user_again(user)
        if number < len(rows):
            return remove(rows[number], person, authority=own(user))
        give_up_password(person, authority=own(user), party=a_party(), client=None, now=now)
        return True

    race(act, threads=3)

    has_password = user_again(user).has_usable_password()
    assert has_password or Authenticator.objects.confirmed().exists()


def user_again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def own(user: User) -> Own:
    authority = Own(user)
    authority.methods = ("pky", "swk")
    return authority
