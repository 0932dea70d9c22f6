"""django-allauth beside us: one sign-in, one second factor, whoever keeps it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as django_settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.core import mail
from django.core.cache import caches
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from sessions_plus.models import Device, Session
from tests.conftest import PASSWORD
from tests.integrations.allauth_settings import SETTINGS
from tests.integrations.sites import Person, enrol_in_allauth
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN, CHALLENGE, THEIRS = "/allauth/login/", "/ours/challenge/", "/allauth/2fa/authenticate/"
WAITS = {"id": "sessions_plus_challenge", "is_pending": True}


@pytest.fixture(autouse=True)
def site(engine: str, settings: Any, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The site, with each engine; a view of it that failed on the way fails the test."""
    for name, value in SETTINGS.items():
        setattr(settings, name, value)
    caches["default"].clear()
    yield
    assert not [record for record in caplog.records if record.name == "sessions_plus"]


@pytest.fixture
def ann() -> Person:
    """Somebody without a second factor."""
    return Person(User.objects.create_user("ann", "ann@example.com", PASSWORD))


@pytest.fixture
def ours(ann: Person) -> App:
    """Her authenticator app, set up here."""
    return enrol(ann.user)


@pytest.fixture
def theirs(ann: Person) -> App:
    """Her authenticator app, set up with allauth."""
    enrol_in_allauth(ann)
    assert ann.app is not None
    return ann.app


@pytest.fixture
def client() -> Client:
    return Client()


def give_password(client: Client, **query: str) -> Any:
    fields = {"login": "ann", "password": PASSWORD}
    return client.post(LOGIN, fields, query_params=query)


def give_code(client: Client, code: str, at: str = CHALLENGE) -> Any:
    return client.post(at, {"code": code})


def signed_in(client: Client) -> str:
    return str(client.get("/who/").json()["user"])


def methods() -> str:
    return Session.objects.active().exclude(user=None).get().auth_methods


class TestOurFactor:
    def test_comes_after_the_password(self, client: Client, ours: App) -> None:
        """Nobody is signed in before the code; then the person is, as allauth's pages lead on."""
        asked = give_password(client)

        assert (asked.status_code, asked.headers["Location"]) == (302, CHALLENGE)
        assert signed_in(client) == ""
        done = give_code(client, ours.code())
        assert done.headers["Location"] == "/who/"
        assert signed_in(client) == "ann"
        assert methods() == "pwd otp"

    def test_a_wrong_code(self, client: Client, ours: App) -> None:
        """The sign-in waits on."""
        give_password(client)
        give_code(client, ours.wrong_code())

        assert signed_in(client) == ""
        give_code(client, ours.code())
        assert signed_in(client) == "ann"

    @pytest.mark.parametrize("is_staff", [False, True])
    def test_leads_where_the_site_says(
        self, client: Client, ann: Person, ours: App, settings: Any, is_staff: bool
    ) -> None:
        """A site's own adapter sees who signed in, after the code as without one."""
        settings.ACCOUNT_ADAPTER = "tests.integrations.allauth_site.ByRole"
        User.objects.update(is_staff=is_staff)
        give_password(client)

        done = give_code(client, ours.code())

        assert done.headers["Location"] == ("/desk/" if is_staff else "/shop/")

    def test_leads_back_to_where_somebody_wanted_to_go(self, client: Client, ours: App) -> None:
        give_password(client, next="/vault/")

        done = give_code(client, ours.code())

        assert done.headers["Location"] == "/vault/"
        assert client.get("/vault/").status_code == 200

    def test_allauth_tells_of_the_sign_in_once(self, client: Client, ours: App) -> None:
        """Its signal is sent when all was proved, and not before."""
        told: list[str] = []
        signal = import_string("allauth.account.signals.user_logged_in")

        def note(user: User, **_: Any) -> None:
            told.append(user.username)

        signal.connect(note)
        try:
            give_password(client)
            assert told == []
            give_code(client, ours.code())
            assert told == ["ann"]
        finally:
            signal.disconnect(note)

    def test_a_sign_in_that_was_given_up(self, client: Client, ours: App) -> None:
        """The login page is one again, and leads nobody in circles."""
        give_password(client)
        assert client.get(LOGIN).headers["Location"].startswith(CHALLENGE)

        client.post("/ours/challenge/cancel/")

        assert client.get(LOGIN).status_code == 200
        give_password(client)
        give_code(client, ours.code())
        assert signed_in(client) == "ann"

    def test_who_has_none(self, client: Client, ann: Person) -> None:
        """Without a second factor all is as it was, by one sign-in on one device."""
        done = give_password(client)

        assert done.headers["Location"] == "/who/"
        assert (signed_in(client), methods()) == ("ann", "pwd")
        assert Device.objects.count() == 1

    def test_a_device_that_we_trust(self, client: Client, ours: App, settings: Any) -> None:
        """It is asked for no code the second time."""
        settings.SESSIONS_PLUS_PROFILE = "aal1"
        give_password(client)
        client.post(CHALLENGE, {"code": ours.code(), "trust": "on"})
        client.post(reverse("account_logout"))

        give_password(client)

        assert (signed_in(client), methods()) == ("ann", "pwd dev")


