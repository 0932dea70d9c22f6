"""Passkeys on the pages: added, used to sign in, to confirm, given as the only factor, lost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone
from django.utils.html import escape

from sessions_plus.decorators import mfa_required
from sessions_plus.models import Authenticator, Event, Session, SessionEvent, UsedNonce
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.testing import sign_in as signed_in
from tests.support.authenticators import a_passkey, enrol
from tests.support.passkeys import SoftwareAuthenticator, encoded, enrol_passkey
from tests.views.conftest import SignIn

pytestmark = pytest.mark.django_db


@mfa_required(phishing_resistant=True)
def resistant(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no false site came between")


@mfa_required(phishing_resistant=True)
async def aresistant(request: HttpRequest) -> HttpResponse:
    return HttpResponse("no false site came between")


urlpatterns = [
    path("resistant/", resistant),
    path("aresistant/", aresistant),
    path("account/", include("sessions_plus.urls")),
]

ACCOUNT = "/account/"


@pytest.fixture(autouse=True)
def _host(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]


def post(client: Client, address: str, body: Any = None) -> Any:
    return client.post(ACCOUNT + address, body or {}, content_type="application/json")


def add(client: Client, phone: SoftwareAuthenticator, name: str = "", **more: Any) -> Any:
    """Add a passkey as the page's script does."""
    options = post(client, "security/passkeys/begin/")
    assert options.status_code == 200, options.content
    sent = {"credential": json.dumps(phone.make(options.json())), "name": name, **more}
    return client.post(ACCOUNT + "security/passkeys/", sent)


def sign_in_by(phone: SoftwareAuthenticator, wrong: Any = None) -> Any:
    client = Client()
    options = post(client, "login/passkey/options/").json()
    sent = phone.use(options, **(wrong or {}))
    return client, post(client, "login/passkey/finish/", {"credential": sent})


def recovery_codes_in(response: Any) -> list[str]:
    found = re.findall(r"[0-9A-Z]{4}(?:-[0-9A-Z]{4})+", response.content.decode())
    return list(dict.fromkeys(found))  # once to be read, once to be downloaded


def test_adding(user: User, sign_in: SignIn) -> None:
    """The first passkey comes with recovery codes, and the security page shows it by name."""
    client, phone = sign_in(user), SoftwareAuthenticator()

    response = add(client, phone, "My phone")

    assert len(recovery_codes_in(response)) == 10
    page = client.get(ACCOUNT + "security/").content.decode()
    assert "My phone" in page
    assert "Synced" in page
    assert Session.objects.get().methods == ["pwd", "pky", "swk"]


def test_adding_needs_all_factors(user: User, sign_in: SignIn, password: str) -> None:
    """A session that proved a password alone cannot mint one, where there is an app."""
    client = sign_in(user)
    enrol(user)

    response = post(client, "security/passkeys/begin/")

    assert (response.status_code, response.json()["code"]) == (403, "reauthentication_required")
    assert not Authenticator.objects.passkeys().exists()


def test_signing_in_without_a_name(user: User) -> None:
    """A passkey alone signs its owner in: device, event and methods as ever, and no code."""
    phone = enrol_passkey(user)
    enrol(user)

    client, response = sign_in_by(phone)

    assert response.status_code == 200
    assert response.json()["next"] == ACCOUNT + "devices/"
    row = Session.objects.get()
    assert (row.user_id, row.methods[0]) == (user.pk, "pky")
    assert row.device is not None
    assert SessionEvent.objects.filter(event=Event.SESSION_STARTED, user_id=user.pk).exists()
    assert client.get(ACCOUNT + "devices/").status_code == 200


