"""The last way in stays, whoever takes it away; and the help desk's way, for whom it is gone."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from sessions_plus.exceptions import LastWayIn
from sessions_plus.mfa.passkeys.only_factor import check_not_last
from sessions_plus.models import Authenticator, Event, SessionEvent
from tests.mfa.test_help_desk import remove, signed_in
from tests.support.authenticators import a_passkey, enrol
from tests.support.passkeys import enrol_passkey

pytestmark = pytest.mark.django_db

ALONE = ("pky", "swk")


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.ALLOWED_HOSTS = ["testserver"]


@pytest.fixture
def passwordless(user: User) -> User:
    """Somebody who gave up their password for a passkey."""
    enrol_passkey(user)
    user.set_unusable_password()
    user.save()
    Authenticator.objects.for_user(user).update(replaces_password=True)
    return user


@pytest.mark.parametrize(
    ("others", "methods", "is_last"),
    [
        pytest.param([], ALONE, True, id="none besides"),
        pytest.param([{}], ALONE, False, id="another"),
        pytest.param([{"verifies_user": False}], ALONE, True, id="one that asks nobody"),
        pytest.param([{"is_discoverable": False}], ALONE, True, id="one that tells no name"),
        pytest.param([{"rp_id": "old.example"}], ALONE, True, id="one of another domain"),
        pytest.param([{"confirmed_at": None}], ALONE, True, id="one that is not complete"),
        pytest.param([], ("ext", *ALONE), False, id="another service"),
        pytest.param([], ("pwd", *ALONE), False, id="a password that is kept elsewhere"),
    ],
)
def test_which_is_the_last(
    passwordless: User,
    others: list[dict[str, Any]],
    methods: tuple[str, ...],
    is_last: bool,
    settings: Any,
) -> None:
    """What is left has to sign in alone, here; or the session shows another way."""
    settings.SESSIONS_PLUS_SITE_URL = "https://testserver"
    own = Authenticator.objects.for_user(passwordless).get()
    for columns in others:
        a_passkey(passwordless, **columns)

    if is_last:
        with pytest.raises(LastWayIn):
            check_not_last(own, passwordless, methods)
    else:
        check_not_last(own, passwordless, methods)


def test_an_app_is_no_way_in(passwordless: User) -> None:
    """Who signs in with passkeys only may remove an app, and who has an app alone, too."""
    enrol(passwordless)
    app = Authenticator.objects.for_user(passwordless).totp().get()

    check_not_last(app, passwordless, ALONE)
    Authenticator.objects.passkeys().delete()
    check_not_last(app, passwordless, ("otp",))


def test_staff_take_it_from_nobody(staff: User, passwordless: User) -> None:
    """The admin leaves the passkeys of who has no password, and says what to do first."""
    row = Authenticator.objects.for_user(passwordless).get()
    client = signed_in(staff)

    page = remove(client, row).content.decode()

    assert Authenticator.objects.for_user(passwordless).exists()
    assert not SessionEvent.objects.filter(event=Event.AUTHENTICATOR_REMOVED).exists()
    assert "1 person signs in with passkeys only, and kept them." in page


def test_the_help_desks_way(staff: User, passwordless: User) -> None:
    """With a password that staff gave them their passkeys can go; they sign in with it."""
    client = signed_in(staff)
    row = Authenticator.objects.for_user(passwordless).get()
    new = "a new one 1234"
    client.post(
        f"/admin/auth/user/{passwordless.pk}/password/",
        {"password1": new, "password2": new, "usable_password": "true"},
    )

    remove(client, row)

    assert not Authenticator.objects.for_user(passwordless).exists()
    person = Client()
    person.post("/account/login/", {"username": "ann", "password": new})
    assert person.get("/account/security/").status_code == 200


def test_the_command_says_what_is_missing(passwordless: User) -> None:
    """It removes what it was told to, and says that there is no way in any more."""
    out = StringIO()
    call_command("mfa_remove", "ann", stdout=out)

    assert not Authenticator.objects.exists()
    assert "They have no password. Run: manage.py changepassword ann" in out.getvalue()


def test_the_command_says_nothing_more_of_others(user: User) -> None:
    """Who has a password signs in with it."""
    enrol_passkey(user)
    out = StringIO()
    call_command("mfa_remove", "ann", stdout=out)

    assert "password" not in out.getvalue()
