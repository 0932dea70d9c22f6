"""One's own sessions, devices and events, over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_plus.events import record
from sessions_plus.models import Device, Event, Outcome, Session, SessionEvent
from sessions_plus.tokens.refresh import Tokens
from tests.api.conftest import Caller
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]

SESSION_FIELDS = {
    "public_id", "kind", "device", "is_current", "is_bound", "by_staff", "created_at",
    "authenticated_at", "last_activity", "expires_at", "auth_methods", "ip_address", "location",
    "browser", "system", "agent_kind",
}  # fmt: skip
DEVICE_FIELDS = {
    "public_id", "name", "label", "is_current", "browser", "system", "agent_kind",
    "first_seen_at", "last_seen_at", "trusted_until",
}  # fmt: skip
EVENT_FIELDS = {
    "at", "event", "count", "outcome", "reason", "session", "device", "by_staff",
    "ip_address", "user_agent",
}  # fmt: skip


def test_sessions(program: Caller, tokens: Tokens, other_user: Any) -> None:
    """A program sees its user's live sessions, its own marked, and nobody else's."""
    new_tokens(other_user)
    ended = Session.objects.get(public_id=new_tokens(other_user).session.public_id)
    ended.delete()

    found = program("get", "session_list").json()

    assert found.keys() == {"next", "previous", "results"}
    assert [one["public_id"] for one in found["results"]] == [str(tokens.session.public_id)]
    assert found["results"][0].keys() == SESSION_FIELDS
    assert found["results"][0]["device"].keys() == {"public_id", "label"}


def test_session(program: Caller, tokens: Tokens) -> None:
    """One session is shown by its public id."""
    response = program("get", "session_detail", args=(tokens.session.public_id,))

    assert response.status_code == 200
    assert response.json().keys() == SESSION_FIELDS


def test_revoke(program: Caller, user: Any) -> None:
    """Ending a session ends it at once, and says so."""
    other = new_tokens(user)

    response = program("delete", "session_detail", args=(other.session.public_id,))

    assert (response.status_code, response.json()) == (200, {"count": 1, "effective": "at_once"})
    assert Caller(other.access)("get", "session_list").status_code == 401
    again = program("delete", "session_detail", args=(other.session.public_id,))
    assert again.status_code == 404


def test_revoke_others(program: Caller, user: Any, client: Client) -> None:
    """Ending the others ends browsers too, and spares the one that asks."""
    client.force_login(user)
    new_tokens(user)

    assert program("post", "revoke_others").json()["count"] == 2

    assert program("get", "session_list").status_code == 200
    assert "_auth_user_id" not in client.session


def test_revoke_all(program: Caller, user: Any) -> None:
    """Ending all ends the one that asks."""
    new_tokens(user)

    assert program("post", "revoke_all").json()["count"] == 2

    assert program("get", "session_list").status_code == 401


@pytest.mark.parametrize(
    ("method", "name"),
    [
        ("delete", "session_detail"),
        ("post", "revoke_others"),
        ("post", "revoke_all"),
        ("delete", "device_detail"),
        ("post", "totp_begin"),
        ("post", "recovery_codes"),
        ("delete", "totp_detail"),
    ],
)
def test_stale_proof(user: Any, method: str, name: str) -> None:
    """Whoever proved themselves too long ago has to do so again before ending anything."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(minutes=15))
        caller = Caller(renewed_access(tokens))
        session = Session.objects.select_related("device").get()
        args: tuple[Any, ...] = ()
        if name.endswith("detail"):
            args = (session.device.public_id if "device" in name else session.public_id,)  # type: ignore[union-attr]

        response = caller(method, name, args=args)

    assert (response.status_code, response.json()["code"]) == (403, "reauthentication_required")
    assert Session.objects.get().revoked_at is None


def renewed_access(tokens: Tokens) -> str:
    from sessions_plus.tokens.refresh import refresh

    return refresh(tokens.refresh, client=None, now=timezone.now()).access


