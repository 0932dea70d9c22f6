"""The lists of the admin: what they show and find, and what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from sessions_plus.admin import listing
from sessions_plus.events import record
from sessions_plus.models import Device, Event, Reason, Session
from tests.admin.desk import DEVICES, EVENTS, SESSIONS, make_many

pytestmark = pytest.mark.django_db


# Session and user of staff, count, rows, devices or their sessions, one for each user column.
QUERIES = {SESSIONS: 7, EVENTS: 7, DEVICES: 6}


class TestSessionList:
    def test_shows_what_a_session_is(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """A row tells user, device, address, place, kind and state."""
        session = sign_in(user, ip_address="203.0.113.7", location="Berlin, Germany")
        Device.objects.filter(pk=session.device_id).update(browser="Firefox", system="Linux")  # type: ignore[misc]

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
        # For a page of fifty PostgreSQL may read all of a table that is joined.
        assert not [query["sql"] for query in captured if 'JOIN "sessions_plus' in query["sql"]]
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


class TestOrder:
    def test_by_last_activity(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """The heading sorts sessions by when they were used last, either way."""
        now = timezone.now()
        used = [sign_in(user, last_activity=now - timedelta(hours=h)).pk for h in (2, 5, 1)]
        page = desk.get(reverse(SESSIONS), {"user": user.pk})
        column = page.context["cl"].list_display.index("used")

        newest = desk.get(reverse(SESSIONS), {"user": str(user.pk), "o": f"-{column}"})
        oldest = desk.get(reverse(SESSIONS), {"user": str(user.pk), "o": str(column)})

        assert f"o={column}" in page.content.decode()
        expected = [used[2], used[0], used[1]]
        assert [row.pk for row in newest.context["cl"].result_list] == expected
        assert [row.pk for row in oldest.context["cl"].result_list] == expected[::-1]

    def test_of_the_newest_alone(
        self, desk: Client, staff: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever an address asks to be sorted by, no more rows are sorted than are told."""
        monkeypatch.setattr(listing, "LOOKED_THROUGH", 2)
        make_many(staff, 5)

        page = desk.get(reverse(SESSIONS), {"o": "-4"})

        assert page.context["cl"].result_count == 2
        assert "These are of the newest 2." in page.content.decode()

    @pytest.mark.parametrize(
        ("url", "parameters"),
        [
            pytest.param(SESSIONS, {"q": "root-0", "state": "active"}, id="search"),
            pytest.param(SESSIONS, {"user": "first"}, id="of one user"),
            pytest.param(EVENTS, {"at": "day", "event__exact": "session.started"}, id="by time"),
            pytest.param(SESSIONS, {}, id="all"),
        ],
    )
    def test_what_an_index_finds_is_not_cut(
        self,
        desk: Client,
        staff: User,
        monkeypatch: pytest.MonkeyPatch,
        url: str,
        parameters: dict[str, str],
    ) -> None:
        """The oldest row is found by a person, a public id or a time, however many came since."""
        monkeypatch.setattr(listing, "LOOKED_THROUGH", 1)
        make_many(staff, 3)
        first = User.objects.get(username="root-0")
        asked = {k: str(first.pk) if v == "first" else v for k, v in parameters.items()}

        page = desk.get(reverse(url), asked)

        assert first in {row.user for row in page.context["cl"].result_list}
        assert "These are of the newest" not in page.content.decode()


@pytest.mark.parametrize(("since", "found"), [("hour", 1), ("day", 2), ("week", 2), ("", 3)])
def test_sessions_by_last_activity(
    desk: Client, user: User, sign_in: Callable[..., Session], since: str, found: int
) -> None:
    """Sessions are narrowed to those that were used since."""
    for hours in (0, 5, 300):
        sign_in(user, last_activity=timezone.now() - timedelta(hours=hours))

    page = desk.get(reverse(SESSIONS), {"user": str(user.pk), "used": since})

    assert page.context["cl"].result_count == found


@pytest.mark.parametrize(("since", "found"), [("hour", 1), ("week", 2), ("", 3)])
def test_devices_by_last_sign_in(desk: Client, user: User, since: str, found: int) -> None:
    """Devices are narrowed to those that somebody signed in on since."""
    for hours in (0, 5, 300):
        seen = timezone.now() - timedelta(hours=hours)
        Device.objects.create(user=user, token_hash=str(hours), last_seen_at=seen)

    page = desk.get(reverse(DEVICES), {"user": str(user.pk), "seen": since})

    assert page.context["cl"].result_count == found


