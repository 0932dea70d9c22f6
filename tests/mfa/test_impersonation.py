"""Acting as somebody else by a ``login()`` as them, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
import time_machine
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils import timezone

from sessions_plus.events import record
from sessions_plus.lifecycle import revoke_all
from sessions_plus.mfa.impersonation import acting_as, returning
from sessions_plus.models import Challenge, Device, Event, Session, SessionEvent
from sessions_plus.testing import sign_in
from tests.support import doors
from tests.support.authenticators import enrol
from tests.support.sites import BACKEND

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


def named(request: HttpRequest) -> Any:
    return get_user_model()._default_manager.get(username=request.GET["name"])


def act(request: HttpRequest) -> HttpResponse:
    with acting_as(request, named(request)):
        login(request, named(request), backend=BACKEND)
    return HttpResponse("acting")


def act_unnamed(request: HttpRequest) -> HttpResponse:
    with acting_as(request):
        login(request, named(request), backend=BACKEND)
    return HttpResponse("acting")


def release(request: HttpRequest) -> HttpResponse:
    with returning(request):
        login(request, named(request), backend=BACKEND)
    return HttpResponse("released")


def remember(request: HttpRequest) -> HttpResponse:
    """An event of the site's own, about whoever is signed in."""
    record(Event.DEVICE_RENAMED, user=request.user)  # type: ignore[arg-type]
    return HttpResponse("recorded")


urlpatterns = [
    path("act/", act),
    path("act-unnamed/", act_unnamed),
    path("release/", release),
    path("remember/", remember),
    path("", include(doors.urlpatterns)),
]


@pytest.fixture
def helper(staff: User) -> Client:
    """Root's browser, signed in with a second factor."""
    enrol(staff)
    client = Client()
    sign_in(client, staff)
    return client


def acting(client: Client, name: str = "ann") -> Session:
    assert client.get("/act/", {"name": name}).content == b"acting"
    return Session.objects.get(user__username=name, revoked_at=None)


def test_the_row_says_who_acts_and_nothing_that_is_not_so(
    helper: Client, user: User, staff: User, engine: str
) -> None:
    """The customer proved nothing: no method of theirs, no device, no mail, nothing fresh."""
    mail.outbox.clear()

    session = acting(helper)

    assert helper.get("/").content == b"hello ann"
    assert (session.actor, session.methods, session.device) == (staff, ["imp"], None)
    assert session.reauthenticated_at is None
    assert not Device.objects.for_user(user).exists()
    assert mail.outbox == []


def test_no_second_factor_is_asked_for(helper: Client, user: User, settings: Any) -> None:
    """Who acts proved their own; the customer's phone is elsewhere. Under any policy."""
    enrol(user)
    settings.SESSIONS_PLUS_MFA_POLICY = "required"

    acting(helper)

    assert helper.get("/").content == b"hello ann"
    assert not Challenge.objects.exists()


@pytest.mark.parametrize("policy", ["staff", "required"])
def test_who_acts_has_proved_what_is_asked_of_both(
    staff: User, user: User, policy: str, settings: Any
) -> None:
    """A helper by password alone is led to prove more, and is still signed in as themselves."""
    enrol(staff)
    settings.SESSIONS_PLUS_MFA_POLICY = policy
    client = Client()
    sign_in(client, staff, methods=("pwd",))

    response = client.get("/act/", {"name": "ann"})

    assert response["Location"].startswith("/account/reauthenticate/")
    assert not Session.objects.filter(user=user).exists()
    assert Session.objects.get(user=staff).revoked_at is None


def test_what_is_asked_of_the_other_alone(user: User, other_user: User, settings: Any) -> None:
    """A policy that asks the customer only is asked of whoever acts, also if named late."""
    settings.SESSIONS_PLUS_MFA_POLICY = f"{__name__}.only_ann"
    client = Client()
    sign_in(client, other_user, methods=("pwd",))

    assert client.get("/act/", {"name": "ann"}).status_code == 302
    assert client.get("/act-unnamed/", {"name": "ann"}).status_code == 302

    assert client.get("/").content != b"hello ann"
    assert not Session.objects.filter(user=user).exists()


def only_ann(user: Any) -> bool:
    return bool(user.username == "ann")


@pytest.mark.parametrize(
    "path",
    ["/admin/", "/one-fresh/", "/all-fresh/", "/two/", "/account/devices/", "/account/security/"],
)
def test_what_is_the_customers_alone_stays_closed(helper: Client, user: User, path: str) -> None:
    """Their factors, devices and proofs, and the admin: a plain page says why."""
    User.objects.filter(pk=user.pk).update(is_staff=True, is_superuser=True)
    acting(helper)

    response = helper.get(path)

    assert response.status_code == 403
    assert b"Only for the person themselves" in response.content


def test_a_limit_counts_only_people(helper: Client, user: User, settings: Any) -> None:
    """A customer who may be signed in once is not thrown out by help."""
    settings.SESSIONS_PLUS_MAX_SESSIONS_PER_USER = 1
    customer = Client()
    sign_in(customer, user, methods=("pwd",))

    helper.get("/act/", {"name": "ann"})

    assert customer.get("/").content == b"hello ann"
    sign_in(customer, user, methods=("pwd",))
    assert helper.get("/").content == b"hello ann"


