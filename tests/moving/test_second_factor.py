"""Who has a second factor comes in where the old session proved it, and else with a code."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from sessions_plus.mfa.sign_in import HELD_KEY
from sessions_plus.models import Authenticator, RecoveryCode, Session
from sessions_plus.moments import from_timestamp
from sessions_plus.moving.old_proofs import OldProofs, read_proofs
from tests.moving.conftest import Arrive
from tests.support.authenticators import App, enrol
from tests.support.browsers import Browser
from tests.support.old_engines import old_session

pytestmark = [pytest.mark.urls("tests.support.gated"), pytest.mark.django_db(transaction=True)]

OTP = "otp_totp.totpdevice/3"
ALLAUTH = "mfa.authenticator/5"
STATIC = "otp_static.staticdevice/4"
AT = 1_893_456_000.25


def allauth(*records: dict[str, Any]) -> dict[str, Any]:
    return {"account_authentication_methods": list(records)}


PASSWORD, SOCIAL, MFA = (
    {"method": "password", "at": AT},
    {"method": "socialaccount", "at": AT + 1, "provider": "x"},
    {"method": "mfa", "at": AT + 2, "id": 5, "type": "totp"},
)


@pytest.mark.parametrize(
    ("data", "first", "factors"),
    [
        pytest.param({}, None, set(), id="nothing"),
        pytest.param({"otp_device_id": OTP}, None, {OTP}, id="django-otp"),
        pytest.param(
            {"otp_device_id": "django_otp.plugins.otp_totp.models.TOTPDevice/3"},
            None,
            {OTP},
            id="an old django-otp",
        ),
        pytest.param({"otp_device_id": 3}, None, set(), id="a number"),
        pytest.param(allauth(PASSWORD), "pwd", set(), id="password"),
        pytest.param(allauth(PASSWORD, MFA), "pwd", {ALLAUTH}, id="password and code"),
        pytest.param(allauth(SOCIAL, MFA), "ext", {ALLAUTH}, id="another service and code"),
        pytest.param(allauth({"method": "code"}), "ext", set(), id="code by mail"),
        pytest.param(allauth(MFA), "ext", {ALLAUTH}, id="a passkey alone"),
        pytest.param({"account_authentication_methods": "odd"}, None, set(), id="no list"),
        pytest.param(allauth("odd"), None, set(), id="no records"),  # type: ignore[arg-type]
        pytest.param(
            allauth(PASSWORD, MFA) | {"account_authentication_methods_user": "8"},
            None,
            set(),
            id="somebody else's",
        ),
        pytest.param(
            allauth(PASSWORD, MFA) | {"account_authentication_methods_user": "7"},
            "pwd",
            {ALLAUTH},
            id="their own",
        ),
    ],
)
def test_what_was_proved(data: dict[str, Any], first: str | None, factors: set[str]) -> None:
    """It is read from what the packages wrote, and nothing from what they did not."""
    found = read_proofs({"_auth_user_id": "7", **data})

    assert found.first == first
    assert set(found.factors) == factors


def test_when_it_was_proved() -> None:
    """The first proof counts, where it has a time."""
    assert read_proofs(allauth(MFA, PASSWORD)).began_at == from_timestamp(AT)
    assert read_proofs(allauth({"method": "password", "at": "odd"})) == OldProofs("pwd")


@pytest.fixture
def app(user: User) -> App:
    """Ann's phone, with a secret that came along."""
    app = enrol(user)
    Authenticator.objects.update(imported_from=OTP)
    return app