def test_accepted_passkeys_are_told(user: User) -> None:
    """After a sign-in the authenticator learns all that still count, also disabled ones."""
    phone = enrol_passkey(user)
    first = enrol_passkey(user, phone).passkeys[0]
    Authenticator.objects.filter(credential_id=first.id).update(disabled_at=timezone.now())
    old = a_passkey(user, rp_id="old.example", last_used_at=timezone.now())
    user.first_name = "Ann"
    user.save()

    client, response = sign_in_by(phone)

    accepted = response.json()["accepted"]
    ids = {encoded(passkey.id) for passkey in phone.passkeys}
    assert set(accepted["allAcceptedCredentialIds"]) == ids
    assert accepted["rpId"] == "testserver"
    assert accepted["userId"] == encoded(first.user_handle)
    assert (accepted["name"], accepted["displayName"]) == ("ann", "Ann")
    page = client.get(ACCOUNT + "security/").content.decode()
    assert escape(json.dumps(accepted)) in page
    assert encoded(bytes(old.credential_id or b"")) not in page


@pytest.mark.parametrize("path", ["login/", "security/", "devices/"])
def test_strangers_are_told_of_none(user: User, path: str) -> None:
    """What belongs to whom is said to nobody else: not to visitors, and not to other people."""
    phone = enrol_passkey(user)
    other = User.objects.create_user("ben", password="x")
    stranger, ben = Client(), Client()
    signed_in(ben, other)

    for client in (stranger, ben):
        page = client.get(ACCOUNT + path, follow=True).content.decode()
        assert encoded(phone.passkeys[0].id) not in page
        assert encoded(phone.passkeys[0].user_handle) not in page