class TestTheirFactor:
    def test_counts(self, client: Client, theirs: App, settings: Any) -> None:
        """Who proved it is let in where a second factor must be."""
        settings.SESSIONS_PLUS_MFA_POLICY = "required"
        assert give_password(client).headers["Location"] == THEIRS

        give_code(client, theirs.code(), at=THEIRS)

        assert (signed_in(client), methods()) == ("ann", "pwd otp")
        assert client.get("/vault/").status_code == 200

    def test_a_recovery_code(self, client: Client, ann: Person, theirs: App) -> None:
        give_password(client)
        give_code(client, ann.codes[0], at=THEIRS)

        assert methods() == "pwd rcv"

    def test_never_two(self, client: Client, ours: App, theirs: App) -> None:
        """Who has one here and one there is asked once."""
        give_password(client)
        give_code(client, theirs.code(), at=THEIRS)

        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_a_browser_that_they_trust(self, client: Client, theirs: App, settings: Any) -> None:
        """It is a trusted device, and no second factor."""
        settings.MFA_TRUST_ENABLED = True
        give_password(client)
        asked = give_code(client, theirs.code(), at=THEIRS)
        client.post(asked.headers["Location"], {"action": "trust"})
        assert methods() == "pwd otp"
        client.post(reverse("account_logout"))

        give_password(client)

        assert (signed_in(client), methods()) == ("ann", "pwd dev")
        assert client.get("/vault/").status_code == 302

    def test_of_a_sign_in_that_was_given_up(self, client: Client, theirs: App) -> None:
        """What was proved then proves nothing now."""
        give_password(client)
        client.get(reverse("account_login"))
        session = client.session
        at = timezone.now().timestamp() - 60
        session["account_authentication_methods"] = [
            {"method": "password", "at": at},
            {"method": "mfa", "type": "totp", "at": at},
        ]
        session.save()
        request = RequestFactory().get("/")
        request.session = session

        made = import_string("allauth.account.models.Login")(user=User.objects.get())
        read = import_string("sessions_plus.integrations.allauth.proofs.methods_of")
        assert read(request, made) == ("ext", "dev")


LEADS_ON = [
    pytest.param("/ours/login/", id="our page"),
    pytest.param("/admin/login/", id="the admin's page"),
]