def test_each_event_names_the_actor(helper: Client, user: User, staff: User) -> None:
    """The beginning, what happens in it, and its end."""
    acting(helper)
    helper.get("/remember/")
    helper.post("/account/logout/")

    events = SessionEvent.objects.filter(user=user)
    assert {event.event for event in events} == {
        Event.SESSION_STARTED,
        Event.DEVICE_RENAMED,
        Event.SESSION_SIGNED_OUT,
    }
    assert {event.actor_id for event in events} == {staff.pk}


def test_ones_own_session_ended_for_it(helper: Client, user: User, staff: User) -> None:
    """The helper's own session ends with a reason of its own."""
    acting(helper)

    own = Session.objects.get(user=staff)
    assert own.revoked_reason == "acted"


def test_the_way_back_is_open(helper: Client, user: User, staff: User) -> None:
    """Released, the helper is who they were: no code, no mail, as old, and not fresh."""
    before = Session.objects.get(user=staff)
    acting(helper)
    mail.outbox.clear()

    assert helper.get("/release/", {"name": "root"}).content == b"released"

    assert helper.get("/two/").content == b"two factors"
    after = Session.objects.get(user=staff, revoked_at=None)
    assert (after.methods, after.actor) == (["pwd", "otp"], None)
    assert after.authenticated_at == before.authenticated_at
    assert helper.get("/one-fresh/").status_code == 302
    assert mail.outbox == []
    assert not Session.objects.filter(user=user, revoked_at=None).exists()


def test_the_way_back_is_nobody_elses(helper: Client, user: User, other_user: User) -> None:
    """Whoever else is signed in there is asked for their own second factor."""
    enrol(other_user)
    acting(helper)

    helper.get("/release/", {"name": "ben"})

    assert helper.get("/").content == b"hello AnonymousUser"
    assert Challenge.objects.filter(user_id=other_user.pk).exists()


def test_who_acts_acts_for_nobody_else(helper: Client, user: User, other_user: User) -> None:
    """From inside one such session there is no second one."""
    acting(helper)

    assert helper.get("/act/", {"name": "ben"}).status_code == 403
    assert not Session.objects.filter(user=other_user).exists()


def test_a_stranger_acts_for_nobody(user: User) -> None:
    """Without a session of one's own there is nobody to act."""
    assert Client().get("/act/", {"name": "ann"}).status_code == 403


def test_the_customer_sees_that_and_not_where_from(helper: Client, user: User, staff: User) -> None:
    """In the list and the activity: that support was there, no address or browser of theirs."""
    helper.defaults["REMOTE_ADDR"] = "203.0.113.77"
    helper.defaults["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11) Firefox/128.0"
    acting(helper)
    customer = Client()
    sign_in(customer, user, methods=("pwd",))

    devices = customer.get("/account/devices/").content.decode()
    activity = customer.get("/account/activity/").content.decode()

    assert "Support staff, signed in as you" in devices
    assert "By an administrator" in activity
    for page in (devices, activity):
        assert "203.0.113.77" not in page
        assert "Firefox" not in page


def _by_code(staff: User) -> None:
    revoke_all(staff)


def _by_command(staff: User) -> None:
    call_command("revoke_sessions", staff.username, "--noinput", stdout=StringIO())


def _disabled(staff: User) -> None:
    staff.is_active = False
    staff.save()


def _new_password(staff: User) -> None:
    staff.set_password("another one, set at a shell")
    staff.save()


@pytest.mark.parametrize(
    "end",
    [_by_code, _by_command, _disabled, User.delete, _new_password],
    ids=lambda end: end.__name__,
)
def test_what_ends_the_helpers_sessions_ends_it(
    helper: Client, user: User, staff: User, engine: str, end: Callable[[User], object]
) -> None:
    """It is in the helper's hands: whatever takes their own sessions takes it, too, at once."""
    acting(helper)
    customer = Client()
    sign_in(customer, user, methods=("pwd",))

    end(User.objects.get(pk=staff.pk))

    assert helper.get("/").content == b"hello AnonymousUser"
    assert not Session.objects.filter(user=user, auth_methods="imp", revoked_at=None).exists()
    assert customer.get("/").content == b"hello ann"


def test_the_helpers_own_hand_ends_it(helper: Client, user: User, staff: User) -> None:
    """Signing out everywhere else, on the helper's own page."""
    acting(helper)
    elsewhere = Client()
    sign_in(elsewhere, staff)

    elsewhere.post("/account/devices/revoke-others/")

    assert helper.get("/").content == b"hello AnonymousUser"
    assert elsewhere.get("/").content == b"hello root"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_passive", [False, True], ids=["activity", "polling"])
def test_a_helper_who_went_unnoticed(
    helper: Client, user: User, staff: User, engine: str, is_passive: bool, settings: Any
) -> None:
    """Disabled past the signals, a helper acts until the lease is over, and no longer."""
    session = acting(helper)
    User.objects.filter(pk=staff.pk).update(is_active=False)
    settings.SESSIONS_PLUS_PASSIVE_PATHS = ["/"] if is_passive else []

    with time_machine.travel(timezone.now() + timedelta(seconds=61), tick=False):
        assert helper.get("/").content == b"hello AnonymousUser"

    session.refresh_from_db()
    assert session.revoked_reason == "user_inactive"
