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

from sessions_plus.admin import listing
from sessions_plus.models import Device, Reason, Session
from tests.admin.desk import DEVICES, EVENTS, SESSIONS, make_many

pytestmark = pytest.mark.django_db


# Session and user of staff, count, rows with devices, and one for each foreign key to users.
QUERIES = {SESSIONS: 6, EVENTS: 6, DEVICES: 5}


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
