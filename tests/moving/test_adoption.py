"""Whoever was signed in before the move is signed in after it, and notices nothing."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session as DjangosSession
from django.core import mail
from django.core.management import call_command
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.lifecycle import revoke_all
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.models import AdoptedKey, AdoptionBar, Device, Session, SessionEvent
from sessions_plus.moments import in_local
from sessions_plus.store.adoption import count_waiting
from tests.conftest import people
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DIAGONAL, DJANGOS, is_there, old_session

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def test_next_request_is_signed_in(old_engine: str, arrive: Arrive, user: User) -> None:
    """The same person, with what they had in the session, under a key of ours from then on."""
    ann = arrive(user, color="red", cart={"tea": 2})
    old_key = ann.key

    assert ann.text("who") == "ann"
    assert len(ann.key) == 76
    assert ann.text("read") == "red"
    assert ann.key != old_key
    session = Session.objects.get()
    assert session.user == user
    assert session.get_decoded()["cart"] == {"tea": 2}
    assert session.methods == ["pwd"]
    assert session.successor_seen
    assert not is_there(old_engine, old_key)


def test_nobody_is_told(arrive: Arrive, djangos: str, user: User) -> None:
    """One device, one event, no mail: nothing happened that its owner should look at."""
    arrive(user).text("who")

    device = Device.objects.get()
    assert device.browser == "Firefox"
    assert Session.objects.get().device == device
    assert [event.event for event in SessionEvent.objects.all()] == ["session.adopted"]
    assert not mail.outbox


def test_the_browser_is_known_afterwards(arrive: Arrive, djangos: str, user: User) -> None:
    """Signing in again there is on the same device."""
    ann = arrive(user)
    ann.text("who")
    ann.get("sign-in", name="ann")

    assert Device.objects.count() == 1
    assert Session.objects.filter(revoked_at=None).count() == 1
    assert not mail.outbox


@DIAGONAL
def test_a_cart_of_nobody_comes_along(old_engine: str, arrive: Arrive) -> None:
    """Whoever was not signed in keeps what they had, and is nobody's device."""
    visitor = arrive(color="green")
    old_key = visitor.key

    assert visitor.text("read") == "green"
    assert visitor.text("read") == "green"
    assert len(visitor.key) == 76
    assert Session.objects.get().user is None
    assert not Device.objects.exists()
    assert not SessionEvent.objects.exists()
    assert not is_there(old_engine, old_key)


def test_set_expiry_comes_along(arrive: Arrive, djangos: str, user: User) -> None:
    """A session that was to end with the browser, or in five minutes, still does."""
    short = arrive(user, _session_expiry=300)
    closing = arrive(user, _session_expiry=0)

    short.get("who")
    response = closing.get("who")

    assert short.cookies["sessionid"]["max-age"] == 300
    assert response.cookies["sessionid"]["max-age"] == ""
    ends = Session.objects.order_by("pk")[0].expire_date
    assert timedelta(seconds=290) < ends - timezone.now() <= timedelta(seconds=300)


@pytest.mark.parametrize("name", ["nothing", "fail"])
def test_what_does_not_end_well_loses_nothing(
    arrive: Arrive, djangos: str, user: User, name: str
) -> None:
    """A request that does not look at its session, or fails, leaves the cookie as it is."""
    ann = arrive(user)
    old_key = ann.key
    ann.get(name)

    assert ann.key == old_key
    assert ann.text("who") == "ann"
    assert Session.objects.filter(revoked_at=None).count() == 1


def test_a_lost_response_is_told_again(arrive: Arrive, djangos: str, user: User) -> None:
    """Until its successor was seen, the old key is told the same key and device again."""
    ann = arrive(user)
    lost, again = ann.twin(), ann.twin()
    lost.get("who")

    assert again.text("who") == "ann"
    assert again.key == lost.key
    assert again.cookies["device"].value == lost.cookies["device"].value
    assert Session.objects.count() == 1
    assert Device.objects.count() == 1


@DIAGONAL
def test_an_old_key_that_comes_late_is_a_theft(
    old_engine: str, arrive: Arrive, user: User, settings: Any
) -> None:
    """Once its successor is in use, a copy of the old cookie ends the session."""
    settings.SESSIONS_PLUS_ROTATION_GRACE_PERIOD = timedelta(0)
    ann = arrive(user)
    thief = ann.twin()
    ann.text("who")
    ann.text("who")

    assert thief.text("who") == "AnonymousUser"
    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == "key_reused"


