"""Everybody's sessions, for staff."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission
from django.utils import timezone

from sessions_plus.models import Event, Reason, Session, SessionEvent
from tests.api.conftest import Caller
from tests.api.test_sessions import SESSION_FIELDS, renewed_access
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db


@pytest.fixture
def helper(staff: Any) -> Caller:
    return Caller(new_tokens(staff).access)


def test_sessions(helper: Caller, staff: Any, user: Any) -> None:
    """Staff see everybody's sessions, and whose they are; or those of one user."""
    new_tokens(user)

    everybody = helper("get", "staff_session_list").json()["results"]
    anns = helper("get", "staff_session_list", QUERY_STRING=f"user={user.pk}").json()["results"]

    assert [one["user"] for one in everybody] == [str(user.pk), str(staff.pk)]
    assert [one["user"] for one in anns] == [str(user.pk)]
    assert anns[0].keys() == {"user", "actor", *SESSION_FIELDS}


def test_revoke_all(helper: Caller, staff: Any, user: Any) -> None:
    """Staff end every session of a user; the audit names who did it."""
    tokens = new_tokens(user)

    response = helper("post", "staff_revoke_all", args=(user.pk,))

    assert response.json() == {"count": 1, "effective": "at_once"}
    session = Session.objects.get(public_id=tokens.session.public_id)
    assert session.revoked_reason == Reason.REVOKED_BY_STAFF
    assert session.revoked_by == staff
    event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
    assert event.actor == staff


@pytest.mark.parametrize("pk", ["0", "999999", "x", "-1", "1.5", "9" * 40, "%00"])
def test_nobody(helper: Caller, pk: str) -> None:
    """There is no session of a user who is not there."""
    assert helper("post", "staff_revoke_all", args=(pk,)).status_code == 404


@pytest.mark.parametrize("query", ["x", "", "9" * 40, "-1"])
def test_sessions_of_nobody(helper: Caller, query: str) -> None:
    """A filter by what is no user finds nothing, or is not found."""
    response = helper("get", "staff_session_list", QUERY_STRING=f"user={query}")

    assert response.status_code in {200, 404}
    assert response.json().get("results", []) == []


@pytest.mark.parametrize(("is_staff", "is_allowed"), [(False, False), (True, False), (False, True)])
def test_who_may_not(user: Any, other_user: Any, is_staff: bool, is_allowed: bool) -> None:
    """Only staff with the permission may; a refusal is recorded."""
    user.is_staff = is_staff
    user.save()
    if is_allowed:
        user.user_permissions.add(Permission.objects.get(codename="revoke_any_session"))
    caller = Caller(new_tokens(user).access)
    new_tokens(other_user)

    responses = [
        caller("get", "staff_session_list"),
        caller("post", "staff_revoke_all", args=(other_user.pk,)),
    ]

    assert {(one.status_code, one.json()["code"]) for one in responses} == {
        (403, "permission_denied")
    }
    assert Session.objects.for_user(other_user).active().exists()
    assert SessionEvent.objects.filter(event=Event.ACCESS_DENIED).count() == 2


def test_needs_a_fresh_proof(staff: Any, user: Any) -> None:
    """Staff too prove themselves again before ending anything."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(staff)
        clock.shift(timedelta(minutes=20))
        caller = Caller(renewed_access(tokens))

        response = caller("post", "staff_revoke_all", args=(user.pk,))

    assert response.json()["code"] == "reauthentication_required"
