"""A passkey after a password, and in a session that goes on."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.test import override_settings

from sessions_plus.authority import Authority, Presented
from sessions_plus.exceptions import (
    ActingForAnother,
    ChallengeOver,
    PasskeyNotAllowed,
    PasskeyRefused,
    PasskeyUnknown,
    WrongPassword,
)
from sessions_plus.mfa import challenge
from sessions_plus.mfa.passkeys import uses
from sessions_plus.mfa.passkeys.nonces import Use
from sessions_plus.mfa.reauthentication import is_fresh
from sessions_plus.models import Authenticator, Challenge, Event, SessionEvent, UsedNonce
from tests.conftest import PASSWORD
from tests.support.authenticators import SESSION, enrol, only
from tests.support.passkeys import (
    Json,
    Key,
    SoftwareAuthenticator,
    a_party,
    decoded,
    enrol_passkey,
)

BACKEND = "django.contrib.auth.backends.ModelBackend"
ELSEWHERE = UUID("018f0000-0000-7000-8000-000000000002")


def wait(user: User, now: datetime, methods: tuple[str, ...] = ("pwd",)) -> Challenge:
    return challenge.begin(
        user, backend=BACKEND, methods=methods, session_public_id=SESSION, client=None, now=now
    )


def asked(waiting: Challenge, user: User) -> Json:
    options = uses.challenge_options(waiting, user, a_party())
    assert options is not None
    return options


def pass_(waiting: Challenge, sent: object, now: datetime) -> challenge.Passed:
    return uses.pass_challenge(waiting, sent, party=a_party(), client=None, now=now)


class TestChallenge:
    def test_confirms_a_password(self, user: User, now: datetime) -> None:
        """A passkey passes a waiting sign-in once, and leaves no row for its nonce."""
        phone = enrol_passkey(user, at=now)
        waiting = wait(user, now)

        options = asked(waiting, user)
        sent = phone.use(options)
        passed = pass_(waiting, sent, now)

        assert options["userVerification"] == "preferred"
        assert [decoded(entry["id"]) for entry in options["allowCredentials"]] == [
            phone.passkeys[0].id
        ]
        assert options["allowCredentials"][0]["transports"] == ["internal", "hybrid"]
        assert (passed.user, passed.backend) == (user, BACKEND)
        assert passed.methods == ("pwd", "pky", "swk")
        assert not UsedNonce.objects.exists()
        with pytest.raises(ChallengeOver):
            pass_(waiting, sent, now)

    def test_a_key_that_asks_nobody_is_enough(self, user: User, now: datetime) -> None:
        """After a password it is enough to hold the key: that is a second factor."""
        with override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN="second_factor"):
            key = enrol_passkey(user, SoftwareAuthenticator(verifies=False), at=now)
            waiting = wait(user, now)

            assert pass_(waiting, key.use(asked(waiting, user)), now).methods == (
                "pwd",
                "sec",
                "swk",
            )

    def test_a_first_pin_counts_from_the_next_time_on(self, user: User, now: datetime) -> None:
        """What asks who is there for the first time is known as such once a password was given."""
        phone = enrol_passkey(user, at=now)
        Authenticator.objects.update(verifies_user=False)
        first, second = wait(user, now), wait(user, now)

        passed = pass_(first, phone.use(asked(first, user)), now)
        assert (passed.methods, only(user).verifies_user) == (("pwd", "sec", "swk"), True)

        assert pass_(second, phone.use(asked(second, user)), now).methods == ("pwd", "pky", "swk")

    def test_another_persons_passkey_is_unknown(
        self, user: User, other_user: User, now: datetime
    ) -> None:
        """Half-authenticated is not authenticated by what somebody else holds."""
        enrol_passkey(user, at=now)
        theirs = enrol_passkey(other_user, at=now)
        waiting = wait(user, now)
        options = asked(waiting, user) | {"allowCredentials": []}

        with pytest.raises(PasskeyUnknown):
            pass_(waiting, theirs.use(options), now)

        assert SessionEvent.objects.get(event=Event.CHALLENGE_FAILED).user == user

    def test_a_nonce_is_of_one_challenge(self, user: User, now: datetime) -> None:
        """What was signed for one waiting sign-in, or for the sign-in page, passes no other."""
        phone = enrol_passkey(user, at=now)
        one, other = wait(user, now), wait(user, now)
        page = uses.sign_in_options(a_party(), use=Use.SIGN_IN, holder="x", now=now)

        for sent in (phone.use(asked(one, user)), phone.use(page)):
            with pytest.raises(PasskeyRefused) as refusal:
                pass_(other, sent, now)
            assert refusal.value.reason == "nonce"

    def test_a_refusal_lets_it_wait(self, user: User, now: datetime) -> None:
        """After what is refused the challenge waits on, and says in the audit why."""
        phone = enrol_passkey(user, at=now)
        waiting = wait(user, now)

        with pytest.raises(PasskeyRefused):
            pass_(waiting, phone.use(asked(waiting, user), key=Key()), now)

        event = SessionEvent.objects.get(event=Event.CHALLENGE_FAILED)
        assert (event.user, event.reason) == (user, "passkey_signature")
        assert event.session_public_id == SESSION
        assert pass_(waiting, phone.use(asked(waiting, user)), now).user == user

    @pytest.mark.parametrize("methods", [("rcv",), ("otp",)])
    def test_asvs_6_4_3_nothing_passes_without_a_first_factor(
        self, user: User, now: datetime, methods: tuple[str, ...]
    ) -> None:
        """Where no first factor was proved, no second one signs in, of whichever kind."""
        phone, app = enrol_passkey(user, at=now), enrol(user, at=now)
        waiting = wait(user, now, methods)

        with pytest.raises(ChallengeOver):
            pass_(waiting, phone.use(asked(waiting, user)), now)
        with pytest.raises(ChallengeOver):
            challenge.pass_(waiting, app.code(now), client=None, now=now)

    def test_who_has_none_is_asked_for_none(self, user: User, now: datetime) -> None:
        """Somebody with an app alone is offered no passkey, nor one of another domain."""
        enrol(user, at=now)
        assert uses.challenge_options(wait(user, now), user, a_party()) is None

        enrol_passkey(user, at=now, party=a_party("shop.example"))

        assert uses.challenge_options(wait(user, now), user, a_party()) is None

    def test_a_new_password_ends_it(self, user: User, now: datetime) -> None:
        """A sign-in whose password was changed meanwhile is over."""
        phone = enrol_passkey(user, at=now)
        waiting = wait(user, now)
        sent = phone.use(asked(waiting, user))
        user.set_password("another one")
        user.save()

        with pytest.raises(ChallengeOver):
            pass_(waiting, sent, now)


class Own(Authority):
    """Somebody's own session, which keeps what was bound to it."""

    presented = Presented.COOKIE
    may_bind = True

    def __init__(self, user: User, session: UUID = SESSION) -> None:
        super().__init__(user_id=user.pk, session_public_id=session, methods=("pwd",), row=None)
        self.bound: list[Any] = []

    def bind(self, binding: Any, **_: Any) -> None:
        self.bound.append(binding)


