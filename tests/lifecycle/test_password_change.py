"""A new password: the session in which it was chosen goes on, and everything else ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import aupdate_session_auth_hash, authenticate, views
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sessions_plus.models import Device, Event, Kind, Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.sites import urlpatterns as sites
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

NEW = "another long and secret sentence"


async def achange(request: HttpRequest) -> HttpResponse:
    """What an asynchronous page of a site does."""
    # Django's aupdate_session_auth_hash() asks `request.user`, which would query; from
    # Django 6.1 on it asks `request.auser()`.
    user: Any = await request.auser()
    request.user = user
    user.set_password(NEW)
    await user.asave()
    await aupdate_session_auth_hash(request, user)
    return HttpResponse("changed")


urlpatterns = [
    *sites,
    path("change/", views.PasswordChangeView.as_view(success_url="/sync/nothing/")),
    path("async/change/", achange),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(success_url="/sync/nothing/"),
    ),
    path(
        "reset-and-enter/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(
            success_url="/sync/nothing/",
            post_reset_login=True,
            post_reset_login_backend="django.contrib.auth.backends.ModelBackend",
        ),
    ),
    path("account/", include("sessions_plus.urls")),
    path("admin/", admin.site.urls),  # Django's reset pages are dressed as the admin's
]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    browser = Browser(world, user_agent=FIREFOX)
    browser.get("sign-in", name="ann")
    return browser


@pytest.fixture
def phone(ann: Browser) -> Browser:
    """Ann's other device, trusted."""
    browser = Browser(ann.world, user_agent=SAFARI)
    browser.get("sign-in", name="ann")
    Device.objects.filter(system="iOS").update(
        trusted_until=timezone.now() + timedelta(days=30), trust_hash="0" * 64
    )
    mail.outbox.clear()
    return browser


def like(browser: Browser) -> Browser:
    twin = Browser(browser.world)
    twin.cookies.load({name: morsel.value for name, morsel in browser.cookies.items()})
    return twin


def change(browser: Browser, old: str) -> None:
    """Choose a new password as people do, on Django's own page or an asynchronous one."""
    if browser.world.is_async:
        assert browser.text("change") == "changed"
        return
    form = {"old_password": old, "new_password1": NEW, "new_password2": NEW}
    response = browser.client.post("/change/", form, headers={"user-agent": browser.user_agent})
    assert response.status_code == 302


def reasons() -> dict[str, str]:
    """Say by system why each session ended; empty: it goes on."""
    return dict(Session.objects.values_list("system", "revoked_reason"))


def test_this_session_goes_on(ann: Browser, phone: Browser, password: str) -> None:
    """The session goes on under a new key, on its row and its device; the old key is dead."""
    before = Session.objects.get(system="Linux")
    old = like(ann)

    change(ann, password)

    after = Session.objects.get(system="Linux")
    assert ann.text("who") == "ann"
    assert ann.key != old.key
    assert (after.pk, after.public_id, after.device_id, after.created_at) == (
        *(before.pk, before.public_id, before.device_id, before.created_at),
    )
    assert after.previous_key_hash == before.key_hash
    assert old.text("who") == "AnonymousUser"


def test_others_end(ann: Browser, phone: Browser, password: str) -> None:
    """Every other session of the person ends at once, of browsers and programs alike."""
    new_tokens(User.objects.get())

    change(ann, password)

    assert phone.text("who") == "AnonymousUser"
    assert reasons()["iOS"] == Reason.PASSWORD_CHANGED
    assert Session.objects.get(kind=Kind.API).revoked_reason == Reason.PASSWORD_CHANGED
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_other_people_are_left_alone(ann: Browser, other_user: User, password: str) -> None:
    """Nobody else is signed out."""
    ben = Browser(ann.world)
    ben.get("sign-in", name="ben")

    change(ann, password)

    assert ben.text("who") == "ben"


def test_trust_ends(ann: Browser, phone: Browser, password: str) -> None:
    """No device skips the second factor any more."""
    change(ann, password)

    assert not Device.objects.exclude(trusted_until=None).exists()
    assert not Device.objects.exclude(trust_hash="").exists()