@DIAGONAL
def test_an_ended_session_is_not_adopted_again(old_engine: str, arrive: Arrive, user: User) -> None:
    """A copy of the old cookie opens nothing after its owner signed out."""
    ann = arrive(user)
    kept = ann.twin()
    ann.text("who")
    ann.get("sign-out")

    assert kept.text("who") == "AnonymousUser"
    assert not Session.objects.filter(revoked_at=None).exists()


@DIAGONAL
def test_signing_out_first_of_all(old_engine: str, arrive: Arrive, user: User) -> None:
    """Whoever signs out with the first request is signed out here and there."""
    ann = arrive(user)
    old_key = ann.key
    ann.get("sign-out")

    assert not ann.has_key
    assert not is_there(old_engine, old_key)
    assert not Session.objects.filter(revoked_at=None).exists()


@DIAGONAL
class TestNotLetIn:
    """Whom Django would not have let in is not, and nothing of their session is left."""

    @pytest.fixture(autouse=True)
    def _engine(self, old_engine: str) -> None:
        """With whatever engine."""

    def assert_is_nobody(self, browser: Browser) -> None:
        assert browser.text("who") == "AnonymousUser"
        assert browser.text("read") == "none"
        assert not Session.objects.exists()
        assert not browser.has_key

    def test_disabled(self, arrive: Arrive, user: User) -> None:
        """Somebody who was disabled without a signal."""
        ann = arrive(user)
        people().filter(pk=user.pk).update(is_active=False)
        self.assert_is_nobody(ann)

    def test_deleted(self, arrive: Arrive, user: User) -> None:
        """Somebody who is not there any more."""
        ann = arrive(user)
        people().filter(pk=user.pk).delete()
        self.assert_is_nobody(ann)

    def test_another_password(self, arrive: Arrive, user: User) -> None:
        """Somebody whose password was changed past all signals."""
        ann = arrive(user)
        user.set_password("another")
        people().filter(pk=user.pk).update(password=user.password)
        self.assert_is_nobody(ann)

    def test_another_backend(self, arrive: Arrive, user: User, settings: Any) -> None:
        """Somebody whom a backend let in that the site has no more."""
        ann = arrive(user, _auth_user_backend="gone.Backend")
        settings.AUTHENTICATION_BACKENDS = ["django.contrib.auth.backends.RemoteUserBackend"]
        self.assert_is_nobody(ann)

    def test_tampered(self, arrive: Arrive, user: User) -> None:
        """A key or a cookie that was changed by one sign."""
        ann = arrive(user)
        ann.key = ann.key[:-1] + ("a" if ann.key[-1] != "a" else "b")
        self.assert_is_nobody(ann)

    def test_signed_with_another_key(self, arrive: Arrive, user: User, settings: Any) -> None:
        """Data that another site signed: with a server's engine, nothing but the key is known."""
        ann = arrive(user)
        settings.SECRET_KEY = "another key for tests, as long and as well known as the other"
        assert ann.text("who") == "AnonymousUser"

    @pytest.mark.parametrize("key", ["hijack_history", "loginas_from_user"])
    def test_somebody_acts_in_it(self, arrive: Arrive, user: User, key: str) -> None:
        """A session in which staff act as a person does not become that person's own."""
        self.assert_is_nobody(arrive(user, **{key: ["7"]}))


def test_expired(djangos: str, arrive: Arrive, user: User) -> None:
    """A session that was over is over."""
    ann = arrive(user)
    DjangosSession.objects.update(expire_date=timezone.now() - timedelta(seconds=1))

    assert ann.text("who") == "AnonymousUser"


def test_expired_cookie(moved_in: Any, arrive: Arrive, user: User, settings: Any) -> None:
    """So is one that a cookie holds."""
    moved_in("django.contrib.sessions.backends.signed_cookies")
    ann = arrive(user)
    settings.SESSION_COOKIE_AGE = -1

    assert ann.text("who") == "AnonymousUser"


def test_damaged_data(djangos: str, arrive: Arrive, user: User) -> None:
    """Data that does not open is nobody's, as with Django."""
    ann = arrive(user)
    DjangosSession.objects.update(session_data="damaged")

    assert ann.text("who") == "AnonymousUser"


def test_an_older_secret_key_counts(
    djangos: str, arrive: Arrive, user: User, settings: Any
) -> None:
    """A session of before the last change of ``SECRET_KEY`` comes along, and stays signed in."""
    ann = arrive(user)
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another key for tests, as long and as well known as the other"
    assert ann.text("who") == "ann"

    stored = Session.objects.get().get_decoded()["_auth_user_hash"]
    assert stored == user.get_session_auth_hash()


