"""django-otp and two-factor-auth beside us, keeping second factors."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from tests.conftest import PASSWORD
from tests.integrations.settings import INSTALLED_APPS, OUR_MIDDLEWARE, middleware
from tests.integrations.sites import Person, enrol_in_otp, sign_in_with_otp
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db(transaction=True)

LOGIN = "/account/login/"
STEP = "login_view-current_step"
THEIR_MIDDLEWARE = "django_otp.middleware.OTPMiddleware"
OUR_OTP_MIDDLEWARE = "sessions_plus.integrations.otp.OTPMiddleware"


@pytest.fixture(autouse=True)
def site(engine: str, settings: Any) -> None:
    settings.INSTALLED_APPS = [
        *INSTALLED_APPS,
        "sessions_plus.integrations.otp.OtpIntegration",
    ]
    settings.MIDDLEWARE = middleware(OUR_MIDDLEWARE, otp=OUR_OTP_MIDDLEWARE)
    settings.ROOT_URLCONF = "tests.integrations.otp_site"
    settings.LOGIN_URL = "two_factor:login"
    settings.OTP_LOGIN_URL = "two_factor:login"
    caches["default"].clear()


@pytest.fixture
def ann() -> Person:
    return Person(User.objects.create_user("ann", password=PASSWORD))


@pytest.fixture
def theirs(ann: Person) -> App:
    enrol_in_otp(ann)
    assert ann.app is not None
    return ann.app


@pytest.fixture
def client() -> Client:
    return Client()


def signed_in(client: Client) -> str:
    return str(client.get("/who/").json()["user"])


def methods() -> str:
    return Session.objects.active().exclude(user=None).get().auth_methods


def test_their_factor_counts(client: Client, ann: Person, theirs: App, settings: Any) -> None:
    """Who proved it is let in where a second factor must be, and verified for their code."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd otp")
    assert client.get("/vault/").status_code == 200


def test_our_page_does_not_call_it_off(client: Client, ann: Person, theirs: App) -> None:
    """The security page knows of a factor that is kept there, and leads to it."""
    sign_in_with_otp(client, ann)
    page = client.get("/ours/security/").content.decode()

    assert 'href="/account/two_factor/"' in page

    assert "which you manage on another page of this site" in page
    assert ">Off<" not in page


def test_the_help_desk_is_not_told_that_there_is_none(
    client: Client, ann: Person, theirs: App
) -> None:
    User.objects.create_superuser("root", password=PASSWORD)
    give_password(client, "root")
    url = f"/admin/auth/user/{ann.user.pk}/change/"

    assert "No second factor." not in client.get(url).content.decode()
    model("otp_totp", "TOTPDevice").objects.all().delete()
    assert "No second factor." in client.get(url).content.decode()


def test_never_two(client: Client, ann: Person, theirs: App) -> None:
    """Who has one here and one there is asked once."""
    enrol(ann.user)
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_who_has_one_here_only(client: Client, ann: Person) -> None:
    """Their wizard signs nobody in past our code."""
    app = enrol(ann.user)
    sign_in_with_otp(client, ann)
    assert signed_in(client) == ""

    client.post("/ours/challenge/", {"code": app.code()})

    assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_who_has_none(client: Client, ann: Person) -> None:
    sign_in_with_otp(client, ann)

    assert (signed_in(client), methods()) == ("ann", "pwd")


def test_our_page_is_no_way_around(client: Client, theirs: App) -> None:
    """It leads to theirs."""
    led = client.post("/ours/login/", {"username": "ann", "password": PASSWORD, "next": "/who/"})

    assert led.headers["Location"] == LOGIN + "?next=/who/"
    assert signed_in(client) == ""


def test_a_page_that_knows_of_neither(client: Client, theirs: App) -> None:
    """A sign-in past their wizard is refused, and led to it."""
    with pytest.raises(Exception, match="cannot be asked for here"):
        client.force_login(User.objects.get())

    assert signed_in(client) == ""


def give_password(client: Client, name: str = "ann", **fields: str) -> Any:
    client.get(LOGIN)
    known = {STEP: "auth", "auth-username": name, "auth-password": PASSWORD}
    return client.post(LOGIN, known | fields)


def give_code(client: Client, code: str, step: str = "token", **fields: str) -> Any:
    return client.post(LOGIN, {STEP: step, f"{step}-otp_token": code} | fields)


def disable(client: Client) -> None:
    """Switch two-factor authentication off on their page."""
    assert client.get("/account/two_factor/disable/").status_code == 200
    client.post("/account/two_factor/disable/", {"understand": "on"})


