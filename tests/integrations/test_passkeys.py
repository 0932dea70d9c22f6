"""Passkeys of others come along: the same authenticator signs in, known by the same handle."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory
from django.utils import timezone
from django.utils.module_loading import import_string

from sessions_plus.mfa.enrolment import remove_all
from sessions_plus.mfa.passkeys import registration
from sessions_plus.models import Authenticator, Session
from sessions_plus.moving.claims import factors_of
from sessions_plus.moving.old_factors import SOURCES, OldFactors
from tests.conftest import PASSWORD
from tests.support.authenticators import SESSION
from tests.support.passkeys import SoftwareAuthenticator, a_party, decoded

pytestmark = pytest.mark.django_db(transaction=True)

ORIGIN = "https://testserver"
Enrol = Callable[[User, SoftwareAuthenticator], None]


def enrol_in_allauth(user: User, phone: SoftwareAuthenticator) -> None:
    """Give somebody a passkey as allauth's own page does."""
    auth = "allauth.mfa.webauthn.internal.auth."
    request = RequestFactory().get("/", secure=True)
    request.session, request.user = {}, user  # type: ignore[assignment]
    with import_string("allauth.core.context.request_context")(request):
        asked = import_string(auth + "begin_registration")(user, True)
        made = phone.make(asked["publicKey"])
        import_string(auth + "complete_registration")(made)
        import_string(auth + "WebAuthn").add(user, "My phone", made)


def enrol_in_otp(user: User, phone: SoftwareAuthenticator) -> None:
    """Give somebody a passkey as django-otp-webauthn's own page does."""
    request = RequestFactory().get("/", secure=True)
    helper = import_string("django_otp_webauthn.helpers.WebAuthnHelper")(request=request)
    asked, state = helper.register_begin(user)
    device = helper.register_complete(user, state, phone.make(asked))
    device.name = "My phone"
    device.save()


PACKAGES = {"allauth": enrol_in_allauth, "otp": enrol_in_otp}


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.SESSIONS_PLUS_SITE_URL = ORIGIN
    found: str = request.param
    return found


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", password=PASSWORD)


@pytest.fixture
def phone(package: str, ann: User) -> SoftwareAuthenticator:
    made = SoftwareAuthenticator(origin=ORIGIN)
    PACKAGES[package](ann, made)
    return made


def import_factors(package: str, *options: str) -> str:
    out = StringIO()
    call_command("import_factors", "--from", package, *options, stdout=out)
    return out.getvalue()


def sign_in(phone: SoftwareAuthenticator) -> Client:
    client = Client()
    address, kind = "/ours/login/passkey/", "application/json"
    options = client.post(address + "options/", content_type=kind, secure=True).json()
    body = {"credential": phone.use(options)}
    client.post(address + "finish/", body, content_type=kind, secure=True)
    return client


def test_the_same_passkey(package: str, ann: User, phone: SoftwareAuthenticator) -> None:
    """It signs her in without a name, and says the handle that it always said."""
    assert import_factors(package).strip() == "1  passkeys came along"

    client = sign_in(phone)

    assert client.get("/who/", secure=True).json()["user"] == "ann"
    assert Session.objects.get(user=ann).methods == ["pky", "swk"]
    row = Authenticator.objects.get()
    assert (row.name, row.is_discoverable) == ("My phone", True)
    assert bytes(row.user_handle or b"") == phone.passkeys[0].user_handle


def test_her_next_one_has_the_same_handle(
    package: str, ann: User, phone: SoftwareAuthenticator
) -> None:
    """An authenticator keeps all her passkeys for one account."""
    import_factors(package)

    options = registration.begin(
        ann, party=a_party(), session_public_id=SESSION, now=timezone.now()
    )

    assert decoded(options["user"]["id"]) == phone.passkeys[0].user_handle


def test_as_often_as_one_likes(package: str, phone: SoftwareAuthenticator) -> None:
    """A second run finds it here; a dry run changes nothing."""
    assert '"passkey_came": 1' in import_factors(package, "--json", "--dry-run")
    assert not Authenticator.objects.exists()
    import_factors(package)

    found = json.loads(import_factors(package, "--json"))

    assert found == {"people": 1, "factors": {"here": 1}, "without": 0}
    assert Authenticator.objects.count() == 1


def test_an_old_session_proves_what_it_proved(
    package: str, ann: User, phone: SoftwareAuthenticator
) -> None:
    """Who proved it there proved a passkey, and no code."""
    import_factors(package)
    name = Authenticator.objects.get().imported_from

    assert factors_of([ann.pk])[ann.pk].proved([name]) == ("sec", "swk")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"SITE_URL": "https://other.example"}, "domain"),
        ({"SITE_URL": None}, "passkey"),
        ({"PASSKEY_SIGN_IN": "off"}, "passkey"),
        ({"PASSKEY_ACCEPT_SYNCED": False}, "synced"),
    ],
    ids=["another domain", "no address", "off", "no synced ones"],
)
def test_what_does_not_come_along(
    package: str, phone: SoftwareAuthenticator, values: dict[str, Any], why: str, settings: Any
) -> None:
    """What would work for nobody here is counted, and its owner is named as one without."""
    for name, value in values.items():
        setattr(settings, f"SESSIONS_PLUS_{name}", value)
    out = StringIO()

    with pytest.raises(CommandError, match="1 people have a factor there"):
        call_command("import_factors", "--from", package, "--json", stdout=out)

    assert json.loads(out.getvalue())["factors"] == {why: 1}
    assert not Authenticator.objects.exists()


def test_deleting_the_source(package: str, ann: User, phone: SoftwareAuthenticator) -> None:
    """It goes there once it was compared here, key for key."""
    with pytest.raises(CommandError, match="1 of what is there is not here"):
        import_factors(package, "--delete-source")
    import_factors(package)

    assert import_factors(package, "--delete-source") == "1 deleted there.\n"
    assert SOURCES[package].read([ann.pk]).get(ann.pk, OldFactors()).names == []


def test_the_way_back(package: str, ann: User, phone: SoftwareAuthenticator) -> None:
    """One that came from there stays there; one that was removed here is removed there."""
    import_factors(package)
    out = StringIO()
    call_command("export_factors", "--to", package, "--i-know", stdout=out)
    assert "1  there already" in out.getvalue()

    remove_all(ann, actor=None, client=None, now=timezone.now())
    call_command("export_factors", "--to", package, "--i-know", stdout=out)

    assert "1  removed there" in out.getvalue()
    assert SOURCES[package].read([ann.pk]).get(ann.pk, OldFactors()).names == []
