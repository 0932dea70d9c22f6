"""What staff see and do in the admin, on every page of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import clear_url_caches, path, reverse
from django.utils import timezone

from sessions_plus.admin import SessionAdmin, listing, users
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent

SESSIONS = "admin:sessions_plus_session_changelist"
EVENTS = "admin:sessions_plus_sessionevent_changelist"
DEVICES = "admin:sessions_plus_device_changelist"

# Session and user of staff, count, rows with devices, and one for each foreign key to users.
QUERIES = {SESSIONS: 6, EVENTS: 6, DEVICES: 5}

pytestmark = pytest.mark.django_db


@pytest.fixture
def desk(staff: User) -> Client:
    """The browser of a staff member who may do everything."""
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def sign_in() -> Callable[..., Session]:
    """Sign somebody in with a browser of their own, through the real engine."""

    def sign_in(person: User, **columns: Any) -> Session:
        client = Client()
        client.force_login(person)
        session = Session.objects.for_user(person).latest("pk")
        if columns:
            Session.objects.filter(pk=session.pk).update(**columns)
            session.refresh_from_db()
        return session

    return sign_in


def make_many(person: User, count: int) -> None:
    """Rows of many people and devices, for the count of queries."""
    for number in range(count):
        owner = User.objects.create(username=f"{person.username}-{number}")
        device = Device.objects.create(user=owner, token_hash=f"{number}", name=f"No. {number}")
        session = Session.objects.create(
            user=owner,
            device=device,
            key_hash="k" * 64,
            expire_date=timezone.now() + timedelta(days=1),
            revoked_by=person,
        )
        SessionEvent.objects.create(
            event=Event.SESSION_STARTED,
            user=owner,
            actor=person,
            device=device,
            session_public_id=session.public_id,
        )


def act(desk: Client, action: str, *sessions: Session, url: str = SESSIONS, **extra: Any) -> Any:
    data = {"action": action, "_selected_action": [row.pk for row in sessions], **extra}
    return desk.post(reverse(url), data, follow=True)


def said(response: Any) -> str:
    return " ".join(str(message) for message in response.context["messages"])


class TestSessionList:
    def test_shows_what_a_session_is(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """A row tells user, device, address, place, kind and state."""
        session = sign_in(user, ip_address="203.0.113.7", location="Berlin, Germany")
        Device.objects.filter(pk=session.device_id).update(browser="Firefox", system="Linux")

        page = desk.get(reverse(SESSIONS)).content.decode()

        for text in ("ann", "Firefox on Linux", "203.0.113.7", "Berlin, Germany", "Active"):
            assert text in page

    @pytest.mark.parametrize("url", [SESSIONS, EVENTS, DEVICES])
    def test_costs_the_same_with_one_row_and_with_thirty(
        self, desk: Client, staff: User, url: str, django_assert_num_queries: Any
    ) -> None:
        """The number of queries of a list does not grow with its rows."""
        make_many(staff, 1)
        desk.get(reverse(url))
        with django_assert_num_queries(QUERIES[url]) as few:
            desk.get(reverse(url))
        make_many(User.objects.create(username="more"), 29)

        with django_assert_num_queries(len(few.captured_queries)):
            desk.get(reverse(url))

    @pytest.mark.parametrize("url", [SESSIONS, EVENTS, DEVICES])
    def test_counts_no_whole_table(
        self, desk: Client, staff: User, url: str, django_assert_max_num_queries: Any
    ) -> None:
        """Every count of a list has a limit inside."""
        make_many(staff, 2)

        with django_assert_max_num_queries(20) as captured:
            desk.get(reverse(url), {"q": "root"})

        counts = [query["sql"] for query in captured if "COUNT(" in query["sql"]]
        assert counts
        assert all(f"LIMIT {listing.COUNTED_ROWS}" in sql for sql in counts)

    def test_leafs_no_further_than_it_counts(
        self, desk: Client, staff: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The list ends where counting ends."""
        monkeypatch.setattr(listing, "COUNTED_ROWS", 3)
        make_many(staff, 5)

        response = desk.get(reverse(SESSIONS))

        assert response.context["cl"].result_count == 3

    @pytest.mark.parametrize(
        ("parameters", "found"),
        [
            pytest.param({"state": "active"}, {"live", "api"}, id="active"),
            pytest.param({"state": "ended"}, {"ended"}, id="ended"),
            pytest.param({"state": "expired"}, {"expired"}, id="expired"),
            pytest.param({"kind__exact": "api"}, {"api"}, id="kind"),
            pytest.param({"reason": "session_limit"}, set(), id="reason of none"),
            pytest.param({"reason": "key_reused"}, {"ended"}, id="reason"),
            pytest.param({"method": "otp"}, {"api"}, id="method"),
            pytest.param({"method": "none"}, set(), id="not signed in"),
        ],
    )
    def test_filters(
        self,
        desk: Client,
        user: User,
        staff: User,
        sign_in: Callable[..., Session],
        parameters: dict[str, str],
        found: set[str],
    ) -> None:
        """Each filter keeps what its name says."""
        Session.objects.for_user(staff).update(location="staff")
        now = timezone.now()
        sign_in(user, location="live")
        sign_in(user, location="ended", revoked_at=now, revoked_reason=Reason.KEY_REUSED)
        sign_in(user, location="expired", expire_date=now - timedelta(hours=1))
        sign_in(user, location="api", kind="api", auth_methods="pwd otp")

        response = desk.get(reverse(SESSIONS), parameters)

        assert {row.location for row in response.context["cl"].result_list} - {"staff"} == found

    @pytest.mark.parametrize(
        ("term", "found"),
        [
            pytest.param("ann", {"ann"}, id="name"),
            pytest.param("An", {"ann"}, id="beginning of a name, written large"),
            pytest.param("nn", set(), id="middle of a name"),
            pytest.param("ANN@example.com", {"ann"}, id="address"),
            pytest.param("ann@", set(), id="part of an address"),
            pytest.param("203.0.113.7", {"ben"}, id="IPv4"),
            pytest.param("2001:DB8:0::7", {"ann"}, id="IPv6 in another form"),
            pytest.param("{public_id}", {"ann"}, id="public id"),
            pytest.param("00000000-0000-0000-0000-000000000000", set(), id="nobody's public id"),
            pytest.param(" ", {"ann", "ben", "root"}, id="nothing"),
        ],
    )
    def test_search(
        self,
        desk: Client,
        user: User,
        other_user: User,
        sign_in: Callable[..., Session],
        term: str,
        found: set[str],
    ) -> None:
        """A term finds by user, IP address or public id, and by nothing else."""
        session = sign_in(user, ip_address="2001:db8::7")
        sign_in(other_user, ip_address="203.0.113.7")

        response = desk.get(reverse(SESSIONS), {"q": term.format(public_id=session.public_id)})

        assert {row.user.username for row in response.context["cl"].result_list} == found

    def test_search_reads_users_first(
        self, desk: Client, user: User, django_assert_max_num_queries: Any
    ) -> None:
        """A search by user joins nothing to the sessions: their keys are looked up before."""
        with django_assert_max_num_queries(20) as captured:
            desk.get(reverse(SESSIONS), {"q": "ann"})

        assert not [
            query["sql"]
            for query in captured
            if "auth_user" in query["sql"] and 'FROM "sessions_plus_session"' in query["sql"]
        ]

    def test_shows_sessions_of_users_who_are_gone(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """A row that points to a user who is gone is shown as anybody's."""
        session = sign_in(user)
        User.objects.filter(pk=user.pk)._raw_delete("default")

        listed = desk.get(reverse(SESSIONS))
        page = desk.get(reverse("admin:sessions_plus_session_change", args=[session.pk]))

        assert b"Nobody signed in" in listed.content
        assert b"Nobody signed in" in page.content

    def test_reasons_speak_to_staff(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """No reason says "you" of somebody else."""
        session = sign_in(user, revoked_at=timezone.now(), revoked_reason=Reason.REVOKED)

        listed = desk.get(reverse(SESSIONS)).content.decode()
        page = desk.get(reverse("admin:sessions_plus_session_change", args=[session.pk]))

        assert "by its user" in listed
        assert "Ended by you" not in listed + page.content.decode()


class TestRevoking:
    def test_selected_sessions_end(
        self, desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
    ) -> None:
        """The chosen sessions end, recorded with the staff member, and no other."""
        chosen, spared = sign_in(user), sign_in(user)

        response = act(desk, "revoke_selected_sessions", chosen)

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

        response = act(desk, "revoke_sessions_of_users", chosen)

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

        response = act(desk, action, own, other)

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
        row = pk.objects.order_by("-pk").first()
        change = reverse(f"admin:sessions_plus_{model}_change", args=[row.pk])

        assert desk.get(reverse(f"admin:sessions_plus_{model}_add")).status_code == 403
        assert desk.get(change).status_code == 200
        assert desk.post(change, {"user": ""}).status_code == 403
        if model != "session":
            delete = reverse(f"admin:sessions_plus_{model}_delete", args=[row.pk])
            assert desk.post(delete, {"post": "yes"}).status_code == 403


MODELS = ("session", "device", "sessionevent", "user")


class StaffPages(admin.ModelAdmin):
    """A site's own admin of users that knows nothing of ours, and overrides what it can."""

    fields = ("username", "email")

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return []

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []


@pytest.fixture(params=[UserAdmin, StaffPages], ids=["stock", "custom"])
def user_page(request: pytest.FixtureRequest, user: User) -> Any:
    """The address of Ann's own page, on Django's admin of users and on a site's own."""
    former = admin.site._registry[User]
    admin.site.unregister(User)
    admin.site.register(User, request.param)
    users.show_sessions_in_user_pages(admin.site)
    clear_url_caches()
    yield reverse("admin:auth_user_change", args=[user.pk])
    admin.site._registry[User] = former
    clear_url_caches()


class TestUserPage:
    def test_shows_live_sessions(
        self,
        desk: Client,
        user: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """A user's own page shows their live sessions, whichever admin class it has."""
        sign_in(user, location="Berlin, Germany")
        sign_in(user, location="Paris, France", revoked_at=timezone.now())
        sign_in(other_user, location="Rome, Italy")

        page = desk.get(user_page).content.decode()

        assert "Berlin, Germany" in page
        assert "Paris, France" not in page
        assert "Rome, Italy" not in page
        assert f"{reverse(SESSIONS)}?user={user.pk}" in page

    def test_its_link_lists_all_sessions_of_the_user(
        self,
        desk: Client,
        user: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """The link leads to the user's sessions, with those that ended, and to nobody else's."""
        rows = {sign_in(user).pk, sign_in(user, revoked_at=timezone.now()).pk}
        sign_in(other_user)

        response = desk.get(reverse(SESSIONS), {"user": user.pk})

        assert {row.pk for row in response.context["cl"].result_list} == rows

    def test_ends_the_ticked_sessions(
        self,
        desk: Client,
        user: User,
        staff: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """What is ticked ends, audited, and what belongs to another user does not."""
        ticked, left, foreign = sign_in(user), sign_in(user), sign_in(other_user)
        address = desk.get(user_page).context["inline_admin_formsets"][-1].formset.revoke_url

        response = desk.post(
            address,
            {"live_session": [ticked.public_id, foreign.public_id, "no id"], "username": "x"},
            follow=True,
        )

        ended = Session.objects.exclude(revoked_at=None).get()
        event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
        assert ended == ticked
        assert ended.revoked_by == event.actor == staff
        assert ended.revoked_reason == event.reason == Reason.REVOKED_BY_STAFF
        assert left in Session.objects.active()
        assert response.request["PATH_INFO"] == user_page
        assert said(response) == "1 session was ended."

    def test_ends_all_sessions(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """One button ends every session of the user, also those that the page has no room for."""
        for _ in range(3):
            sign_in(user)
        address = desk.get(user_page).context["inline_admin_formsets"][-1].formset.revoke_url

        response = desk.post(address, {"revoke_all_sessions": ""}, follow=True)

        assert not Session.objects.for_user(user).active().exists()
        assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED, user=user).count() == 3
        assert said(response) == "3 sessions were ended."

    def test_ends_everything_but_the_own_session(self, desk: Client, staff: User) -> None:
        """On their own page, staff end every session but the one they work in."""
        Client().force_login(staff)

        response = desk.post(
            reverse(f"admin:{users.URL_NAME}", args=[staff.pk]),
            {"revoke_all_sessions": ""},
            follow=True,
        )

        assert Session.objects.for_user(staff).active().count() == 1
        assert "Your own session goes on." in said(response)

    def test_takes_the_permission(
        self, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """Who may see sessions finds no button, and a forged request is refused."""
        session = sign_in(user)
        person = User.objects.create_user("reader", password="x", is_staff=True)
        person.user_permissions.set(
            Permission.objects.filter(codename__in=["view_session", "view_user"])
        )
        reader = Client()
        reader.force_login(person)

        page = reader.get(user_page)
        address = page.context["inline_admin_formsets"][-1].formset.revoke_url
        refused = reader.post(address, {"revoke_all_sessions": ""})

        session.refresh_from_db()
        assert b"live-sessions" in page.content
        assert b"formaction" not in page.content
        assert refused.status_code == 403
        assert session.revoked_at is None

    def test_is_hidden_from_who_may_not_see_sessions(self, user_page: str) -> None:
        """Without the permission to view sessions the page is as it was."""
        person = User.objects.create_user("reader", password="x", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename="view_user"))
        reader = Client()
        reader.force_login(person)

        page = reader.get(user_page)

        assert page.status_code == 200
        assert b"live-sessions" not in page.content

    @pytest.mark.parametrize("extra", [{}, {"sessions_plus_session_set-TOTAL_FORMS": "7"}])
    def test_saving_the_user_works_as_before(
        self,
        desk: Client,
        user: User,
        user_page: str,
        sign_in: Callable[..., Session],
        extra: dict[str, str],
    ) -> None:
        """Saving the user needs nothing from the sessions' part, and changes no session."""
        sign_in(user)
        before = list(Session.objects.values())
        data = {"username": "anne", "email": "anne@example.com", "is_active": "on"}
        data |= {"date_joined_0": "2030-01-01", "date_joined_1": "00:00:00"}

        response = desk.post(user_page, data | extra)

        user.refresh_from_db()
        assert response.status_code == 302
        assert user.username == "anne"
        ours = [row for row in Session.objects.values() if row["user_id"] == user.pk]
        assert ours == [row for row in before if row["user_id"] == user.pk]

    def test_the_enter_key_still_saves(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """The first button of the form, which the Enter key presses, is the one that saves."""
        sign_in(user)

        page = desk.get(user_page).content.decode()
        form = page[page.index('id="user_form"') :]

        assert form.index('name="_save"') < form.index("formaction")

    @pytest.mark.parametrize(
        ("method", "user_id", "status"),
        [("get", "1", 405), ("post", "99", 404), ("post", "x", 404)],
    )
    def test_answers_to_posts_about_people_only(
        self, desk: Client, method: str, user_id: str, status: int
    ) -> None:
        """Another method or nobody's key is refused."""
        address = reverse(f"admin:{users.URL_NAME}", args=[user_id])

        assert getattr(desk, method)(address).status_code == status

    def test_is_protected_against_forgery(self, desk: Client, user: User) -> None:
        """Another site's form ends nobody's sessions."""
        desk.handler.enforce_csrf_checks = True

        response = desk.post(
            reverse(f"admin:{users.URL_NAME}", args=[user.pk]), {"revoke_all_sessions": ""}
        )

        assert response.status_code == 403

    def test_the_page_for_a_new_user_is_as_it_was(self, desk: Client, user_page: str) -> None:
        """Who does not exist yet has no sessions."""
        page = desk.get(reverse("admin:auth_user_add"))

        assert page.status_code == 200
        assert b"live-sessions" not in page.content

    def test_is_added_once(self, desk: Client, user: User, user_page: str) -> None:
        """Asking a site for its URLs again adds nothing."""
        assert admin.site.urls

        assert desk.get(user_page).content.count(b'id="live-sessions"') == 1

    def test_costs_the_same_with_one_session_and_with_thirty(
        self,
        desk: Client,
        user: User,
        user_page: str,
        sign_in: Callable[..., Session],
        django_assert_max_num_queries: Any,
    ) -> None:
        """The user's page asks once for all the sessions."""
        sign_in(user)
        desk.get(user_page)
        with django_assert_max_num_queries(30) as few:
            desk.get(user_page)
        for _ in range(29):
            sign_in(user)

        with django_assert_max_num_queries(len(few.captured_queries)):
            desk.get(user_page)

    def test_a_user_is_deleted_as_before(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """The delete page asks, and deleting a user ends their sessions."""
        session = sign_in(user)
        address = reverse("admin:auth_user_delete", args=[user.pk])

        assert desk.get(address).status_code == 200
        assert desk.post(address, {"post": "yes"}).status_code == 302

        session.refresh_from_db()
        assert not User.objects.filter(username="ann").exists()
        assert session.revoked_reason == Reason.USER_DELETED
        for url in (SESSIONS, EVENTS, DEVICES):
            assert desk.get(reverse(url)).status_code == 200


class TestDevices:
    def test_selected_devices_are_removed(
        self, desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
    ) -> None:
        """A removed device takes its sessions with it, and the event names the staff member."""
        session, other = sign_in(user), sign_in(user)

        response = act(desk, "revoke_selected_devices", session.device, url=DEVICES)

        session.refresh_from_db()
        other.refresh_from_db()
        assert session.revoked_reason == Reason.DEVICE_REVOKED
        assert session.device.revoked_at is not None
        assert other.revoked_at is None
        assert SessionEvent.objects.get(event=Event.DEVICE_REVOKED).actor == staff
        assert said(response) == "1 device was removed. 1 session was ended."

    def test_own_device_stays(self, desk: Client, staff: User) -> None:
        """The device that staff work on is not removed."""
        own = Device.objects.get(user=staff)

        response = act(desk, "revoke_selected_devices", own, url=DEVICES)

        own.refresh_from_db()
        assert own.revoked_at is None
        assert "0 devices were removed." in said(response)

    @pytest.mark.parametrize("state", ["in_use", "trusted", "revoked"])
    def test_filters_by_state(self, desk: Client, staff: User, state: str) -> None:
        """Each state keeps its own devices; a trusted one is also in use."""
        now = timezone.now()
        make = {"in_use": {}, "trusted": {"trusted_until": now + timedelta(1)}}
        make["revoked"] = {"revoked_at": now}
        for name, columns in make.items():
            Device.objects.create(user=staff, token_hash=name, name=name, **columns)

        found = desk.get(reverse(DEVICES), {"state": state}).context["cl"].result_list

        names = {device.name for device in found} - {""}
        assert names == ({"in_use", "trusted"} if state == "in_use" else {state})


def test_events_are_found(
    desk: Client, user: User, staff: User, sign_in: Callable[..., Session]
) -> None:
    """Events are filtered by event and outcome, and found by user and session."""
    session = sign_in(user)
    list_of = desk.get(reverse(EVENTS), {"q": str(session.public_id)}).context["cl"].result_list
    by_user = desk.get(reverse(EVENTS), {"q": "ann", "outcome__exact": "failure"})
    by_event = desk.get(reverse(EVENTS), {"q": "ann", "event__exact": "session.started"})

    assert {event.session_public_id for event in list_of} == {session.public_id}
    assert not by_user.context["cl"].result_list
    assert len(by_event.context["cl"].result_list) == 1


def test_no_page_shows_a_secret(desk: Client, user: User, sign_in: Callable[..., Session]) -> None:
    """Keys, digests and session data stand in no page of the admin."""
    session = sign_in(user)
    browser = Client()
    browser.force_login(user)
    store = browser.session
    store["cart"] = "a very private thing"
    store.save()
    store.cycle_key()
    store.save()
    Device.objects.filter(user=user).update(trust_hash="d" * 64)

    pages = [desk.get(address).content.decode() for address in every_page(user)]

    for secret in secrets_of(session) | {store.session_key, "a very private thing", "d" * 64}:
        assert not [page for page in pages if secret in page]
    for column in ("key_hash", "token_hash", "trust_hash", "sealed_successor", "successor_seen"):
        assert not [page for page in pages if column in page]


def every_page(user: User) -> list[str]:
    """The address of each list, row, deletion and history of ours, and of the user's page."""
    found = [reverse("admin:index"), reverse("admin:app_list", args=["sessions_plus"])]
    found.append(reverse("admin:auth_user_change", args=[user.pk]))
    for model in (Session, Device, SessionEvent):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{name}_changelist"))
        for row in model._default_manager.all():
            found += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")]
            found += [reverse(f"{name}_delete", args=[row.pk])] if model is Session else []
    return found


def secrets_of(session: Session) -> set[str]:
    """Every value of the database that no page may show."""
    found: set[str] = set()
    for row in Session.objects.all():
        found |= {row.key_hash, row.previous_key_hash, bytes(row.data).hex(), repr(row.data)}
        found |= {repr(row.sealed_successor)} if row.sealed_successor else set()
    found |= set(Device.objects.values_list("token_hash", flat=True))
    assert session.key_hash in found
    return {secret for secret in found if len(secret) > 16}


other_site = admin.AdminSite(name="back_office")
other_site.register(Session, SessionAdmin)
other_site.register(User, StaffPages)
urlpatterns = [path("back/", other_site.urls), path("admin/", admin.site.urls)]


@override_settings(ROOT_URLCONF=__name__)
def test_another_admin_site_has_it_too(
    desk: Client, user: User, sign_in: Callable[..., Session]
) -> None:
    """On a site's second admin, with its own classes, all links and buttons stay there."""
    session = sign_in(user)
    address = f"/back/auth/user/{user.pk}/change/"

    formset = desk.get(address).context["inline_admin_formsets"][-1].formset
    response = desk.post(formset.revoke_url, {"live_session": session.public_id}, follow=True)

    assert formset.list_url.startswith("/back/")
    assert response.request["PATH_INFO"] == address
    assert said(response) == "1 session was ended."
