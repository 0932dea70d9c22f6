"""Going on elsewhere with a new password: only on wish, only as far as it was good before."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib import admin
from django.contrib.auth import aupdate_session_auth_hash, update_session_auth_hash, views
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator
from django.core import mail
from django.core.cache import caches
from django.db import transaction
from django.db.models.signals import post_save
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import include, path
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from sessions_plus.cache import copies
from sessions_plus.lifecycle import keep_other_sessions, passwords, revoke
from sessions_plus.models import Device, Event, Kind, Reason, Session, SessionEvent
from sessions_plus.store.engine import site_engine
from sessions_plus.tokens import refresh
from sessions_plus.tokens.sessions import find_live
from tests.conftest import World
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.sites import urlpatterns as sites
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

NEW = "another long and secret sentence"
PAGE = "/account/security/password/"


def keep(request: HttpRequest) -> HttpResponse:
    """What a page of a site's own does."""
    user: Any = request.user
    with keep_other_sessions(user):
        user.set_password(NEW)
        user.save()
    update_session_auth_hash(request, user)
    return HttpResponse("changed")


async def akeep(request: HttpRequest) -> HttpResponse:
    """What an asynchronous one does."""
    user: Any = await request.auser()
    request.user = user  # Django's function below asks for it, and would query
    with keep_other_sessions(user):
        user.set_password(NEW)
        await user.asave()
    await aupdate_session_auth_hash(request, user)
    return HttpResponse("changed")


