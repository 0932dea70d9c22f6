"""Help desks: django-hijack and django-loginas by a ``login()``, django-impersonate without one."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import User
from django.core import mail
from django.http import HttpRequest, JsonResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import include, path
from django.utils.functional import SimpleLazyObject
from django.utils.module_loading import import_string

from sessions_plus.authority import user_put_into
from sessions_plus.models import (
    Authenticator,
    Challenge,
    Device,
    Session,
    SessionEvent,
)
from sessions_plus.testing import sign_in
from tests.integrations.settings import MIDDLEWARE
from tests.support import doors
from tests.support.authenticators import App, enrol

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls(__name__)]

HIJACK = "hijack.middleware.HijackUserMiddleware"
IMPERSONATE = "impersonate.middleware.ImpersonateMiddleware"


def whose(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"put": repr(user_put_into(request)), "user": request.user.get_username()})


async def awhose(request: HttpRequest) -> JsonResponse:
    user = await request.auser()
    return JsonResponse({"put": repr(user_put_into(request)), "user": user.get_username()})


urlpatterns = [
    path("whose/", whose),
    path("awhose/", awhose),
    path("hijack/", include("hijack.urls")),
    path("loginas/", include("loginas.urls")),
    path("impersonate/", include("impersonate.urls")),
    path("api/", include("sessions_plus.api.urls")),
    path("", include(doors.urlpatterns)),
]


@dataclass(frozen=True)
class Package:
    """How one acts as somebody with a package, and stops."""

    name: str
    start: Callable[[Client, Any], Any]
    stop: Callable[[Client], Any]

    def __str__(self) -> str:
        return self.name


PACKAGES = [
    Package(
        "hijack",
        lambda client, user: client.post("/hijack/acquire/", {"user_pk": user.pk}),
        lambda client: client.post("/hijack/release/"),
    ),
    Package(
        "loginas",
        lambda client, user: client.post(f"/loginas/login/user/{user.pk}/"),
        lambda client: client.get("/loginas/logout/"),
    ),
    Package(
        "impersonate",
        lambda client, user: client.get(f"/impersonate/{user.pk}/"),
        lambda client: client.get("/impersonate/stop/"),
    ),
]
BY_LOGIN = PACKAGES[:2]
every = pytest.mark.parametrize("package", PACKAGES, ids=str)
by_login = pytest.mark.parametrize("package", BY_LOGIN, ids=str)


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.MIDDLEWARE = [*MIDDLEWARE, HIJACK, IMPERSONATE]
    settings.LOGIN_REDIRECT_URL = "/"
    settings.LOGOUT_REDIRECT_URL = "/"


@pytest.fixture
def helper(staff: User) -> Client:
    """Root's browser, signed in with a second factor."""
    enrol(staff)
    client = Client()
    sign_in(client, staff)
    return client


def hello(client: Client) -> str:
    """Return who a browser is now, to a page that anybody sees."""
    return client.get("/").content.decode().removeprefix("hello ")


def to_act(package: Package, client: Client, user: User) -> None:
    assert package.start(client, user).status_code == 302
    assert hello(client) == user.username


@every
@pytest.mark.parametrize("policy", ["optional", "staff", "required"])
@pytest.mark.parametrize("has_factor", [False, True], ids=["one factor", "two factors"])
def test_there_and_back(
    package: Package,
    helper: Client,
    user: User,
    staff: User,
    settings: Any,
    policy: str,
    has_factor: bool,
    engine: str,
) -> None:
    """Whatever the policy and whatever the other has, the way there and back is open."""
    if has_factor:
        enrol(user)
    settings.SESSIONS_PLUS_MFA_POLICY = policy
    before = Session.objects.get(user=staff)
    to_act(package, helper, user)
    mail.outbox.clear()

    assert package.stop(helper).status_code == 302

    assert hello(helper) == "root"
    assert helper.get("/two/").content == b"two factors"
    after = Session.objects.get(user=staff, revoked_at=None)
    assert (after.methods, after.actor) == (["pwd", "otp"], None)
    assert after.authenticated_at == before.authenticated_at
    assert not Session.objects.filter(user=user, revoked_at=None).exists()
    assert not Challenge.objects.exists()
    assert mail.outbox == []


@by_login
def test_the_row_says_who_acts(package: Package, helper: Client, user: User, staff: User) -> None:
    """The customer proved nothing: no method of theirs, no device, no mail, nothing fresh."""
    enrol(user)
    mail.outbox.clear()

    to_act(package, helper, user)

    session = Session.objects.get(user=user)
    assert (session.actor, session.methods, session.device) == (staff, ["imp"], None)
    assert session.reauthenticated_at is None
    assert not Device.objects.for_user(user).exists()
    assert not Challenge.objects.exists()
    assert mail.outbox == []
    user.refresh_from_db()
    assert user.last_login is None


