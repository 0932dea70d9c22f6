"""What staff end from the lists, and who may."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_plus.admin import bulk
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from tests.admin.desk import DEVICES, SESSIONS, act, answer, make_support, said, signed_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


MODELS = ("session", "device", "sessionevent", "user")


class TestRevoking:
    def test_selected_sessions_end(
        self, desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
    ) -> None:
        """The chosen sessions end, recorded with the staff member, and no other."""
        chosen, spared = sign_in(user), sign_in(user)

        response = answer(desk, act(desk, "revoke_selected_sessions", chosen))

        chosen.refresh_from_db()
        spared.refresh_from_db()
        event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
        assert chosen.revoked_at is not None
        assert chosen.revoked_reason == event.reason == Reason.REVOKED_BY_STAFF
        assert chosen.revoked_by == event.actor == staff
        assert event.ip_address == "127.0.0.1"
        assert spared.revoked_at is None
        assert said(response) == "1 session was ended."

    def test_all_sessions_of_users_end(
        self, desk: Client, user: User, other_user: User, sign_in: Callable[..., Session]
    ) -> None:
        """One chosen session stands for all sessions of its user."""
        chosen = sign_in(user)
        sign_in(user)
        sign_in(other_user)

        response = answer(desk, act(desk, "revoke_sessions_of_users", chosen))

        assert not Session.objects.for_user(user).active().exists()
        assert Session.objects.for_user(other_user).active().count() == 1
        assert said(response) == "2 sessions were ended."

    @pytest.mark.parametrize("action", ["revoke_selected_sessions", "revoke_sessions_of_users"])
    def test_own_session_goes_on(
        self, desk: Client, staff: User, sign_in: Callable[..., Session], action: str
    ) -> None:
        """No action ends the session that staff work in, and they are told."""
        own = Session.objects.get(user=staff)
        other = sign_in(staff)

        question = act(desk, action, own, other)
        response = answer(desk, question)

        assert [row.public_id for row in Session.objects.active()] == [own.public_id]
        assert "1 session was ended. Your own session goes on." in said(response)

    def test_ended_sessions_are_not_ended_again(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """What had ended before keeps its reason, and is not counted."""
        session = sign_in(user)
        Session.objects.filter(pk=session.pk).update(
            revoked_at=timezone.now(), revoked_reason=Reason.LIMIT
        )

        response = act(desk, "revoke_selected_sessions", session)

        session.refresh_from_db()
        assert session.revoked_reason == Reason.LIMIT
        assert said(response) == "0 sessions were ended."

    def test_deleting_ends_first(
        self, desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
    ) -> None:
        """A deleted session is ended first, and the event tells who did it."""
        one, two = sign_in(user), sign_in(user)

        act(desk, "delete_selected", one, post="yes")
        desk.post(reverse("admin:sessions_plus_session_delete", args=[two.pk]), {"post": "yes"})

        events = SessionEvent.objects.filter(event=Event.SESSION_REVOKED)
        assert not Session.objects.for_user(user).exists()
        assert {(event.session_public_id, event.actor, event.reason) for event in events} == {
            (row.public_id, staff, Reason.REVOKED_BY_STAFF) for row in (one, two)
        }


LISTS = [
    ("revoke_selected_sessions", SESSIONS),
    ("revoke_sessions_of_users", SESSIONS),
    ("revoke_selected_devices", DEVICES),
]


@pytest.mark.parametrize(("action", "url"), LISTS)
class TestQuestions:
    """Before any of it ends, for whoever has the documented permissions and no other."""

    @pytest.fixture
    def support(self, db: None) -> Client:
        return signed_in(make_support())

    def rows(self, url: str, *sessions: Session) -> list[Any]:
        return [session.device if url == DEVICES else session for session in sessions]

    def test_names_everybody_and_ends_nothing(
        self,
        support: Client,
        user: User,
        other_user: User,
        sign_in: Callable[..., Session],
        action: str,
        url: str,
    ) -> None:
        """It says how many, and whose; the way back leads to the list as it was filtered."""
        sessions = [sign_in(user), sign_in(user), sign_in(other_user)]
        own = Session.objects.get(user__username="sam")
        what = "device" if url == DEVICES else "session"

        filtered = reverse(url) + "?kind=browser" * (url == SESSIONS)
        chosen = [row.pk for row in self.rows(url, *sessions, own)]
        question = support.post(filtered, {"action": action, "_selected_action": chosen})

        page = question.content.decode()
        assert f"ann: 2 {what}s" in page
        assert f"ben: 1 {what}" in page
        assert f'href="{filtered}"' in page
        assert Session.objects.active().count() == 4
        assert not Device.objects.exclude(revoked_at=None).exists()
        assert not SessionEvent.objects.filter(event=Event.SESSION_REVOKED).exists()
        answer(support, question)
        assert Session.objects.active().get() == own

    def test_takes_all_that_was_in_the_list_when_it_asked(
        self, support: Client, user: User, sign_in: Callable[..., Session], action: str, url: str
    ) -> None:
        """ "Select all" stands for what the filters let through then, and for nothing newer."""
        sign_in(user)
        data = {"action": action, "_selected_action": [], "select_across": "1"}
        data["_selected_action"] = [row.pk for row in self.rows(url, Session.objects.latest("pk"))]
        question = support.post(f"{reverse(url)}?user={user.pk}", data)
        later = sign_in(user)

        response = answer(support, question)

        is_spared = action != "revoke_sessions_of_users"  # which is about people
        assert (later in Session.objects.active()) == is_spared
        assert "1 session was ended" in said(response) or not is_spared
        assert Session.objects.for_user(user).active().count() == int(is_spared)

    def test_says_at_once_that_there_is_nothing(
        self, desk: Client, user: User, sign_in: Callable[..., Session], action: str, url: str
    ) -> None:
        """Of what ended long ago nobody is asked."""
        session = sign_in(user, user=None) if "users" in action else sign_in(user)
        now = timezone.now()
        Session.objects.filter(pk=session.pk).update(revoked_at=now)
        Device.objects.filter(pk=session.device_id).update(revoked_at=now)  # type: ignore[misc]

        response = act(desk, action, *self.rows(url, session), url=url)

        assert "0 sessions were ended." in said(response)

    @pytest.mark.parametrize("newest", ["", "x", "0", "1" * 5000])
    def test_a_forged_answer_ends_nothing(
        self,
        support: Client,
        user: User,
        sign_in: Callable[..., Session],
        action: str,
        url: str,
        newest: str,
    ) -> None:
        """What our page did not write is no error, and chooses nothing."""
        session = sign_in(user)

        act(support, action, *self.rows(url, session), url=url, answered=newest)

        assert session in Session.objects.active()

    def test_counts_those_whom_it_does_not_name(
        self,
        support: Client,
        user: User,
        other_user: User,
        sign_in: Callable[..., Session],
        monkeypatch: pytest.MonkeyPatch,
        action: str,
        url: str,
    ) -> None:
        """A question has room for so many people; of the others it says how many they are."""
        monkeypatch.setattr(bulk, "ASKED_AT_ONCE", 1)
        sessions = [sign_in(user), sign_in(other_user)]

        page = act(support, action, *self.rows(url, *sessions), url=url).content.decode()

        assert "ann: 1 " in page
        assert "ben" not in page
        assert "and 1 more person" in page

    def test_costs_the_same_for_one_and_for_thirty(
        self,
        support: Client,
        user: User,
        sign_in: Callable[..., Session],
        django_assert_max_num_queries: Any,
        action: str,
        url: str,
    ) -> None:
        """What it counts and names is asked in a fixed number of queries."""
        one = self.rows(url, sign_in(user))
        others = [sign_in(User.objects.create_user(f"visitor{number}")) for number in range(29)]
        thirty = one + self.rows(url, *others)
        act(support, action, *one, url=url)
        with django_assert_max_num_queries(25) as few:
            act(support, action, *one, url=url)

        with django_assert_max_num_queries(len(few.captured_queries)):
            act(support, action, *thirty, url=url)


class TestPermissions:
    @pytest.fixture
    def reader(self, db: None) -> Client:
        """The browser of a staff member who may look at all of it, and delete, but end nothing."""
        person = User.objects.create_user("reader", password="x", is_staff=True)
        codenames = [f"{verb}_{m}" for verb in ("view", "delete", "change", "add") for m in MODELS]
        person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(person)
        return client

    @pytest.mark.parametrize("action", ["revoke_selected_sessions", "revoke_sessions_of_users"])
    def test_actions_take_the_permission(
        self, reader: Client, user: User, sign_in: Callable[..., Session], action: str
    ) -> None:
        """Who may only look finds no action, and one that is forged does nothing."""
        session = sign_in(user)

        page = reader.get(reverse(SESSIONS)).content.decode()
        act(reader, action, session)
        act(reader, action, session, answered=session.pk)

        session.refresh_from_db()
        assert action not in page
        assert session.revoked_at is None

    def test_deleting_takes_the_permission(
        self, reader: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """The permission to delete sessions alone deletes none, as that would end them."""
        session = sign_in(user)

        response = reader.post(
            reverse("admin:sessions_plus_session_delete", args=[session.pk]), {"post": "yes"}
        )

        assert response.status_code == 403
        assert Session.objects.filter(pk=session.pk).exists()

    @pytest.mark.parametrize("model", ["session", "device", "sessionevent"])
    def test_nothing_is_written(self, desk: Client, user: User, sign_in: Any, model: str) -> None:
        """Nobody adds or changes a row, and events and devices are not deleted either."""
        sign_in(user)
        pk = {"session": Session, "device": Device, "sessionevent": SessionEvent}[model]
        row = pk.objects.order_by("-pk").first()  # type: ignore[attr-defined]
        change = reverse(f"admin:sessions_plus_{model}_change", args=[row.pk])

        assert desk.get(reverse(f"admin:sessions_plus_{model}_add")).status_code == 403
        assert desk.get(change).status_code == 200
        assert desk.post(change, {"user": ""}).status_code == 403
        if model != "session":
            delete = reverse(f"admin:sessions_plus_{model}_delete", args=[row.pk])
            assert desk.post(delete, {"post": "yes"}).status_code == 403


class TestDevices:
    def test_selected_devices_are_removed(
        self, desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
    ) -> None:
        """A removed device takes its sessions with it, and the event names the staff member."""
        session, other = sign_in(user), sign_in(user)

        question = act(desk, "revoke_selected_devices", session.device, url=DEVICES)  # type: ignore[arg-type]
        response = answer(desk, question)

        session.refresh_from_db()
        other.refresh_from_db()
        assert session.revoked_reason == Reason.DEVICE_REVOKED
        assert session.device.revoked_at is not None  # type: ignore[union-attr]
        assert other.revoked_at is None
        assert SessionEvent.objects.get(event=Event.DEVICE_REVOKED).actor == staff
        assert said(response) == "1 device was removed. 1 session was ended."

    def test_own_device_stays(self, desk: Client, staff: User) -> None:
        """The device that staff work on is not removed."""
        own = Device.objects.get(user=staff)

        response = act(desk, "revoke_selected_devices", own, url=DEVICES)  # type: ignore[arg-type]

        own.refresh_from_db()
        assert own.revoked_at is None
        assert "0 devices were removed." in said(response)

    @pytest.mark.parametrize(
        ("state", "kept"),
        [
            ("in_use", {"used"}),
            ("signed_out", {"left", "trusted"}),
            ("trusted", {"trusted"}),
            ("revoked", {"revoked"}),
        ],
    )
    def test_filters_by_state(
        self,
        desk: Client,
        user: User,
        sign_in: Callable[..., Session],
        state: str,
        kept: set[str],
    ) -> None:
        """A device is in use only where a session lives; the list says of each what it filters."""
        now = timezone.now()
        make: dict[str, dict[str, Any]] = {"left": {}, "trusted": {"trusted_until": now + DAY}}
        make["revoked"] = {"revoked_at": now}
        for name, columns in make.items():
            device = Device.objects.create(user=user, token_hash=name, name=name, **columns)
            sign_in(user, device=device, revoked_at=now)
        Device.objects.filter(pk=sign_in(user).device_id).update(name="used")  # type: ignore[misc]

        page = desk.get(reverse(DEVICES), {"state": state, "user": str(user.pk)})

        found = {device.name for device in page.context["cl"].result_list}
        assert {name for name in found if name} == kept
        words = {"in_use": "In use", "signed_out": "Signed out", "revoked": "Revoked"}
        assert words.get(state, "Signed out, trusted") in page.content.decode()