urlpatterns = [
    *sites,
    path("sync/keep/", keep),
    path("async/keep/", akeep),
    path(
        "reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(success_url="/sync/nothing/"),
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
    """Ann's other device, whose session a cache knows, if there is one."""
    browser = Browser(ann.world, user_agent=SAFARI)
    browser.get("sign-in", name="ann")
    assert browser.text("who") == "ann"
    mail.outbox.clear()
    return browser


def on_phone() -> Session:
    return Session.objects.get(system="iOS")


def reasons() -> dict[str, str]:
    """Say by system why each session ended; empty: it goes on."""
    return dict(Session.objects.values_list("system", "revoked_reason"))


def submit(browser: Browser, old: str, **form: str) -> Any:
    """Send the form of our page."""
    given = {"old_password": old, "new_password1": NEW, "new_password2": NEW, **form}
    post = browser.client.post
    if browser.world.is_async:
        post = async_to_sync(post)
    return post(PAGE, given, headers={"user-agent": browser.user_agent})


class TestKept:
    def test_others_go_on(self, ann: Browser, phone: Browser) -> None:
        """The other browsers stay signed in; the one where it was chosen has a new key."""
        key = ann.key

        assert ann.text("keep") == "changed"

        assert User.objects.get().check_password(NEW)
        assert phone.text("who") == ann.text("who") == "ann"
        assert ann.key != key
        assert set(reasons().values()) == {""}

    def test_with_and_without_copies(self, ann: Browser, phone: Browser, engine: str) -> None:
        """They go on from the row as from the copy that a cache keeps of it next."""
        ann.get("keep")

        assert phone.text("who") == "ann"
        if engine.endswith("cached_db"):
            assert copies.tier().peek(on_phone().public_id)
        assert phone.text("who") == "ann"
        caches["default"].clear()
        assert phone.text("who") == "ann"

    def test_programs_go_on(self, ann: Browser, user: User) -> None:
        """So do API clients, with the tokens that they have."""
        tokens = new_tokens(user)

        ann.get("keep")

        now = timezone.now()
        public_id = tokens.session.public_id
        assert refresh.refresh(tokens.refresh, client=None, now=now).session.public_id == public_id
        Session.objects.filter(kind=Kind.API).update(last_activity=now - timedelta(minutes=2))
        assert find_live(public_id, client=None) is not None

    def test_is_no_activity(self, ann: Browser, phone: Browser) -> None:
        """Going on prolongs nothing, and gives nobody another key."""
        before = on_phone()

        ann.get("keep")

        after = on_phone()
        assert after.last_activity == before.last_activity
        assert after.expire_date == before.expire_date
        assert after.key_hash == before.key_hash
        assert after.version > before.version

    def test_again(self, ann: Browser, phone: Browser) -> None:
        """They go on through any number of changes."""
        for _ in range(3):
            ann.get("keep")

            assert phone.text("who") == "ann"

    def test_saved_twice(self, ann: Browser, phone: Browser) -> None:
        """A site that saves the user again while it is saved does not change that."""

        def save_again(instance: User, **_: object) -> None:
            post_save.disconnect(save_again, sender=User)
            instance.save()

        post_save.connect(save_again, sender=User)
        ann.get("keep")

        assert phone.text("who") == "ann"

    def test_trust_ends_all_the_same(self, ann: Browser, phone: Browser) -> None:
        """No device skips the second factor any more."""
        Device.objects.update(
            trusted_until=timezone.now() + timedelta(days=30), trust_hash="0" * 64
        )

        ann.get("keep")

        assert not Device.objects.exclude(trusted_until=None, trust_hash="").exists()

    def test_is_recorded_and_told(self, ann: Browser, phone: Browser) -> None:
        """The event says that the others go on, and the mail does, too."""
        ann.get("keep")

        event = SessionEvent.objects.get(event=Event.PASSWORD_CHANGED)
        assert event.reason == "others_kept"
        assert event.session_public_id == Session.objects.get(system="Linux").public_id
        (message,) = mail.outbox
        assert "was changed. Your other devices stay signed in" in message.body

    def test_undone(self, ann: Browser, phone: Browser, user: User) -> None:
        """What is rolled back with the password leaves the sessions as they were."""
        public_id = Session.objects.get(system="Linux").public_id

        with suppress(ZeroDivisionError), transaction.atomic(), keep_other_sessions(user):
            user.set_password(NEW)
            passwords.end_or_keep_others(user, own=public_id)
            raise ZeroDivisionError

        assert phone.text("who") == ann.text("who") == "ann"


class TestWritesMeanwhile:
    def test_a_request_that_began_before(self, ann: Browser, phone: Browser) -> None:
        """What another request of a kept session stores afterwards is kept with it."""
        store = site_engine()(phone.key)
        store["color"] = "green"

        ann.get("keep")
        store.save()

        assert phone.text("who") == "ann"
        assert phone.text("read") == "green"

    def test_a_request_in_between(
        self, ann: Browser, phone: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What is stored between reading and writing the row is not lost, nor is the session."""
        opened = passwords._open
        colors = iter(["red", "green"])

        def open_slowly(row: Any) -> Any:
            data = opened(row)
            for color in colors:
                store = site_engine()(phone.key)
                store["color"] = color
                store.save()
                break
            return data

        monkeypatch.setattr(passwords, "_open", open_slowly)
        ann.get("keep")

        assert next(colors, None) is None
        assert phone.text("who") == "ann"
        assert phone.text("read") == "green"

    def test_one_that_ends_in_between(
        self, ann: Browser, phone: Browser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What was ended meanwhile stays so."""
        opened = passwords._open

        def open_slowly(row: Any) -> Any:
            revoke(on_phone())
            return opened(row)

        monkeypatch.setattr(passwords, "_open", open_slowly)
        ann.get("keep")

        assert reasons()["iOS"] == Reason.REVOKED
        assert phone.text("who") == "AnonymousUser"


class TestEnded:
    def test_what_does_not_open(self, ann: Browser, phone: Browser) -> None:
        """A session whose data cannot be read ends."""
        Session.objects.filter(system="iOS").update(data=b"\x01damaged")

        ann.get("keep")

        assert reasons()["iOS"] == Reason.PASSWORD_CHANGED

    def test_what_had_another_password(self, ann: Browser, phone: Browser) -> None:
        """A session that an earlier password had ended, unnoticed so far, does not come back."""
        User.objects.update(password=make_password("meanwhile, in a shell"))
        ann.get("sign-in", name="ann")

        ann.get("keep")

        assert reasons()["iOS"] == Reason.PASSWORD_CHANGED
        assert phone.text("who") == "AnonymousUser"
        assert ann.text("who") == "ann"

    def test_entered_too_late(self, ann: Browser, phone: Browser, user: User) -> None:
        """A block that begins after the password was set keeps nothing."""
        public_id = Session.objects.get(system="Linux").public_id
        user.set_password(NEW)

        with keep_other_sessions(user):
            passwords.end_or_keep_others(user, own=public_id)

        assert reasons()["iOS"] == Reason.PASSWORD_CHANGED

    def test_after_the_block(self, ann: Browser, phone: Browser) -> None:
        """The next change ends them again."""
        ann.get("keep")
        user = User.objects.get()
        user.set_password("yet another sentence")
        user.save()

        assert phone.text("who") == "AnonymousUser"

    def test_block_of_somebody_else(
        self, ann: Browser, phone: Browser, user: User, other_user: User
    ) -> None:
        """Keeping one person's sessions keeps nobody else's."""
        with keep_other_sessions(other_user):
            user.set_password(NEW)
            user.save()

        assert set(reasons().values()) == {Reason.PASSWORD_CHANGED}


def in_a_shell(user: User) -> None:
    user.set_password(NEW)
    user.save()


def by_reset(user: User) -> None:
    token = default_token_generator.make_token(User.objects.get(pk=user.pk))
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    client = Client()
    page = client.get(f"/reset/{uid}/{token}/", follow=True)
    given = {"new_password1": NEW, "new_password2": NEW}
    assert client.post(page.request["PATH_INFO"], given).status_code == 302


@pytest.mark.parametrize("change", [in_a_shell, by_reset])
def test_from_outside_all_end(
    ann: Browser, phone: Browser, user: User, change: Callable[[User], None]
) -> None:
    """A reset, like a shell, ends every session, whatever it is done in."""
    with keep_other_sessions(user):
        change(user)

    assert User.objects.get().check_password(NEW)
    assert phone.text("who") == ann.text("who") == "AnonymousUser"
    assert {reasons()[system] for system in ("Linux", "iOS")} == {Reason.PASSWORD_CHANGED}
    assert SessionEvent.objects.get(event=Event.PASSWORD_CHANGED).reason == ""


class TestPage:
    def test_ends_the_others(self, ann: Browser, phone: Browser, password: str) -> None:
        """With the box ticked, as it is to begin with, the others end at once."""
        response = submit(ann, password, sign_out_others="on")

        assert response.status_code == 302
        assert phone.text("who") == "AnonymousUser"
        assert reasons()["iOS"] == Reason.PASSWORD_CHANGED
        assert ann.text("who") == "ann"
        assert "All other devices were signed out" in mail.outbox[0].body

    def test_keeps_the_others(self, ann: Browser, phone: Browser, password: str) -> None:
        """With the box unticked they stay signed in."""
        key = ann.key

        response = submit(ann, password)

        assert response.status_code == 302
        assert phone.text("who") == ann.text("who") == "ann"
        assert ann.key != key

    @pytest.mark.parametrize("form", [{}, {"sign_out_others": "on"}], ids=["kept", "ended"])
    def test_wrong_old_password(self, ann: Browser, phone: Browser, form: dict[str, str]) -> None:
        """Whoever does not know the old password changes nothing."""
        key = ann.key

        response = submit(ann, "a guess", **form)

        assert response.status_code == 200
        assert "Your old password was entered incorrectly" in response.content.decode()
        assert not User.objects.get().check_password(NEW)
        assert phone.text("who") == ann.text("who") == "ann"
        assert ann.key == key
        assert not mail.outbox

    def test_guesses_are_counted(self, ann: Browser, phone: Browser, password: str) -> None:
        """Nobody guesses the old password from a session left open."""
        with override_settings(SESSIONS_PLUS_THROTTLE_ATTEMPTS=2):
            for _ in range(2):
                submit(ann, "a guess")
            response = submit(ann, password)

        assert "Too many attempts" in response.content.decode()
        assert not User.objects.get().check_password(NEW)
        assert SessionEvent.objects.filter(event=Event.REAUTHENTICATION_FAILED).count() == 2


class TestHashedAnew:
    """A password that is only hashed anew, as after an update of Django, is no new one."""

    @pytest.fixture(autouse=True)
    def _other_hashers(self, ann: Browser, phone: Browser, settings: Any) -> None:
        settings.PASSWORD_HASHERS = [
            "django.contrib.auth.hashers.ScryptPasswordHasher",
            *settings.PASSWORD_HASHERS,
        ]

    def test_proving_oneself_signs_nobody_out(
        self, ann: Browser, phone: Browser, password: str
    ) -> None:
        """Neither here nor on the other browser, and it is proved."""
        answered = self._prove(ann, password)

        assert answered.status_code == 302
        assert User.objects.get().password.startswith("scrypt$")
        assert ann.text("who") == phone.text("who") == "ann"
        assert set(reasons().values()) == {""}

    def test_wrong_password_changes_nothing(self, ann: Browser, phone: Browser) -> None:
        """It is hashed anew only if it is the right one."""
        self._prove(ann, "another")

        assert User.objects.get().password.startswith("md5$")
        assert ann.text("who") == phone.text("who") == "ann"

    def test_session_of_an_older_password_stays_out(
        self, ann: Browser, phone: Browser, user: User, password: str
    ) -> None:
        """What had ended by a password set past us does not come back."""
        with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
            User.objects.update(password=make_password(password))
            ann.get("sign-in", name="ann")

        self._prove(ann, password)

        assert ann.text("who") == "ann"
        assert phone.text("who") == "AnonymousUser"

    def _prove(self, browser: Browser, password: str) -> Any:
        post = browser.client.post
        if browser.world.is_async:
            post = async_to_sync(post)
        return post(
            "/account/reauthenticate/",
            {"password": password},
            headers={"user-agent": browser.user_agent},
        )