def test_none_is_needed_where_nobody_signs_in(helper: Client, user: User, staff: User) -> None:
    """django-impersonate: there is no session of the customer's, and the helper's is as it was."""
    mail.outbox.clear()
    before = Session.objects.get(user=staff)

    to_act(PACKAGES[2], helper, user)

    after = Session.objects.get()
    assert (after.public_id, after.user, after.methods) == (before.public_id, staff, before.methods)
    assert after.reauthenticated_at == before.reauthenticated_at
    assert not Device.objects.for_user(user).exists()
    assert mail.outbox == []


@every
def test_no_limit_counts_it(package: Package, helper: Client, user: User, settings: Any) -> None:
    """A customer who may be signed in once is not thrown out by help."""
    settings.SESSIONS_PLUS_MAX_SESSIONS_PER_USER = 1
    customer = Client()
    sign_in(customer, user, methods=("pwd",))

    to_act(package, helper, user)

    assert hello(customer) == "ann"


OWN = [
    "/admin/",
    "/one-fresh/",
    "/all-fresh/",
    "/two/",
    "/account/devices/",
    "/account/security/",
    "/account/activity/",
    "/account/security/password/",
    "/account/security/totp/",
    "/account/reauthenticate/",
]


@every
@pytest.mark.parametrize("address", OWN)
def test_what_is_the_customers_alone_stays_closed(
    package: Package, helper: Client, user: User, address: str, settings: Any
) -> None:
    """Their secrets, factors, password and devices, and the admin: a plain page says why."""
    User.objects.filter(pk=user.pk).update(is_staff=True)
    settings.IMPERSONATE = {"URI_EXCLUSIONS": ("^nothing$",)}  # the admin is one by default
    to_act(package, helper, user)

    response = helper.get(address)

    assert response.status_code == 403
    assert b"Only for the person themselves" in response.content


@every
@pytest.mark.parametrize("address", ["sessions/", "devices/", "events/", "mfa/"])
def test_so_it_does_in_the_api(package: Package, helper: Client, user: User, address: str) -> None:
    """The same of our API, with the same cookie."""
    to_act(package, helper, user)

    response = helper.get(f"/api/{address}")

    assert (response.status_code, response.json()["code"]) == (403, "acting_for_another")


@every
def test_nothing_crosses(package: Package, helper: Client, user: User, staff: User) -> None:
    """What the helper proves while they act is written to nobody's row."""
    app = enrol(user)
    own = App(enrol_secret_of(staff))
    to_act(package, helper, user)
    before = list(Session.objects.order_by("pk").values())

    for code in (app.code(), own.code()):
        helper.post("/account/reauthenticate/", {"password": "x", "code": code})
    for address in ("devices/revoke-others", "security/totp/begin", "security/recovery-codes/make"):
        helper.post(f"/account/{address}/")

    after = list(Session.objects.order_by("pk").values())
    assert [row["reauth_methods"] for row in after] == [row["reauth_methods"] for row in before]
    assert [row["auth_methods"] for row in after] == [row["auth_methods"] for row in before]
    assert [row["revoked_at"] for row in after] == [row["revoked_at"] for row in before]
    assert Authenticator.objects.count() == 2


def enrol_secret_of(user: User) -> bytes:
    from sessions_plus.mfa import totp
    from tests.support.authenticators import only

    Authenticator.objects.filter(user=user).delete()
    enrol(user)
    return totp.open_secret(only(user))


@every
@pytest.mark.parametrize("policy", ["staff", "required"])
def test_who_acts_has_proved_what_is_asked(
    package: Package, staff: User, user: User, policy: str, settings: Any
) -> None:
    """A helper by password alone is led to prove more, and is still who they were."""
    enrol(staff)
    settings.SESSIONS_PLUS_MFA_POLICY = policy
    client = Client()
    sign_in(client, staff, methods=("pwd",))

    response = package.start(client, user)

    assert response["Location"].startswith("/account/reauthenticate/")
    assert not Session.objects.filter(user=user).exists()
    assert Session.objects.get(user=staff).revoked_at is None
    settings.SESSIONS_PLUS_MFA_POLICY = "optional"
    assert hello(client) == "root"


@every
def test_what_is_asked_of_the_other(
    package: Package, staff: User, user: User, settings: Any
) -> None:
    """A policy that asks the customer alone is asked of whoever acts."""
    settings.SESSIONS_PLUS_MFA_POLICY = f"{__name__}.only_ann"
    client = Client()
    sign_in(client, staff, methods=("pwd",))

    assert package.start(client, user)["Location"].startswith("/account/")

    assert hello(client) == "root"


def only_ann(user: Any) -> bool:
    return bool(user.username == "ann")