def test_is_recorded_and_told(ann: Browser, phone: Browser, password: str) -> None:
    """One event says where it was changed, and one mail tells of it."""
    change(ann, password)

    event = SessionEvent.objects.get(event=Event.PASSWORD_CHANGED)
    session = Session.objects.get(system="Linux")
    assert event.user == session.user
    assert event.actor is None
    assert (event.session_public_id, event.device_id) == (session.public_id, session.device_id)
    assert [message.subject for message in mail.outbox] == ["Your password was changed"]


@pytest.mark.parametrize("door", ["reset", "reset-and-enter"])
def test_reset_ends_all(ann: Browser, phone: Browser, user: User, door: str) -> None:
    """A reset signs out everybody who was signed in, whoever they are."""
    token = default_token_generator.make_token(User.objects.get())
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    client = Client()
    page = client.get(f"/{door}/{uid}/{token}/", follow=True)

    done = client.post(page.request["PATH_INFO"], {"new_password1": NEW, "new_password2": NEW})

    assert done.status_code == 302
    assert ann.text("who") == phone.text("who") == "AnonymousUser"
    assert {reasons()[system] for system in ("Linux", "iOS")} == {Reason.PASSWORD_CHANGED}


@pytest.mark.parametrize("fields", [None, ["password"]], ids=["all fields", "password only"])
def test_set_in_a_shell_ends_all(
    ann: Browser, phone: Browser, user: User, fields: list[str] | None
) -> None:
    """A password that a command or a shell sets ends every session."""
    user.set_password(NEW)
    user.save(update_fields=fields)

    assert ann.text("who") == phone.text("who") == "AnonymousUser"
    assert set(reasons().values()) == {Reason.PASSWORD_CHANGED}


def test_asynchronously_in_a_shell(ann: Browser, user: User) -> None:
    """So does one that is saved asynchronously."""
    user.set_password(NEW)
    async_to_sync(user.asave)()

    assert set(reasons().values()) == {Reason.PASSWORD_CHANGED}


def test_staff_changes_anothers(engine: str, user: User, staff: User, password: str) -> None:
    """Where an administrator sets it, all of the person's sessions end, and it says who did it."""
    browser = Browser(World("sync"))
    browser.get("sign-in", name="ann")
    root = Browser(World("sync"), user_agent=SAFARI)
    root.get("sign-in", name="root")

    root.client.post(
        f"/admin/auth/user/{user.pk}/password/",
        {"password1": NEW, "password2": NEW, "usable_password": "true"},
        headers={"user-agent": SAFARI},
    )

    user.refresh_from_db()
    assert user.check_password(NEW)
    assert browser.text("who") == "AnonymousUser"
    assert root.text("who") == "root"
    event = SessionEvent.objects.get(event=Event.PASSWORD_CHANGED)
    assert (event.user, event.actor, event.session_public_id) == (user, staff, None)
    revoked = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
    assert (revoked.actor, revoked.reason) == (staff, Reason.PASSWORD_CHANGED)


def test_new_hash_is_no_new_password(ann: Browser, phone: Browser, password: str) -> None:
    """A password that Django hashes anew at sign-in ends nothing and is told to nobody."""
    stronger = [
        "django.contrib.auth.hashers.PBKDF2PasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = User.objects.get().password
    with override_settings(PASSWORD_HASHERS=stronger):
        assert authenticate(username="ann", password=password) is not None

    assert User.objects.get().password != before
    assert set(reasons().values()) == {""}
    assert mail.outbox == []


def test_other_changes_of_a_person(ann: Browser, phone: Browser, user: User) -> None:
    """Changing a name ends nothing, even while an unsaved password waits in memory."""
    user.first_name = "Ann"
    user.save()
    user.set_password(NEW)
    user.save(update_fields=["first_name"])

    assert ann.text("who") == phone.text("who") == "ann"


def test_first_password(db: None) -> None:
    """A new account has nothing to end, and its first password is no change."""
    User.objects.create_user("eve", "eve@example.com", NEW)

    assert mail.outbox == []
    assert not SessionEvent.objects.exists()


def test_past_save(ann: Browser, phone: Browser) -> None:
    """What is written past `save()` ends the sessions at their next request, by Django's hash."""
    User.objects.update(password=make_password(NEW))

    assert ann.text("who") == phone.text("who") == "AnonymousUser"