class TestNoWayAround:
    @pytest.mark.parametrize("page", LEADS_ON)
    def test_a_page(self, client: Client, ann: Person, theirs: App, page: str) -> None:
        """A password alone signs nobody in who has a factor with allauth: it leads there."""
        User.objects.update(is_staff=True)
        fields = {"username": "ann", "password": PASSWORD, "next": "/who/"}

        led = client.post(page, fields)

        assert (led.status_code, led.headers["Location"]) == (302, LOGIN + "?next=/who/")
        assert signed_in(client) == ""

    def test_our_page_is_theirs(self, client: Client, ann: Person) -> None:
        """People sign in on one page."""
        led = client.get("/ours/login/", {"next": "/who/"})

        assert led.headers["Location"] == LOGIN + "?next=/who/"

    @pytest.mark.parametrize("endpoint", ["/api/tokens/", "/api/login/"])
    def test_an_endpoint(self, client: Client, theirs: App, endpoint: str) -> None:
        """A program is told where the person signs in."""
        fields = {"username": "ann", "password": PASSWORD}

        refused = client.post(endpoint, fields, content_type="application/json")

        assert refused.status_code == 403
        assert refused.json()["code"] == "sign_in_elsewhere"
        assert refused.json()["sign_in_url"] == LOGIN
        assert not Session.objects.exclude(user=None).exists()

    def test_an_endpoint_for_who_has_none(self, client: Client, ann: Person) -> None:
        fields = {"username": "ann", "password": PASSWORD}

        given = client.post("/api/tokens/", fields, content_type="application/json")

        assert given.status_code == 200

    def test_who_has_one_here_too(self, client: Client, ours: App, theirs: App) -> None:
        """Then ours is asked for: one, and not none."""
        fields = {"username": "ann", "password": PASSWORD}

        asked = client.post("/api/tokens/", fields, content_type="application/json")

        assert asked.json()["code"] == "second_factor_required"

    def test_a_password_in_a_session_that_proved_it(self, client: Client, theirs: App) -> None:
        """Signing in again in the same session asks for nothing that was proved in it."""
        give_password(client)
        give_code(client, theirs.code(), at=THEIRS)

        client.post("/admin/login/", {"username": "ann", "password": PASSWORD})

        assert (signed_in(client), methods()) == ("ann", "pwd otp")


class TestHowSomebodySignedIn:
    def enter_by_other_service(self, client: Client) -> Any:
        begun = client.get("/allauth/dummy/login/")
        return client.post(begun.headers["Location"], {"id": 7, "username": "ann2"})

    def test_another_service(self, client: Client) -> None:
        self.enter_by_other_service(client)

        assert (signed_in(client), methods()) == ("ann2", "ext")

    def test_another_service_and_our_factor(self, client: Client) -> None:
        self.enter_by_other_service(client)
        app = enrol(User.objects.get())
        client.post(reverse("account_logout"))

        asked = self.enter_by_other_service(client)
        assert asked.headers["Location"] == CHALLENGE
        give_code(client, app.code())

        assert (signed_in(client), methods()) == ("ann2", "ext otp")

    def test_another_service_and_their_factor(self, client: Client) -> None:
        self.enter_by_other_service(client)
        ann = Person(User.objects.get())
        enrol_in_allauth(ann)
        assert ann.app is not None
        client.post(reverse("account_logout"))

        self.enter_by_other_service(client)
        give_code(client, ann.app.code(), at=THEIRS)

        assert methods() == "ext otp"

    def test_a_code_by_mail(self, client: Client, ann: Person, settings: Any) -> None:
        """It is no password, and no second factor."""
        settings.ACCOUNT_LOGIN_BY_CODE_ENABLED = True
        address = import_string("allauth.account.models.EmailAddress")
        address.objects.create(user=ann.user, email=ann.user.email, verified=True, primary=True)
        client.post(reverse("account_request_login_code"), {"email": ann.user.email})
        found = re.search(r"^([0-9A-Z]{4,}-?[0-9A-Z]*)$", str(mail.outbox[0].body), re.MULTILINE)
        assert found is not None

        client.post(reverse("account_confirm_login_code"), {"code": found[1]})

        assert (signed_in(client), methods()) == ("ann", "ext")

    @pytest.mark.parametrize(
        ("records", "is_asked", "expected"),
        [
            pytest.param(
                [{"method": "mfa", "type": "webauthn", "passwordless": True}],
                False,
                ("pky",),
                id="passkey",
            ),
            pytest.param(
                [{"method": "password"}, {"method": "mfa", "type": "webauthn"}],
                True,
                ("pwd", "sec"),
                id="security key",
            ),
            pytest.param(
                [{"method": "password"}, {"method": "mfa", "type": "telepathy"}],
                True,
                ("pwd", "dev"),
                id="a factor that we do not know",
            ),
            pytest.param(
                [{"method": "password"}, {"method": "code"}], False, ("pwd", "dev"), id="mail"
            ),
        ],
    )
    def test_of_its_records(
        self, theirs: App, records: list[dict[str, Any]], is_asked: bool, expected: tuple[str, ...]
    ) -> None:
        """What allauth noted since the sign-in began, in our words."""
        user = User.objects.get()
        request = RequestFactory().get("/")
        request.session = import_string(f"{django_settings.SESSION_ENGINE}.SessionStore")()
        stage = {"data": {"authentication_required": is_asked}}
        made = import_string("allauth.account.models.Login")(
            user=user, state={"stages": {"mfa_authenticate": stage}}
        )
        at = timezone.now().timestamp() + 1
        request.session["account_authentication_methods"] = [r | {"at": at} for r in records]
        request.session["account_authentication_methods_user"] = str(user.pk)

        read = import_string("sessions_plus.integrations.allauth.proofs.methods_of")
        assert read(request, made) == expected