def ask_tokens(client: Client) -> Any:
    fields = {"username": "ann", "password": PASSWORD}
    return client.post("/api/tokens/", fields, content_type="application/json")


def model(app: str, name: str) -> Any:
    return apps.get_model(app, name)


class TestBackupCode:
    def test_signs_in(self, client: Client, ann: Person, theirs: App) -> None:
        """The session says so, and is verified; its user is told, as with a code of ours."""
        give_password(client)
        give_code(client, ann.codes[0], "backup")

        assert (signed_in(client), methods()) == ("ann", "pwd rcv")
        assert client.get("/vault/").status_code == 200
        used = SessionEvent.objects.get(event=Event.RECOVERY_CODE_USED)
        assert used.user_id == ann.user.pk

    def test_is_used_up(self, client: Client, ann: Person, theirs: App) -> None:
        give_password(client)
        give_code(client, ann.codes[0], "backup")
        other = Client()
        give_password(other)
        give_code(other, ann.codes[0], "backup")

        assert signed_in(other) == ""
        assert model("otp_static", "StaticToken").objects.count() == 9

    def test_beside_our_factor(self, client: Client, ann: Person, theirs: App) -> None:
        """It is the one factor that is asked for."""
        enrol(ann.user)
        give_password(client)
        give_code(client, ann.codes[0], "backup")

        assert (signed_in(client), methods()) == ("ann", "pwd rcv")


class TestWhoTheyDoNotAsk:
    """Backup codes alone, or a device that is not the default one, their wizard asks nobody for."""

    @pytest.fixture(params=["codes", "another"])
    def kept(self, ann: Person, theirs: App, request: pytest.FixtureRequest) -> None:
        devices = model("otp_totp", "TOTPDevice").objects
        if request.param == "codes":
            devices.all().delete()  # a lost telephone, removed by the help desk
        else:
            devices.update(name="at home")

    @pytest.mark.usefixtures("kept")
    def test_signs_in_as_before(self, client: Client) -> None:
        give_password(client)

        assert (signed_in(client), methods()) == ("ann", "pwd")
        assert ">Off<" in client.get("/ours/security/").content.decode()

    @pytest.mark.usefixtures("kept")
    def test_elsewhere_as_there(self, client: Client) -> None:
        led = client.post("/ours/login/", {"username": "ann", "password": PASSWORD})

        assert led.headers["Location"].startswith(LOGIN)
        assert ask_tokens(client).status_code == 200

    @pytest.mark.usefixtures("kept")
    def test_where_any_device_is_asked_for(self, client: Client, settings: Any) -> None:
        """django-otp's own page takes each of them, so that each counts."""
        settings.LOGIN_URL = "/who/"

        assert ask_tokens(client).json()["code"] == "sign_in_elsewhere"


class TestWhoMovesOn:
    """Another person signs in where somebody is signed in: their session is emptied first."""

    @pytest.fixture(autouse=True)
    def bobs(self, client: Client) -> None:
        User.objects.create_user("bob", password=PASSWORD)
        give_password(client, "bob")
        assert signed_in(client) == "bob"

    def test_with_a_code(self, client: Client, theirs: App) -> None:
        """The password that the wizard looked at is known all the same."""
        give_password(client)
        give_code(client, theirs.code())

        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_remembered(self, client: Client, theirs: App, settings: Any) -> None:
        settings.TWO_FACTOR_REMEMBER_COOKIE_AGE = 3600
        give_password(client)
        give_code(client, theirs.code(), **{"token-remember": "on"})
        give_password(client, "bob")
        give_password(client, **{"token-otp_token": "123456"})

        assert (signed_in(client), methods()) == ("ann", "pwd dev")


class TestSigningOut:
    @pytest.mark.parametrize("page", ["/account/logout/", "/ours/logout/"])
    def test_ends_the_session(
        self, client: Client, ann: Person, theirs: App, page: str, settings: Any
    ) -> None:
        """On Django's page, which two-factor-auth uses, as on ours; nothing of it comes back."""
        settings.LOGOUT_REDIRECT_URL = None
        sign_in_with_otp(client, ann)
        left = Client()
        left.cookies.update(client.cookies)

        client.post(page)

        ended = Session.objects.get(user=ann.user)
        assert (signed_in(client), signed_in(left)) == ("", "")
        assert ended.revoked_reason == Reason.SIGNED_OUT
        assert SessionEvent.objects.filter(event=Event.SESSION_SIGNED_OUT).count() == 1

    def test_ours_leads_to_theirs(self, client: Client, ann: Person) -> None:
        """Nothing is left there for who signs in next, as that they were signed out."""
        sign_in_with_otp(client, ann)

        assert client.post("/ours/logout/").headers["Location"] == LOGIN
        sign_in_with_otp(client, ann)
        assert "You are signed out" not in client.get("/ours/devices/").content.decode()