@every
def test_the_customer_sees_one_line(
    package: Package, helper: Client, user: User, staff: User
) -> None:
    """That somebody was there; no address or browser of theirs."""
    helper.defaults["REMOTE_ADDR"] = "203.0.113.77"
    helper.defaults["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11) Firefox/128.0"
    customer = Client()
    sign_in(customer, user, methods=("pwd",))
    to_act(package, helper, user)
    devices = customer.get("/account/devices/").content.decode()
    activity = customer.get("/account/activity/").content.decode()
    package.stop(helper)

    lines = re.findall(r"<h2[^>]*>\s*Support staff, signed in as you", devices)
    assert len(lines) == (package in BY_LOGIN)
    assert "By an administrator" in activity
    for page in (devices, activity):
        assert "203.0.113.77" not in page
        assert "Firefox" not in page
    events = SessionEvent.objects.filter(user=user, actor=staff)
    assert list(events.values_list("event", flat=True).order_by("pk")) == [
        "session.started",
        *(["session.signed_out"] if package.name != "hijack" else []),
        *(["session.revoked"] if package.name == "hijack" else []),
    ]


@by_login
def test_ends_with_the_helpers_own(package: Package, helper: Client, user: User) -> None:
    """Whatever takes the helper's sessions takes it, too."""
    to_act(package, helper, user)
    elsewhere = Client()
    sign_in(elsewhere, User.objects.get(username="root"))

    elsewhere.post("/account/devices/revoke-others/")

    assert hello(helper) == "AnonymousUser"


@every
def test_from_one_to_the_next(
    package: Package, helper: Client, user: User, other_user: User
) -> None:
    """Who acts acts for nobody else from there, however much the customer may do."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=package in BY_LOGIN)
    to_act(package, helper, user)

    response = package.start(helper, other_user)

    assert response.status_code == (403 if package in BY_LOGIN else 302)
    assert hello(helper) == "ann"
    assert not Session.objects.filter(user=other_user).exists()


@pytest.mark.parametrize("package", BY_LOGIN, ids=str)
def test_a_session_of_before_the_integration(
    package: Package, user: User, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who leaves one that names no actor is asked for their code as at any sign-in."""
    enrol(staff)
    client = Client()
    sign_in(client, user, methods=("pwd",))
    session = client.session
    if package.name == "hijack":
        session["hijack_history"] = [str(staff.pk)]
    else:
        session["loginas_from_user"] = import_string("loginas.utils.signer").sign(staff.pk)
    session.save()

    response = package.stop(client)

    assert response["Location"].startswith("/account/challenge/")
    assert hello(client) == "AnonymousUser"
    assert not Session.objects.filter(user=staff).exists()


class TestWhosUser:
    """Which ``request.user`` is the session's own, under the middlewares of both."""

    @pytest.mark.parametrize("order", [[HIJACK], [IMPERSONATE], [HIJACK, IMPERSONATE]], ids=str)
    @pytest.mark.parametrize("world", ["", "a"], ids=["sync", "async"])
    async def test_own(self, order: list[str], world: str, settings: Any) -> None:
        """Neither is taken for somebody whom a middleware put there; and a proof counts."""
        settings.MIDDLEWARE = [*MIDDLEWARE, *order]
        staff = await get_user_model().objects.acreate_superuser("root")
        client = AsyncClient()
        from sessions_plus.testing import asign_in

        await asign_in(client, staff)

        answer = (await client.get(f"/{world}whose/")).json()

        assert answer == {"put": "None", "user": "root"}
        assert (await client.get("/admin/")).status_code == 200
        assert (await client.get(f"/{world}all-fresh/")).content == b"all fresh"

    def test_somebody_under_a_wrapper(self, user: User) -> None:
        """Whom one middleware put there stays so when the next adds something to them."""
        middleware = import_string(HIJACK)(lambda request: None)
        request: Any = RequestFactory().get("/")
        request.session = {}
        request.user = user

        middleware.process_request(request)

        assert isinstance(request.user, SimpleLazyObject)
        assert user_put_into(request) is user

    def test_the_swap_beneath_the_banner(self, helper: Client, user: User, settings: Any) -> None:
        """django-impersonate under django-hijack's middleware: still in another's name."""
        settings.MIDDLEWARE = [*MIDDLEWARE, IMPERSONATE, HIJACK]
        to_act(PACKAGES[2], helper, user)

        assert helper.get("/account/devices/").status_code == 403
        assert re.search("ann", helper.get("/whose/").json()["put"])


def test_the_banner_has_its_way_back(helper: Client, user: User) -> None:
    """django-hijack's own notification is in the page, for sessions that our store keeps."""
    to_act(PACKAGES[0], helper, user)

    session = helper.session

    assert session["hijack_history"] == [str(User.objects.get(username="root").pk)]