def prove(authority: Own, user: User, sent: object, now: datetime, **kwargs: Any) -> Any:
    return uses.reauthenticate(
        authority, user, sent, party=a_party(), client=None, now=now, **kwargs
    )


def question(authority: Own, user: User, now: datetime) -> Json:
    options = uses.reauthentication_options(authority, user, a_party(), now=now)
    assert options is not None
    return options


class TestReauthentication:
    def test_proves_both_factors(self, user: User, now: datetime) -> None:
        """A passkey that asks who is there is all that an account has to prove."""
        phone, own = enrol_passkey(user, at=now), Own(user)

        assert prove(own, user, phone.use(question(own, user, now)), now) == ("pky", "swk")

        (proved,) = own.bound
        assert proved.methods == ("pky", "swk")
        row: Any = type("Row", (), {"user_id": user.pk, "reauthenticated_at": now})
        row.reauth_methods, row.auth_methods = "pky swk", "pwd otp"
        age = timedelta(minutes=5)
        assert is_fresh(row, factors="all", has_authenticator=True, max_age=age, now=now)

    def test_a_key_that_asks_nobody_needs_the_password_too(self, user: User, now: datetime) -> None:
        """With the password in the same request both factors are proved."""
        phone, own = enrol_passkey(user, at=now), Own(user)
        Authenticator.objects.update(verifies_user=False)

        alone = prove(own, user, phone.use(question(own, user, now)), now)
        assert only(user).verifies_user is False
        both = prove(own, user, phone.use(question(own, user, now)), now, password=PASSWORD)

        assert alone == ("sec", "swk")
        assert both == ("pwd", "sec", "swk")
        assert only(user).verifies_user is True

    def test_a_wrong_password_comes_first(self, user: User, now: datetime) -> None:
        """A wrong password is refused before the passkey is looked at."""
        phone, own = enrol_passkey(user, at=now), Own(user)

        with pytest.raises(WrongPassword):
            prove(own, user, phone.use(question(own, user, now)), now, password="wrong")
        assert own.bound == []
        assert not UsedNonce.objects.exists()

    def test_is_taken_once_and_in_one_session(self, user: User, now: datetime) -> None:
        """What was signed in one session proves nothing in another, and nothing twice."""
        phone, own = enrol_passkey(user, at=now), Own(user)
        sent = phone.use(question(own, user, now))

        with pytest.raises(PasskeyRefused) as refusal:
            prove(Own(user, ELSEWHERE), user, sent, now)
        assert refusal.value.reason == "nonce"
        prove(own, user, sent, now)
        with pytest.raises(PasskeyRefused) as refusal:
            prove(own, user, sent, now)

        assert refusal.value.reason == "replayed"
        events = SessionEvent.objects.filter(event=Event.REAUTHENTICATION_FAILED).order_by("pk")
        assert [event.reason for event in events] == ["passkey_nonce", "passkey_replayed"]

    def test_is_proved_in_ones_own_session(
        self, user: User, other_user: User, now: datetime
    ) -> None:
        """Nobody proves anything in another's session, or where no new key could be told."""
        phone, own = enrol_passkey(user, at=now), Own(user)
        sent = phone.use(question(own, user, now))

        with pytest.raises(ActingForAnother):
            prove(Own(other_user), user, sent, now)
        own.may_bind = False
        with pytest.raises(PermissionDenied):
            prove(own, user, sent, now)

    def test_who_has_none_is_asked_for_none(self, user: User, now: datetime) -> None:
        """An account without a passkey of this domain has nothing to be asked for."""
        assert uses.reauthentication_options(Own(user), user, a_party(), now=now) is None

    @override_settings(SESSIONS_PLUS_PROFILE="aal3")
    def test_aal3_takes_no_synced_one(self, user: User, now: datetime) -> None:
        """A passkey that can be synced proves nothing under aal3."""
        with override_settings(SESSIONS_PLUS_PASSKEY_ACCEPT_SYNCED=True):
            phone = enrol_passkey(user, at=now)
        own = Own(user)

        with pytest.raises(PasskeyNotAllowed):
            prove(own, user, phone.use(question(own, user, now)), now)