def test_what_cannot_be_stored_is_left(moved_in: Any, arrive: Arrive, user: User) -> None:
    """A cache held objects of any kind: those that are no JSON stay behind, the rest comes."""
    moved_in("django.contrib.sessions.backends.cache")
    ann = arrive(user, color="red", odd={1, 2})

    assert ann.text("who") == "ann"
    assert ann.text("read") == "red"
    assert "odd" not in Session.objects.get().get_decoded()


def test_an_empty_session_is_none(djangos: str, arrive: Arrive) -> None:
    """What holds nothing is no session here."""
    visitor = arrive()
    DjangosSession.objects.update(session_data=import_module(djangos).SessionStore().encode({}))
    visitor.text("read")

    assert not Session.objects.exists()


def test_nothing_is_adopted_later(djangos: str, arrive: Arrive, user: User, settings: Any) -> None:
    """When adopting is over, an old cookie is none."""
    settings.SESSIONS_PLUS_ADOPT_UNTIL = timezone.now()
    ann = arrive(user)

    assert ann.text("who") == "AnonymousUser"
    assert not ann.has_key


def test_a_day_counts_whole(djangos: str, arrive: Arrive, user: User, settings: Any) -> None:
    """A date means until its end."""
    settings.SESSIONS_PLUS_ADOPT_UNTIL = in_local(timezone.now()).date()
    assert arrive(user).text("who") == "ann"

    settings.SESSIONS_PLUS_ADOPT_UNTIL = in_local(timezone.now()).date() - timedelta(days=1)
    assert arrive(user).text("who") == "AnonymousUser"


def test_the_cookie_may_get_another_name(
    djangos: str, arrive: Arrive, user: User, settings: Any
) -> None:
    """The old name's cookie is read where ours is not there yet, and then it goes."""
    ann = arrive(user)
    settings.SESSIONS_PLUS_ADOPT_COOKIE_NAME = "sessionid"
    settings.SESSION_COOKIE_NAME = "new"
    response = ann.get("who")

    assert response.content == b"ann"
    assert response.cookies["sessionid"]["max-age"] == 0
    assert len(ann.key) == 76
    del ann.cookies["sessionid"]
    assert ann.text("who") == "ann"


def test_a_policy_holds_for_the_first_request(
    djangos: str, arrive: Arrive, user: User, settings: Any
) -> None:
    """Whoever must have a second factor sees nothing without, also by the old cookie's name."""
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    settings.SESSIONS_PLUS_ADOPT_COOKIE_NAME = "sessionid"
    ann = arrive(user)
    settings.SESSION_COOKIE_NAME = "new"

    response = ann.get("who")
    assert response.status_code == 403
    assert response.json()["code"] == "mfa_enrollment_required"


def test_programs_adopt_nothing(djangos: str, engine: str, user: User) -> None:
    """A store without a request cannot tell the browser its new key, so it leaves all as it is."""
    key = old_session(djangos, user)
    of_a_bearer = import_module(engine).SessionStore(key)
    of_a_bearer.client = ClientInfo.of(ip_address="192.0.2.7")

    assert of_a_bearer.load() == {}
    assert import_module(engine).SessionStore(key).load() == {}
    assert is_there(djangos, key)
    assert not AdoptedKey.objects.exists()


def test_what_is_remembered_goes(djangos: str, arrive: Arrive, user: User, settings: Any) -> None:
    """The clean-up forgets old keys and ended sessions a day after adopting is over."""
    ann = arrive(user)
    ann.text("who")
    revoke_all(user)
    later = timezone.now() + timedelta(days=40)

    cleanup(timezone.now() + timedelta(days=29))
    assert (AdoptedKey.objects.count(), AdoptionBar.objects.count()) == (1, 1)
    cleanup(later)
    assert (AdoptedKey.objects.count(), AdoptionBar.objects.count()) == (0, 0)


def test_the_doctor_counts_who_has_not_come(
    djangos: str, arrive: Arrive, user: User, settings: Any
) -> None:
    """An operator sees how many old sessions are not here yet, whether they are kept or not."""
    ann = arrive(user)
    arrive(user)
    assert count_waiting(timezone.now()) == 2
    ann.text("who")
    assert count_waiting(timezone.now()) == 1

    out = StringIO()
    with suppress(SystemExit):
        call_command("sessionsdoctor", stdout=out)
    assert "1 old sessions" in out.getvalue()
    settings.SESSIONS_PLUS_ADOPT_FROM = f"{DJANGOS}cache"
    assert count_waiting(timezone.now()) is None