def test_reauthentication_refreshes_the_proof(user: Any, password: str) -> None:
    """After proving itself again a program may go on, with a new refresh token."""
    with time_machine.travel(timezone.now(), tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(minutes=20))
        caller = Caller(renewed_access(tokens))
        assert caller("post", "revoke_others").status_code == 403

        response = caller("post", "reauthenticate", {"password": password})

        assert response.status_code == 200, response.content
        assert caller("post", "revoke_others").status_code == 200
        later = Caller()("post", "token_refresh", {"refresh": response.json()["refresh"]})
        assert later.status_code == 200
        assert Caller()("post", "token_refresh", {"refresh": tokens.refresh}).status_code == 401
    assert SessionEvent.objects.filter(event=Event.REAUTHENTICATED).count() == 1


def test_wrong_password_proves_nothing(program: Caller) -> None:
    """A wrong password is refused, and recorded."""
    response = program("post", "reauthenticate", {"password": "wrong"})

    assert (response.status_code, response.json()["code"]) == (400, "wrong_password")
    assert SessionEvent.objects.filter(event=Event.REAUTHENTICATION_FAILED).count() == 1


def test_devices(program: Caller, tokens: Tokens, user: Any) -> None:
    """A program sees its user's devices, its own marked."""
    new_tokens(user, device_name="Other")

    found = program("get", "device_list").json()["results"]

    assert [(one["name"], one["is_current"]) for one in found] == [("Other", False), ("", True)]
    assert found[0].keys() == DEVICE_FIELDS
    detail = program("get", "device_detail", args=(found[0]["public_id"],)).json()
    assert detail == found[0]


def test_rename(program: Caller) -> None:
    """A device gets a name, and only printable signs of it."""
    device = Device.objects.get()

    response = program(
        "patch", "device_detail", {"name": "Kitchen\u202etablet"}, args=(device.public_id,)
    )

    assert response.json()["name"] == response.json()["label"] == "Kitchen tablet"
    device.refresh_from_db()
    assert device.name == "Kitchen tablet"


def test_revoke_device(program: Caller, user: Any) -> None:
    """Removing a device ends its sessions and its tokens."""
    other = new_tokens(user)
    device = Device.objects.latest("pk")

    response = program("delete", "device_detail", args=(device.public_id,))

    assert response.json() == {"count": 1, "effective": "at_once"}
    assert Caller(other.access)("get", "session_list").status_code == 401
    refused = Caller()("post", "token_refresh", {"refresh": other.refresh})
    assert refused.status_code == 401


def test_events(program: Caller) -> None:
    """A program sees what happened to its user, the latest first."""
    found = program("get", "event_list").json()["results"]

    assert [one["event"] for one in found] == ["device.first_seen", "session.started"]
    assert found[0].keys() == EVENT_FIELDS


def test_events_for_staff_alone(program: Caller, user: Any) -> None:
    """What only whoever runs the site can do something about is kept from its user."""
    record(Event.NOTICE_FAILED, user=user, outcome=Outcome.FAILURE)

    found = program("get", "event_list").json()["results"]

    assert "session.started" in [one["event"] for one in found]
    assert "notice.failed" not in [one["event"] for one in found]


def test_pages(program: Caller, user: Any) -> None:
    """A list comes in pages, each of which says where the next is."""
    for _ in range(4):
        new_tokens(user)

    first = program("get", "session_list", QUERY_STRING="page_size=2").json()
    second = program.client.get(
        first["next"], headers={"authorization": f"Bearer {program.access}"}
    ).json()

    assert first["previous"] is None
    ids = [one["public_id"] for page in (first, second) for one in page["results"]]
    assert len(set(ids)) == 4
    assert ids == sorted(ids, reverse=True)


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAA"])
def test_wrong_cursor(program: Caller, cursor: str) -> None:
    """What is no cursor of ours is refused as such, whatever page it is asked of."""
    response = program("get", "session_list", QUERY_STRING=f"cursor={cursor}")

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert response.json()["detail"].startswith("cursor: ")


@pytest.mark.parametrize("name", ["session_list", "device_list", "event_list"])
def test_cost_of_a_list(
    program: Caller,
    user: Any,
    name: str,
    settings: Any,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    """However many rows there are, a list costs one query, and the session at most one."""
    for _ in range(5):
        new_tokens(user)
    program("get", name)

    with django_assert_max_num_queries(1 if "cached" in settings.SESSION_ENGINE else 2):
        assert program("get", name).status_code == 200
