"""Recovery codes that came along from another package: shorter than ours, and of other forms."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_plus.exceptions import InvalidCode
from sessions_plus.mfa import recovery_codes
from sessions_plus.mfa.verification import verify_code
from sessions_plus.models import Authenticator, RecoveryCode, Scope, Throttle
from sessions_plus.testing import sign_in
from tests.support.authenticators import App, enrol

SOURCE = "otp_static.staticdevice/1"
DIGITS, LETTERS = "13572468", "ABCD2345"


@pytest.fixture
def app(user: User, now: datetime) -> App:
    """Ann's app, and two codes of hers that came along."""
    app = enrol(user, at=now - timedelta(days=1))
    recovery_codes.discard(user)
    rows = recovery_codes.imported(user, [DIGITS, LETTERS, DIGITS], source=SOURCE, now=now)
    RecoveryCode.objects.bulk_create(rows)
    return app


def verify(user: User, code: str, now: datetime) -> str:
    return verify_code(user, code, client=None, now=now)


@pytest.mark.parametrize("typed", ["13572468", "1357 2468", "abcd2345", "ABCD-2345"])
def test_works_once(user: User, app: App, now: datetime, typed: str) -> None:
    """As people wrote it down, and as the package showed it."""
    assert verify(user, typed, now) == "rcv"

    with pytest.raises(InvalidCode):
        verify(user, typed, now + timedelta(minutes=5))


def test_eight_digits_may_be_of_an_app_too(user: User, app: App, now: datetime) -> None:
    """Whoever has such an app and such codes may type either."""
    Authenticator.objects.update(digits=8)
    app.digits = 8

    assert verify(user, app.code(now), now) == "otp"
    assert verify(user, DIGITS, now) == "rcv"


def test_guesses_are_counted(user: User, app: App, now: datetime) -> None:
    """A wrong one counts among recovery codes, and not among those of an app."""
    with pytest.raises(InvalidCode):
        verify(user, "00000000", now)

    assert Throttle.objects.get(scope=Scope.RECOVERY).attempts == 1
    apps = Throttle.objects.filter(scope__in=(Scope.ACCOUNT, Scope.AUTHENTICATOR))
    assert not apps.filter(attempts__gt=0).exists()


def test_whoever_has_none_types_none(user: User, now: datetime) -> None:
    """Where no codes came along, such a text is no code, and costs no attempt."""
    enrol(user, at=now - timedelta(days=1))

    with pytest.raises(InvalidCode):
        verify(user, LETTERS, now)

    assert not Throttle.objects.filter(scope=Scope.RECOVERY, attempts__gt=0).exists()


def test_they_are_nobody_elses(user: User, other_user: User, app: App, now: datetime) -> None:
    """A code is bound to its owner, as ours are."""
    with pytest.raises(InvalidCode):
        verify(other_user, LETTERS, now)


def test_the_page_asks_for_better_ones(user: User, app: App, client: Client) -> None:
    """Until new ones are made, which void them."""
    sign_in(client, user)
    url = "/account/security/"
    assert "Make new ones: they are longer" in client.get(url).content.decode()

    client.post("/account/security/recovery-codes/make/")

    assert "Make new ones: they are longer" not in client.get(url).content.decode()
    assert not RecoveryCode.objects.exclude(imported_from="").exists()