class TestProvingOneselfAgain:
    def test_with_allauth(self, client: Client, ann: Person) -> None:
        """It counts here, with a new key of the session."""
        give_password(client)
        Session.objects.update(reauthenticated_at=None, reauth_methods="")
        key = client.cookies[django_settings.SESSION_COOKIE_NAME].value

        client.post(reverse("account_reauthenticate"), {"password": PASSWORD})

        session = Session.objects.active().exclude(user=None).get()
        assert session.reauth_methods == "pwd"
        assert session.reauthenticated_at is not None
        assert client.cookies[django_settings.SESSION_COOKIE_NAME].value != key

    def test_here(self, client: Client, ann: Person) -> None:
        """It counts with allauth, for as long as it does here."""
        give_password(client)
        page = reverse("mfa_activate_totp")
        assert client.get(page).status_code == 200

        Session.objects.update(reauthenticated_at=None, reauth_methods="")
        caches["default"].clear()

        assert client.get(page).headers["Location"].startswith("/allauth/reauthenticate/")


class TestSigningOut:
    def test_under_a_policy(self, client: Client, ann: Person, settings: Any) -> None:
        """Who lacks the factor that they must have may always leave, by allauth's page too."""
        give_password(client)
        settings.SESSIONS_PLUS_MFA_POLICY = "required"
        assert client.get("/who/").status_code == 302

        assert client.get(reverse("account_logout")).status_code == 200
        client.post(reverse("account_logout"))

        assert not Session.objects.active().exclude(user=None).exists()

    def test_of_the_api_under_a_policy(self, client: Client, ann: Person, settings: Any) -> None:
        """The session may be deleted there; not read."""
        give_password(client)
        settings.SESSIONS_PLUS_MFA_POLICY = "required"
        url = "/_allauth/browser/v1/auth/session"

        refused = client.get(url, headers={"Accept": "application/json"})
        client.delete(url)

        assert refused.status_code == 403
        assert not Session.objects.active().exclude(user=None).exists()


def private_key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