@pytest.fixture(params=[OUR_OTP_MIDDLEWARE, THEIR_MIDDLEWARE], ids=["ours", "theirs"])
def verifying(request: pytest.FixtureRequest, settings: Any) -> None:
    """Whichever middleware says who is verified."""
    settings.MIDDLEWARE = middleware(OUR_MIDDLEWARE, otp=request.param)


@pytest.mark.usefixtures("verifying")
class TestDisabling:
    def test_takes_it_from_the_session(self, client: Client, ann: Person, theirs: App) -> None:
        """The session that was proved by it goes on, by its password: as with a factor of ours."""
        sign_in_with_otp(client, ann)
        disable(client)

        assert (signed_in(client), methods()) == ("ann", "pwd")
        assert client.get("/vault/").status_code == 302
        assert client.get("/safe/").status_code == 302
        assert ">Off<" in client.get("/ours/security/").content.decode()
        shown = client.get("/api/sessions/").json()["results"]
        assert [session["auth_methods"] for session in shown] == [["pwd"]]

    def test_the_password_is_enough(self, client: Client, ann: Person, theirs: App) -> None:
        """At the next sign-in, at theirs and by the API."""
        sign_in_with_otp(client, ann)
        disable(client)
        other = Client()
        give_password(other)

        assert signed_in(other) == "ann"
        assert ask_tokens(Client()).status_code == 200

    def test_where_one_must_be(
        self, client: Client, ann: Person, theirs: App, settings: Any
    ) -> None:
        """Whoever must have a factor sets up another before anything else."""
        settings.SESSIONS_PLUS_MFA_POLICY = "required"
        sign_in_with_otp(client, ann)
        disable(client)

        led = client.get("/who/")

        assert led.headers["Location"].startswith("/ours/security/totp/")

    def test_with_one_of_ours(self, client: Client, ann: Person, theirs: App) -> None:
        """What was proved goes on where there is another factor."""
        enrol(ann.user)
        sign_in_with_otp(client, ann)
        disable(client)

        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_by_staff(self, client: Client, ann: Person, theirs: App) -> None:
        """What staff remove for others changes no session."""
        sign_in_with_otp(client, ann)
        desk = Client()
        User.objects.create_superuser("root", password=PASSWORD)
        give_password(desk, "root")
        device = model("otp_totp", "TOTPDevice").objects.get()
        desk.post(f"/admin/otp_totp/totpdevice/{device.pk}/delete/", {"post": "yes"})

        assert not model("otp_totp", "TOTPDevice").objects.exists()
        theirs_now = Session.objects.active().get(user=ann.user)
        assert theirs_now.auth_methods == "pwd otp"


class TestPasswordAlone:
    @pytest.fixture(autouse=True)
    def staff(self, ann: Person, theirs: App) -> None:
        User.objects.update(is_staff=True, is_superuser=True)

    def test_at_the_admins_page(self, client: Client, ann: Person) -> None:
        """It leads to theirs, and on to the admin from there."""
        given = {"username": "ann", "password": PASSWORD, "next": "/admin/auth/user/"}
        led = client.post("/admin/login/?next=/admin/auth/user/", given)

        assert led.headers["Location"] == LOGIN + "?next=/admin/auth/user/"
        assert (signed_in(client), Session.objects.exclude(user=None).count()) == ("", 0)
        sign_in_with_otp(client, ann)
        assert client.get("/admin/auth/user/").status_code == 200

    @pytest.fixture
    def _patched(self) -> Iterator[None]:
        import_string("two_factor.admin.patch_admin")()
        yield
        import_string("two_factor.admin.unpatch_admin")()

    @pytest.mark.usefixtures("_patched")
    def test_at_the_admins_page_that_they_replace(self, client: Client) -> None:
        """Their default: the admin has no page to sign in on."""
        given = {"username": "ann", "password": PASSWORD, "next": "/admin/"}

        assert client.post("/admin/login/", given).headers["Location"] == LOGIN + "?next=/admin/"
        assert signed_in(client) == ""

    def test_at_our_page(self, client: Client) -> None:
        led = client.post("/ours/login/", {"username": "ann", "password": PASSWORD})

        assert led.headers["Location"].startswith(LOGIN)
        assert signed_in(client) == ""

    @pytest.mark.parametrize("policy", ["optional", "required"])
    @pytest.mark.parametrize("endpoint", ["/api/tokens/", "/api/login/"])
    def test_at_the_api(self, client: Client, endpoint: str, policy: str, settings: Any) -> None:
        """A program is told why, whether or not the site asks for a factor."""
        settings.SESSIONS_PLUS_MFA_POLICY = policy
        fields = {"username": "ann", "password": PASSWORD}
        refused = client.post(endpoint, fields, content_type="application/json")

        assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_elsewhere")
        assert signed_in(client) == ""
        assert not Session.objects.active().exclude(user=None).exists()