def test_a_query_that_failed_tells_nothing(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather no page than one that lets an authenticator forget what counts."""
    phone = enrol_passkey(user)
    client, _ = sign_in_by(phone)
    client.raise_request_exception = False

    def fail(_self: object) -> None:
        raise OperationalError("gone away")

    monkeypatch.setattr(AuthenticatorQuerySet, "confirmed", fail)

    page = client.get(ACCOUNT + "security/")
    assert page.status_code == 500
    assert b"allAcceptedCredentialIds" not in page.content


def test_a_thousand_strangers(django_assert_num_queries: Any) -> None:
    """The sign-in page, and asking for a passkey there, writes nothing, and reads nothing."""
    with django_assert_num_queries(0):
        for _ in range(1000):
            stranger = Client()
            assert "Sign in with a passkey" in stranger.get(ACCOUNT + "login/").content.decode()
            assert post(stranger, "login/passkey/options/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_costs_no_more_than_a_password_and_a_code(user: User, password: str, engine: str) -> None:
    """From a known browser as from a new one, a passkey takes no statement more than those."""
    phone, app = enrol_passkey(user), enrol(user)
    account = {"username": "ann", "password": password}

    for known in (False, True):
        by_passkey, by_code = Client(), Client()
        if known:
            signed_in(by_passkey, user)
            signed_in(by_code, user)
            by_passkey.post(ACCOUNT + "logout/")
            by_code.post(ACCOUNT + "logout/")
        with CaptureQueriesContext(connection) as captured:
            options = post(by_passkey, "login/passkey/options/").json()
            post(by_passkey, "login/passkey/finish/", {"credential": phone.use(options)})
        with_passkey = [query["sql"] for query in captured.captured_queries]
        with CaptureQueriesContext(connection) as captured:
            by_code.post(ACCOUNT + "login/", account)
            by_code.post(ACCOUNT + "challenge/", {"code": app.code(steps=int(known))})
        with_code = [query["sql"] for query in captured.captured_queries]

        assert by_passkey.get(ACCOUNT + "security/").status_code == 200
        assert by_code.get(ACCOUNT + "security/").status_code == 200
        assert 0 < len(with_passkey) <= len(with_code), (with_passkey, with_code)


def test_another_browser_cannot_send_it(user: User) -> None:
    """What was asked of one browser is refused from another, and spends nothing."""
    phone = enrol_passkey(user)
    options = post(Client(), "login/passkey/options/").json()
    other = Client()
    post(other, "login/passkey/options/")

    response = post(other, "login/passkey/finish/", {"credential": phone.use(options)})

    assert response.json()["code"] == "passkey_refused"
    assert not UsedNonce.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://shop.testserver"},
        {"client": {"crossOrigin": True}},
        {"client": {"topOrigin": "http://testserver"}},
        {"type": "webauthn.create"},
        {"rp_id": "evil.example"},
        {"without": 0x01},
        {"without": 0x04},
        {"without": 0x08},
        {"user_handle": b"x" * 32},
        {"signature": b"0" * 70},
        {"credential_id": b"x" * 2000},
    ],
    ids=lambda wrong: "-".join(f"{name}" for name in wrong),
)
def test_malformed_is_one_answer(user: User, wrong: Any) -> None:
    """Whatever is wrong: one answer, nobody is signed in, nothing is spent, one event."""
    phone = enrol_passkey(user)

    _, response = sign_in_by(phone, wrong)

    assert (response.status_code, response.json()["code"]) == (400, "passkey_refused")
    assert not Session.objects.exists()
    assert not UsedNonce.objects.exists()
    assert SessionEvent.objects.filter(event=Event.SIGN_IN_FAILED).count() == 1


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"credential": null}', '{"credential": 1}', '"x"', "{}" + " " * 20000]
)
def test_odd_bodies(body: str) -> None:
    """What is no JSON object, or too large, is refused like the rest."""
    client = Client(raise_request_exception=True)
    address = ACCOUNT + "login/passkey/finish/"

    response = client.post(address, body, content_type="application/json")

    assert (response.status_code, response.json()["code"]) == (400, "passkey_refused")


def test_script_needs_its_csrf_token(user: User) -> None:
    """Another site's page cannot sign its visitors in here."""
    client = Client(enforce_csrf_checks=True)

    assert post(client, "login/passkey/finish/").status_code == 403


def test_confirming_a_password(user: User, password: str) -> None:
    """After the password, a passkey completes the sign-in, once."""
    phone = enrol_passkey(user)
    client = Client()
    client.post(ACCOUNT + "login/", {"username": "ann", "password": password})
    page = client.get(ACCOUNT + "challenge/").content.decode()
    assert "Use a passkey" in page
    assert "authenticator app" not in page
    options = post(client, "challenge/passkey/options/").json()
    sent = {"credential": phone.use(options, without=0x04)}

    response = post(client, "challenge/passkey/finish/", sent)

    assert response.status_code == 200
    assert Session.objects.get(user=user).methods == ["pwd", "sec", "swk"]
    assert post(client, "challenge/passkey/finish/", sent).json()["code"] == "challenge_over"


def test_anothers_passkey_confirms_nothing(user: User, staff: User, password: str) -> None:
    """Only a passkey of who gave the password completes their sign-in."""
    enrol_passkey(user)
    other = enrol_passkey(staff)
    client = Client()
    client.post(ACCOUNT + "login/", {"username": "ann", "password": password})
    options = post(client, "challenge/passkey/options/").json() | {"allowCredentials": []}

    response = post(client, "challenge/passkey/finish/", {"credential": other.use(options)})

    assert (response.status_code, response.json()["code"]) == (401, "passkey_unknown")
    assert not Session.objects.filter(user__isnull=False).exists()


def test_proving_oneself_again(user: User) -> None:
    """A passkey opens what needs fresh proof of everything."""
    phone = enrol_passkey(user)
    client, _ = sign_in_by(phone)
    Session.objects.update(reauthenticated_at=None)
    assert post(client, "security/passkeys/begin/").status_code == 403
    options = post(client, "reauthenticate/passkey/options/").json()

    response = post(client, "reauthenticate/passkey/finish/", {"credential": phone.use(options)})

    assert response.status_code == 200
    assert post(client, "security/passkeys/begin/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_limits_and_mails_are_as_ever(user: User, settings: Any) -> None:
    """A sign-in by passkey is one like any other: it is mailed, and counts for the limit."""
    settings.SESSIONS_PLUS_MAX_SESSIONS_PER_USER = 1
    phone = enrol_passkey(user)
    first, _ = sign_in_by(phone)
    mail.outbox.clear()

    second, _ = sign_in_by(phone)

    assert first.get(ACCOUNT + "devices/").status_code == 302
    assert second.get(ACCOUNT + "devices/").status_code == 200
    assert [message.subject for message in mail.outbox] == ["New sign-in to your account"]


@pytest.mark.parametrize("wanted", [True, False])
def test_adding_another_ends_the_others_on_wish(user: User, sign_in: SignIn, wanted: bool) -> None:
    """The first ends them by itself where it has to; the next ones where it is asked for."""
    client, phone = sign_in(user), SoftwareAuthenticator()
    add(client, phone)
    elsewhere, _ = sign_in_by(phone)
    page = client.get(ACCOUNT + "security/passkeys/").content.decode()
    assert "Also sign out everywhere else" in page

    add(client, phone, **({"others": "on"} if wanted else {}))

    assert elsewhere.get(ACCOUNT + "devices/").status_code == (302 if wanted else 200)


def test_renaming(user: User) -> None:
    """A passkey is called as its owner likes; nobody else's can be."""
    phone = enrol_passkey(user, name="Old")
    client, _ = sign_in_by(phone)
    row = Authenticator.objects.get()

    client.post(f"{ACCOUNT}security/{row.public_id}/rename/", {"name": "New"})

    row.refresh_from_db()
    assert row.name == "New"
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_RENAMED).count() == 1


def test_removing_is_told(user: User, sign_in: SignIn) -> None:
    """The page after a removal tells the authenticator, once."""
    client, phone = sign_in(user), SoftwareAuthenticator()
    add(client, phone)
    row = Authenticator.objects.get()

    client.post(f"{ACCOUNT}security/{row.public_id}/remove/")

    assert "credentialId" in client.get(ACCOUNT + "security/").content.decode()
    assert "credentialId" not in client.get(ACCOUNT + "security/").content.decode()
    assert not Authenticator.objects.exists()


def test_giving_up_the_password(user: User, sign_in: SignIn) -> None:
    """With a synced passkey and codes the password goes, others are signed out, one stays."""
    client, phone = sign_in(user), SoftwareAuthenticator()
    add(client, phone)
    elsewhere, _ = sign_in_by(phone)

    client.post(ACCOUNT + "security/password/give-up/")

    user.refresh_from_db()
    assert not user.has_usable_password()
    assert client.get(ACCOUNT + "security/").status_code == 200
    assert elsewhere.get(ACCOUNT + "security/").status_code == 302
    assert SessionEvent.objects.filter(event=Event.PASSWORD_REMOVED).count() == 1


def test_one_bound_passkey_is_not_enough(user: User, sign_in: SignIn) -> None:
    """One that is on one device alone does not stand in for the password; two do."""
    client = sign_in(user)
    add(client, SoftwareAuthenticator(is_synced=False))

    client.post(ACCOUNT + "security/password/give-up/")

    user.refresh_from_db()
    assert user.has_usable_password()
    add(client, SoftwareAuthenticator(is_synced=False))
    client.post(ACCOUNT + "security/password/give-up/")
    user.refresh_from_db()
    assert not user.has_usable_password()


def test_last_way_in_stays(user: User, sign_in: SignIn) -> None:
    """Who has no password cannot remove their last passkey, and is told what to do."""
    client, phone = sign_in(user), SoftwareAuthenticator()
    add(client, phone)
    client.post(ACCOUNT + "security/password/give-up/")
    row = Authenticator.objects.get()

    response = client.post(f"{ACCOUNT}security/{row.public_id}/remove/")

    assert "You could not sign in any more without it." in response.content.decode()
    assert Authenticator.objects.exists()


def test_the_way_back(user: User, sign_in: SignIn) -> None:
    """A recovery code leads to a new passkey and to nothing else; with that one is signed in."""
    client, phone = sign_in(user), SoftwareAuthenticator()
    codes = recovery_codes_in(add(client, phone))
    client.post(ACCOUNT + "security/password/give-up/")

    lost, new = Client(), SoftwareAuthenticator()
    response = lost.post(ACCOUNT + "login/recover/", {"username": "ann", "code": codes[0]})
    assert response.headers["Location"] == ACCOUNT + "login/recover/passkey/"
    assert lost.get(ACCOUNT + "security/").status_code == 302
    assert lost.get(ACCOUNT + "challenge/").headers["Location"].endswith("recover/passkey/")
    options = post(lost, "login/recover/passkey/begin/").json()
    made = json.dumps(new.make(options))
    lost.post(ACCOUNT + "login/recover/passkey/", {"credential": made, "name": ""})

    assert lost.get(ACCOUNT + "security/").status_code == 200
    again = Client().post(ACCOUNT + "login/recover/", {"username": "ann", "code": codes[0]})
    assert "These details did not match." in again.content.decode()


def test_the_way_back_is_none_beside_a_password(user: User, sign_in: SignIn) -> None:
    """Where there is a password, a recovery code alone opens nothing, and stays good."""
    codes = recovery_codes_in(add(sign_in(user), SoftwareAuthenticator()))

    response = Client().post(ACCOUNT + "login/recover/", {"username": "ann", "code": codes[0]})

    assert "These details did not match." in response.content.decode()


def test_a_password_again(user: User, sign_in: SignIn) -> None:
    """Who gave up their password may choose one again, and then has none given up."""
    client = sign_in(user)
    add(client, SoftwareAuthenticator())
    client.post(ACCOUNT + "security/password/give-up/")
    new = {"new_password1": "winter cabbage 93 x", "new_password2": "winter cabbage 93 x"}

    response = client.post(ACCOUNT + "security/password/set/", new)

    assert response.status_code == 302
    user.refresh_from_db()
    assert user.has_usable_password()
    assert not Authenticator.objects.filter(replaces_password=True).exists()


def test_pages_where_passkeys_are_off(user: User, sign_in: SignIn) -> None:
    """Off, no page speaks of them, and none is taken."""
    phone = enrol_passkey(user)
    with override_settings(SESSIONS_PLUS_PASSKEY_SIGN_IN="off"):
        assert "passkey" not in Client().get(ACCOUNT + "login/").content.decode()
        assert post(Client(), "login/passkey/options/").json()["code"] == "passkeys_off"
    assert phone.passkeys


def test_no_script_is_told(user: User, sign_in: SignIn) -> None:
    """Pages hold no inline script, and say what to do without JavaScript."""
    page = sign_in(user).get(ACCOUNT + "security/passkeys/").content.decode()

    assert re.search(r"<p [^>]*data-passkey-missing>This browser knows no passkeys", page)
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("address", ["/resistant/", "/aresistant/"])
def test_phishing_resistant(user: User, address: str) -> None:
    """A code is not enough where a passkey is asked for; people are led to use or to add one."""
    client = Client()
    signed_in(client, user, methods=("pwd", "otp"))
    enrol(user)
    assert client.get(address).headers["Location"].startswith(ACCOUNT + "security/passkeys/")
    as_program = client.get(address, headers={"accept": "application/json"})
    assert as_program.json()["code"] == "passkey_enrollment_required"

    phone = enrol_passkey(user)
    target = client.get(address).headers["Location"]
    assert "factors=passkey" in target
    page = client.get(target).content.decode()
    assert "Use a passkey" in page
    assert 'name="password"' not in page
    options = post(client, "reauthenticate/passkey/options/").json()
    post(client, "reauthenticate/passkey/finish/", {"credential": phone.use(options)})

    assert client.get(address).status_code == 200