class TestHeadless:
    """The API of allauth, for pages that are one program, and for apps."""

    def post(self, client: Client, path: str, token: str = "", **fields: str) -> Any:
        kind = "app" if token else "browser"
        headers = {} if token in ("", "none") else {"X-Session-Token": token}
        return client.post(
            f"/_allauth/{kind}/v1/auth/{path}",
            fields,
            content_type="application/json",
            headers=headers,
        )

    def test_tells_that_a_code_is_due(self, client: Client, ours: App) -> None:
        """The answer to a right password names the step that is left."""
        told = self.post(client, "login", username="ann", password=PASSWORD)

        assert told.status_code == 401
        assert WAITS in told.json()["data"]["flows"]
        assert signed_in(client) == ""

    def test_takes_the_code(self, client: Client, ours: App) -> None:
        self.post(client, "login", username="ann", password=PASSWORD)
        wrong = self.post(client, "sessions-plus/challenge", code=ours.wrong_code())
        done = self.post(client, "sessions-plus/challenge", code=ours.code())

        assert wrong.status_code == 400
        assert wrong.json()["errors"][0]["code"] == "invalid_code"
        assert (done.status_code, done.json()["meta"]["is_authenticated"]) == (200, True)
        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_takes_the_code_at_our_api(self, client: Client, ours: App) -> None:
        """Ours does the same."""
        self.post(client, "login", username="ann", password=PASSWORD)

        client.post("/api/login/challenge/", {"code": ours.code()}, content_type="application/json")

        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_an_app(self, client: Client, ours: App) -> None:
        """An app sends the token of its session in place of a cookie."""
        told = self.post(client, "login", "none", username="ann", password=PASSWORD)
        token = told.json()["meta"]["session_token"]
        assert WAITS in told.json()["data"]["flows"]

        done = self.post(client, "sessions-plus/challenge", token, code=ours.code())
        token = done.json()["meta"]["session_token"]

        assert done.json()["meta"]["is_authenticated"]
        assert methods() == "pwd otp"
        seen = client.get(
            "/_allauth/app/v1/auth/session", headers={"X-Session-Token": token}
        ).json()
        assert seen["data"]["user"]["username"] == "ann"

    def ask_as_app(self, client: Client, path: str, token: str, **fields: str) -> tuple[Any, str]:
        """Return the answer, and the token to send from now on: the one that was told last."""
        answer = self.post(client, path, token, **fields)
        return answer, answer.json()["meta"].get("session_token", token)

    def who_is(self, client: Client, **headers: str) -> str:
        answer = client.get("/_allauth/app/v1/auth/session", headers=headers)
        return str(answer.json()["data"].get("user", {}).get("username", ""))

    def test_an_app_that_proves_itself_again(self, client: Client, ann: Person) -> None:
        """It counts here, and the answer tells the session's new key: the old one is dead."""
        _, old = self.ask_as_app(client, "login", "none", username="ann", password=PASSWORD)
        Session.objects.update(reauthenticated_at=None, reauth_methods="")
        answer, token = self.ask_as_app(client, "reauthenticate", old, password=PASSWORD)

        assert answer.status_code == 200
        assert self.who_is(client, **{"X-Session-Token": token}) == "ann"
        assert self.who_is(client, **{"X-Session-Token": old}) == ""
        assert Session.objects.active().exclude(user=None).get().reauth_methods == "pwd"

    def test_an_app_with_a_jwt(self, client: Client, ann: Person, settings: Any) -> None:
        """Its token names the session's key, so it keeps that when it proves itself again."""
        settings.HEADLESS_TOKEN_STRATEGY = "allauth.headless.tokens.strategies.jwt.JWTTokenStrategy"
        settings.HEADLESS_JWT_PRIVATE_KEY = private_key()
        answer, _ = self.ask_as_app(client, "login", "none", username="ann", password=PASSWORD)
        bearer = {"Authorization": f"Bearer {answer.json()['meta']['access_token']}"}
        again = client.post(
            "/_allauth/app/v1/auth/reauthenticate",
            {"password": PASSWORD},
            content_type="application/json",
            headers=bearer,
        )

        assert again.status_code == 200
        assert self.who_is(client, **bearer) == "ann"

    def test_a_code_for_nothing(self, client: Client, ours: App) -> None:
        """Without a sign-in that waits there is nothing to confirm."""
        assert self.post(client, "sessions-plus/challenge", code=ours.code()).status_code == 401

    def test_their_factor(self, client: Client, theirs: App) -> None:
        self.post(client, "login", username="ann", password=PASSWORD)
        self.post(client, "2fa/authenticate", code=theirs.code())

        assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_a_login_of_the_sites_own(ann: Person, theirs: App) -> None:
    """Whatever code calls ``login()``: without the factor nobody is signed in."""
    request = RequestFactory().get("/")
    request.session = import_string(f"{django_settings.SESSION_ENGINE}.SessionStore")()

    with pytest.raises(import_string("sessions_plus.exceptions.SignInElsewhere")):
        login(request, ann.user, backend="django.contrib.auth.backends.ModelBackend")

    assert not request.user.is_authenticated
    assert "_auth_user_id" not in request.session