class TestLinks:
    def test_lead_from_each_to_each(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """Session, device, user and events lead to each other, and each link finds the others."""
        session = sign_in(user)
        device = session.device_id
        own = f"/admin/sessions_plus/session/{session.pk}/change/"
        of_device = f"/admin/sessions_plus/device/{device}/change/"
        of_user = f"/admin/auth/user/{user.pk}/change/"
        events = f"/admin/sessions_plus/sessionevent/?user={user.pk}"

        pages = {url: desk.get(url).content.decode() for url in (own, of_device, of_user)}
        listed = desk.get(reverse(SESSIONS)).content.decode()
        event = desk.get(f"{events}&q={session.public_id}").context["cl"].result_list[0]
        of_event = desk.get(f"/admin/sessions_plus/sessionevent/{event.pk}/change/")

        for page, targets in {
            pages[own]: (of_user, of_device, f"{events}&amp;q={session.public_id}"),
            pages[of_device]: (
                *(of_user, f"/admin/sessions_plus/session/?device={device}"),
                f"{events}&amp;device={device}",
            ),
            pages[of_user]: (own, events, f"/admin/sessions_plus/device/?user={user.pk}"),
            listed: (own, of_device, of_user),
            of_event.content.decode(): (f"?q={session.public_id}", of_device, of_user),
        }.items():
            for target in targets:
                assert f'href="{target}' in page or f'{target}"' in page, target
        found = desk.get(f"/admin/sessions_plus/session/?device={device}")
        assert [row.pk for row in found.context["cl"].result_list] == [session.pk]

    def test_a_page_costs_the_same_however_much_belongs_to_it(
        self,
        desk: Client,
        user: User,
        sign_in: Callable[..., Session],
        django_assert_max_num_queries: Any,
    ) -> None:
        """A session's and a device's page ask for that row and its user alone."""
        session = sign_in(user)
        for _ in range(5):
            sign_in(user)

        for url in ("session", "device"):
            key = session.pk if url == "session" else session.device_id
            with django_assert_max_num_queries(10):
                desk.get(f"/admin/sessions_plus/{url}/{key}/change/")


class TestWords:
    @pytest.mark.parametrize(
        ("event", "reason", "words"),
        [
            (Event.SESSION_STARTED, "pwd otp", "password and authenticator code"),
            (Event.SESSION_REVOKED, "key_reused", "An old key was used: perhaps it was stolen"),
            (Event.SESSION_CLIENT_CHANGED, "browser network", "Browser, Network"),
            (Event.THROTTLED, "name", "Sign-ins by a user name, on unknown devices"),
            (Event.NOTICE_FAILED, "password.changed", "Password changed"),
            (Event.DEVICE_FIRST_SEEN, "first_device", "Their first device"),
            (Event.SESSION_STARTED, "sso", "sso"),
            (Event.ACCESS_DENIED, "something of a site", "something of a site"),
        ],
    )
    def test_reasons_are_words(
        self, desk: Client, user: User, event: Event, reason: str, words: str
    ) -> None:
        """Staff read words where there are some, in the list and on the event's page."""
        made = record(event, user=user, reason=reason)

        listed = desk.get(reverse(EVENTS), {"user": user.pk}).content.decode()
        page = desk.get(f"/admin/sessions_plus/sessionevent/{made.pk}/change/").content.decode()

        assert escape(words) in listed
        assert escape(words) in page

    def test_methods_are_words(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """A session's page says how its user signed in, and nobody reads ``pwd otp``."""
        session = sign_in(user, auth_methods="pwd otp")
        page = desk.get(reverse("admin:sessions_plus_session_change", args=[session.pk]))

        assert "password and authenticator code" in page.content.decode()
        assert "pwd otp" not in page.content.decode()

    def test_what_strangers_wrote_is_text(
        self, desk: Client, user: User, sign_in: Callable[..., Session]
    ) -> None:
        """A device's name, a place and a user agent make no element in any cell or question."""
        evil = "<script>alert(1)</script>"
        session = sign_in(user, location=evil, user_agent=evil)
        Device.objects.filter(pk=session.device_id).update(name=evil, user_agent=evil)  # type: ignore[misc]
        User.objects.filter(pk=user.pk).update(username=f"ann{evil}")
        end = reverse("admin:sessions_plus_session_end", args=[session.pk])

        for url in (reverse(SESSIONS), reverse(EVENTS), reverse(DEVICES), end):
            assert evil not in desk.get(url).content.decode()


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