@pytest.mark.usefixtures("djangos", "engine")
class TestAtTheFirstRequest:
    @pytest.fixture
    def client(self, settings: Any) -> Client:
        settings.LOGIN_URL = "sessions_plus:login"
        return Client()

    def come(self, client: Client, djangos: str, user: User, **data: Any) -> str:
        """Ask a page that takes a signed-in person; return whom it showed, or where it led."""
        client.cookies["sessionid"] = old_session(djangos, user, cart=["tea"], **data)
        response = client.get("/plain/")
        return response.headers.get("Location") or response.content.decode()

    def test_proved_there(self, client: Client, djangos: str, user: User, app: App) -> None:
        """The session says by which methods, and a page that asks for two factors opens."""
        assert self.come(client, djangos, user, otp_device_id=OTP) == "ann"
        assert Session.objects.get().methods == ["pwd", "otp"]
        assert client.get("/two/").status_code == 200
        assert "otp_device_id" not in Session.objects.get().get_decoded()

    def test_proved_lately_it_is_not(
        self, client: Client, djangos: str, user: User, app: App
    ) -> None:
        """Whatever asks for a fresh proof asks."""
        self.come(client, djangos, user, otp_device_id=OTP)

        assert client.get("/fresh/").status_code == 302
        assert Session.objects.get().reauthenticated_at is None

    def test_by_a_code_on_paper(self, client: Client, djangos: str, user: User, app: App) -> None:
        """A recovery code that came along proves as much."""
        RecoveryCode.objects.update(imported_from=STATIC)

        assert self.come(client, djangos, user, otp_device_id=STATIC) == "ann"
        assert Session.objects.get().methods == ["pwd", "rcv"]

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param({}, id="nothing proved"),
            pytest.param({"otp_device_id": "otp_totp.totpdevice/4"}, id="another device"),
            pytest.param(
                {"otp_device_id": "two_factor.phonedevice/3"}, id="one that did not come along"
            ),
            pytest.param(allauth(PASSWORD, MFA), id="of another package"),
        ],
    )
    def test_not_proved(
        self, client: Client, djangos: str, user: User, app: App, change: dict[str, Any]
    ) -> None:
        """They are asked for a code, and see nothing of their session before it was right."""
        assert "/account/login/" in self.come(client, djangos, user, **change)
        session = Session.objects.get()
        assert session.user is None
        assert "cart" not in session.get_decoded()

        response = client.get("/account/login/?next=/plain/")
        assert response.headers["Location"].startswith("/account/challenge/")
        response = client.post("/account/challenge/?next=/plain/", {"code": app.code()})
        assert client.get("/plain/").content == b"ann"
        signed_in = Session.objects.get(revoked_at=None)
        assert signed_in.methods == ["pwd", "otp"]
        assert signed_in.get_decoded()["cart"] == ["tea"]
        assert HELD_KEY not in signed_in.get_decoded()

    def test_a_disabled_factor_proves_nothing(
        self, client: Client, djangos: str, user: User, app: App
    ) -> None:
        """One that was guessed at too often counts as a factor, and not as proved."""
        Authenticator.objects.update(disabled_at=timezone.now())

        assert "/account/login/" in self.come(client, djangos, user, otp_device_id=OTP)

    def test_what_was_held_back_is_nobody_elses(
        self, client: Client, djangos: str, user: User, other_user: User, app: App
    ) -> None:
        """Whoever else signs in in that browser gets nothing of it."""
        self.come(client, djangos, user)
        client.force_login(other_user)

        assert client.get("/plain/").content == b"ben"
        data = Session.objects.get(user=other_user).get_decoded()
        assert "cart" not in data
        assert HELD_KEY not in data

    def test_giving_up(self, client: Client, djangos: str, user: User, app: App) -> None:
        """Whoever goes back to the password form leaves nothing behind."""
        self.come(client, djangos, user)
        client.post("/account/challenge/cancel/")

        assert HELD_KEY not in Session.objects.get().get_decoded()

    def test_signing_in_with_the_password_again(
        self, client: Client, djangos: str, user: User, app: App, password: str
    ) -> None:
        """Whoever comes too late for the challenge gets their things back all the same."""
        self.come(client, djangos, user)
        client.post("/account/login/", {"username": "ann", "password": password})
        client.post("/account/challenge/", {"code": app.code()})

        assert Session.objects.get(revoked_at=None).get_decoded()["cart"] == ["tea"]


@pytest.mark.urls("tests.support.sites")
class TestSince:
    """The absolute lifetime is counted from the sign-in, and a day of it is left."""

    def session_of(self, browser: Browser) -> Session:
        assert browser.text("who") == "ann"
        return Session.objects.get()

    def test_from_the_first_proof(self, arrive: Arrive, djangos: str, user: User) -> None:
        """What a package wrote down is believed."""
        began = timezone.now() - timedelta(days=3)
        ann = arrive(user, **allauth({"method": "password", "at": began.timestamp()}))

        session = self.session_of(ann)
        assert session.authenticated_at == began
        assert session.created_at > began

    @pytest.mark.parametrize(
        ("lifetime", "since"),
        [
            pytest.param(timedelta(days=30), timedelta(days=29), id="a month"),
            pytest.param(timedelta(hours=12), timedelta(0), id="half a day"),
        ],
    )
    def test_a_day_is_left(
        self,
        arrive: Arrive,
        djangos: str,
        user: User,
        settings: Any,
        lifetime: timedelta,
        since: timedelta,
    ) -> None:
        """Whoever signed in long before is not thrown out today, or on the same day at least."""
        settings.SESSIONS_PLUS_ABSOLUTE_LIFETIME = lifetime
        began = timezone.now() - timedelta(days=400)
        ann = arrive(user, **allauth({"method": "password", "at": began.timestamp()}))

        signed_in_at = self.session_of(ann).authenticated_at
        assert signed_in_at is not None
        assert abs(timezone.now() - since - signed_in_at) < timedelta(minutes=5)

    def test_for_ever(self, arrive: Arrive, djangos: str, user: User, settings: Any) -> None:
        """Without such a limit nothing is moved."""
        settings.SESSIONS_PLUS_ABSOLUTE_LIFETIME = None
        began = timezone.now() - timedelta(days=400)
        ann = arrive(user, **allauth({"method": "password", "at": began.timestamp()}))

        assert self.session_of(ann).authenticated_at == began

    def test_not_in_the_future(self, arrive: Arrive, djangos: str, user: User) -> None:
        """A clock that was wrong lengthens nothing."""
        later = timezone.now() + timedelta(days=3)
        ann = arrive(user, **allauth({"method": "password", "at": later.timestamp()}))

        assert self.session_of(ann).authenticated_at <= timezone.now()  # type: ignore[operator]