class TestRememberedBrowser:
    @pytest.fixture(autouse=True)
    def remembered(self, client: Client, theirs: App, settings: Any) -> None:
        settings.TWO_FACTOR_REMEMBER_COOKIE_AGE = 3600
        give_password(client)
        give_code(client, theirs.code(), **{"token-remember": "on"})
        assert methods() == "pwd otp"
        client.post("/ours/logout/")

    def test_signs_in_by_the_password(self, client: Client) -> None:
        give_password(client)

        assert (signed_in(client), methods()) == ("ann", "pwd dev")

    @pytest.mark.parametrize(
        "added",
        [
            {"token-otp_token": "123456"},
            {"otp_token": "123456"},
            {"auth-otp_token": "1", "other-current_step": "token"},
        ],
    )
    def test_a_field_more_is_no_code(self, client: Client, added: dict[str, str]) -> None:
        """Whoever has the cookie and the password has not proved what they add to the form."""
        give_password(client, **added)

        assert (signed_in(client), methods()) == ("ann", "pwd dev")
        assert client.get("/safe/").status_code == 302

    @pytest.mark.parametrize("page", ["/admin/", "/safe/"])
    def test_is_asked_where_a_code_must_be(
        self, client: Client, theirs: App, page: str, settings: Any
    ) -> None:
        """It leads to their page, which asks for the code, and back."""
        User.objects.update(is_staff=True)
        give_password(client)
        led = client.get(page)
        assert led.headers["Location"] == f"{LOGIN}?next={page}"

        give_password(client)
        assert signed_in(client) == "ann"
        with time_machine.travel(timezone.now() + timedelta(minutes=1)):
            give_code(client, theirs.code())

            assert methods() == "pwd otp"
            assert client.get(page).status_code == 200


def test_set_up_meanwhile(client: Client, ann: Person, settings: Any) -> None:
    """Whoever sets a factor up there is led to their page, not to set up another here."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    sign_in_with_otp(client, ann)
    enrol_in_otp(ann)

    assert client.get("/who/").headers["Location"] == f"{LOGIN}?next=/who/"
    sign_in_with_otp(client, ann)
    assert (signed_in(client), methods()) == ("ann", "pwd otp")


def test_where_their_page_sends_people_on(client: Client, ann: Person, settings: Any) -> None:
    """Where it asks nobody who is signed in, a page of ours is as far as anybody comes."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    sign_in_with_otp(client, ann)
    enrol_in_otp(ann)
    settings.LOGIN_URL = "/account/login/again/"

    assert client.get("/who/").headers["Location"].startswith("/ours/security/totp/")


class TestBetweenTheSteps:
    """What happens elsewhere while somebody has given their password, and not yet their code."""

    def test_a_new_password(self, client: Client, ann: Person, theirs: App) -> None:
        """It ends what was begun with the old one; they begin anew, with the new one."""
        give_password(client)
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            ann.user.set_password("a new phrase of ann's")
            ann.user.save()

            again = give_code(client, theirs.code())

            assert "timed out" in again.content.decode()
            assert signed_in(client) == ""
        with time_machine.travel(timezone.now() + timedelta(minutes=4)):
            give_password(client, **{"auth-password": "a new phrase of ann's"})
            give_code(client, theirs.code())

            assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_an_older_new_password(self, client: Client, ann: Person, theirs: App) -> None:
        ann.user.set_password(PASSWORD)
        ann.user.save()
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            give_password(client)
            give_code(client, theirs.code())

            assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_the_device_is_removed(self, client: Client, ann: Person, theirs: App) -> None:
        """It comes back as a new one, since all was proved; what had trust or a name is gone."""
        sign_in_with_otp(client, ann)
        client.post("/ours/logout/")
        device = Device.objects.get()
        desk = Client()
        with time_machine.travel(timezone.now() + timedelta(minutes=1)):
            sign_in_with_otp(desk, ann)
        with time_machine.travel(timezone.now() + timedelta(minutes=2)):
            give_password(client)

            desk.post(f"/ours/devices/{device.public_id}/revoke/")
            give_code(client, theirs.code())

            assert signed_in(client) == "ann"
        device.refresh_from_db()
        assert device.revoked_at is not None
        newest = Session.objects.active().order_by("pk").last()
        assert newest is not None
        assert newest.device_id != device.pk
