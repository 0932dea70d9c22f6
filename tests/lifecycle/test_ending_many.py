"""Ending many sessions at once: what it costs, who is told, and that it is exact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.backends.cached_db import SessionStore
from sessions_plus.cache import copies
from sessions_plus.cache.tier import Tier
from sessions_plus.client_info import ClientInfo
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.lifecycle import (
    Revocation,
    revocation,
    revoke_all,
    revoke_everybody,
    revoke_matching,
    revoke_others,
    revoke_selected,
)
from sessions_plus.lifecycle.limits import hold_to_limit
from sessions_plus.lifecycle.users import end_access
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from sessions_plus.rows import session_row
from sessions_plus.signals import event_recorded, session_revoked
from tests.support import caches
from tests.support.pauses import Pause, in_thread, stopped

pytestmark = pytest.mark.django_db(transaction=True)


def sign_in(user: User, count: int) -> list[str]:
    """Store that many sessions of a user, on one device; return their keys."""
    keys = []
    for _ in range(count):
        store = SessionStore()
        store["_auth_user_id"] = str(user.pk)
        store.save()
        keys.append(str(store.session_key))
    device, *others = Device.objects.for_user(user).order_by("pk")
    Session.objects.for_user(user).update(device=device)
    for other in others:
        other.delete()
    return keys


def lower_the_limit(user: User) -> None:
    newest = Session.objects.for_user(user).latest("pk").public_id
    facts: dict[str, Any] = {"newest": newest, "kind": "browser", "client": None}
    facts["refused_later"] = None  # nobody is refused
    with override_settings(SESSIONS_PLUS_MAX_SESSIONS_PER_USER=1):
        hold_to_limit(user, **facts, now=timezone.now())


def new_password(user: User) -> None:
    user.set_password("another")
    user.save()


WAYS: dict[str, Callable[[User], object]] = {
    "revoke_all": revoke_all,
    "revoke_others": lambda user: revoke_others(user, keep=UUID(int=7)),
    "revoke_selected": lambda user: revoke_selected(
        Session.objects.for_user(user).select_related("device"), reason=Reason.REVOKED
    ),
    "revoke_everybody": lambda user: revoke_everybody(reason=Reason.REVOKED),
    "end_access": lambda user: end_access(user.pk, reason=Reason.USER_INACTIVE),
    "revoke_device": lambda user: revoke_device(Device.objects.get(user=user)),
    "new password": new_password,
    "session limit": lower_the_limit,
}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> Callable[[User], object]:
    """Each of the ways in which many sessions end."""
    return WAYS[request.param]


def test_cost_does_not_grow(
    way: Callable[[User], object],
    user: User,
    other_user: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sixty sessions cost as many statements, and as many exchanges with the cache, as three."""
    marked: list[int] = []
    with caches.site_with(caches.local()) as tier:
        spy_on_marks(tier, marked, monkeypatch)
        costs, people = [], (user, other_user)
        for person, count in zip(people, (3, 60), strict=True):
            sign_in(person, count)
            with CaptureQueriesContext(connection) as captured:
                way(person)
            costs.append(len(captured))

    assert costs[0] == costs[1]
    kept = [Session.objects.for_user(one).filter(revoked_at=None).count() for one in people]
    assert marked == [3 - kept[0], 60 - kept[1]]
    assert kept == ([1, 1] if way is lower_the_limit else [0, 0])


def spy_on_marks(tier: Tier, marked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Note how many sessions each telling of the cache is about."""
    driver: Any = tier.driver
    for name in ("mark_ended", "mark_ended_many"):
        original = getattr(driver, name)

        def telling(names: Any, *, original: Any = original, **kwargs: Any) -> None:
            marked.append(1 if isinstance(names, str) else len(names))
            original(names, **kwargs)

        monkeypatch.setattr(driver, name, telling)


def test_events_are_one_insert(user: User) -> None:
    """However many end, their events are written together, none longer than the others."""
    sign_in(user, 20)

    with CaptureQueriesContext(connection) as captured:
        revoke_all(user)

    inserts = [query for query in captured if query["sql"].startswith("INSERT")]
    assert len(inserts) == 1


@contextmanager
def heard(signal: Any) -> Iterator[list[dict[str, Any]]]:
    """Collect what a signal tells."""
    told: list[dict[str, Any]] = []

    def listen(**kwargs: Any) -> None:
        told.append(kwargs)

    signal.connect(listen)
    yield told
    signal.disconnect(listen)


def test_each_is_told_of(user: User, staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each session has its own event and its own two signals, with all that one would have."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 4)
    sign_in(user, 10)
    client = ClientInfo.of(ip_address="203.0.113.7", user_agent="curl/8")

    with heard(session_revoked) as ends, heard(event_recorded) as events:
        revoke_all(user, reason=Reason.REVOKED_BY_STAFF, actor=staff, client=client)

    written = {
        event.pk: event for event in SessionEvent.objects.filter(event=Event.SESSION_REVOKED)
    }
    ids = {session.public_id for session in Session.objects.all()}
    assert len(ids) == 10
    assert [told["event"].pk for told in events] == sorted(written)
    assert {told["event"].session_public_id for told in events} == ids
    for told in events:
        row = written[told["event"].pk]
        assert row.session_public_id == told["event"].session_public_id
        assert (row.user_id, row.actor_id, row.reason) == (user.pk, staff.pk, "revoked_by_staff")
        assert (row.ip_address, row.user_agent) == ("203.0.113.7", "curl/8")
        assert row.device_id == Device.objects.get().pk
    assert {told["session"].public_id for told in ends} == ids
    for told in ends:
        session: Session = told["session"]
        assert (told["reason"], told["actor"]) == (Reason.REVOKED_BY_STAFF, staff)
        assert session.revoked_at is not None
        assert (session.revoked_reason, session.revoked_by_id) == ("revoked_by_staff", staff.pk)
        assert session.data == b""


def test_nothing_is_left_in_the_rows(user: User) -> None:
    """What ended has neither data nor a successor to tell, as one that ended alone."""
    sign_in(user, 3)
    Session.objects.update(sealed_successor=b"sealed")

    revoke_all(user)

    assert {bytes(row.data) for row in Session.objects.all()} == {b""}
    assert not Session.objects.exclude(sealed_successor=None).exists()


def test_what_has_ended_is_left_as_it_is(user: User) -> None:
    """One that ended before, or meanwhile, keeps its reason, and is not counted again."""
    sign_in(user, 3)
    all_of_them = list(Session.objects.select_related("device"))
    session_row.end(all_of_them[0].public_id, reason=Reason.REPORTED, now=all_of_them[0].created_at)

    assert revoke_selected(all_of_them, reason=Reason.REVOKED) == Revocation(2)

    assert Session.objects.get(pk=all_of_them[0].pk).revoked_reason == Reason.REPORTED
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 2


def test_two_at_once_end_each_session_once(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """However two of them meet, each session counts once, and has one event."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 3)
    sign_in(user, 10)

    running = [in_thread(lambda: revoke_all(user)) for _ in range(4)]
    counts = [one.result(60).count for one in running]

    assert sum(counts) == 10
    assert not Session.objects.filter(revoked_at=None).exists()
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 10


def test_what_others_ended_meanwhile_is_all_there_is(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that one has still to end is ended by another, as it has read its first."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 3)
    sign_in(user, 10)
    progress: list[float] = []
    of_them = Session.objects.for_user(user)
    with Pause(revocation, "_last_key", before=True) as at:
        ending = in_thread(
            lambda: revoke_matching(of_them, reason=Reason.REVOKED, progress=progress.append)
        )
        at.wait()
        others = revoke_all(user)
        at.release()
        counts = ending.result(60).count, others.count

    assert counts == (0, 10)
    assert progress == [1]
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 10


def test_what_is_locked_holds_up_no_other(user: User) -> None:
    """
    Whoever writes to one session holds up the end of that one alone.

    And may write to another meanwhile: nobody waits for somebody who waits for them.
    """
    if not connection.features.has_select_for_update_skip_locked:
        pytest.skip("this database locks no single rows")
    sign_in(user, 5)
    first, *_, last = Session.objects.order_by("pk")

    with transaction.atomic():
        Session._base_manager.filter(pk=last.pk).update(location="Berlin")
        at = Pause(session_row, "end_many")
        with at:
            ending = in_thread(lambda: revoke_all(user))
            at.wait()
            assert Session.objects.filter(revoked_at=None).get() == last
            Session._base_manager.filter(pk=first.pk).update(location="Berlin")
            at.release()
    assert ending.result(60).count == 5

    assert not Session.objects.filter(revoked_at=None).exists()
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 5


def test_what_was_left_out_is_ended_alone(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever kept a row out of the statement for many, its session ends with the others."""
    original = session_row.end_many

    def end_but_one(keys: list[Any], **facts: Any) -> set[Any]:
        return original(keys[1:], **facts)

    monkeypatch.setattr(session_row, "end_many", end_but_one)
    sign_in(user, 3)

    assert revoke_all(user).count == 3

    assert not Session.objects.filter(revoked_at=None).exists()
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 3


def test_a_rollback_takes_all_of_it_back(user: User) -> None:
    """In a transaction that is rolled back nothing ended, and nothing stays written."""
    keys = sign_in(user, 3)

    with transaction.atomic():
        assert revoke_all(user).count == 3
        transaction.set_rollback(True)

    assert all(SessionStore(key).load() for key in keys)
    assert not SessionEvent.objects.filter(event=Event.SESSION_REVOKED).exists()


def test_an_interruption_leaves_no_copy(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody came to know any more that they ended, the cache knows all the same."""
    original = session_row.end_many

    def end_and_be_interrupted(*args: Any, **kwargs: Any) -> set[Any]:
        original(*args, **kwargs)
        raise KeyboardInterrupt

    with caches.site_with(caches.local()):
        keys = sign_in(user, 3)
        assert all(SessionStore(key).load() for key in keys)
        monkeypatch.setattr(session_row, "end_many", end_and_be_interrupted)

        with pytest.raises(KeyboardInterrupt):
            revoke_all(user)

        assert not any(SessionStore(key).load() for key in keys)


def test_sessions_that_begin_meanwhile(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of everybody's sessions, those go on that began after the first was ended."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 2)
    sign_in(user, 4)

    with stopped(
        lambda: revoke_everybody(reason=Reason.REVOKED), at=Pause(session_row, "end_many", turn=2)
    ):
        sign_in(user, 1)

    assert Session.objects.filter(revoked_at=None).count() == 1


@pytest.mark.parametrize("users", [1, 3])
def test_progress_tells_what_part_is_done(
    user: User, monkeypatch: pytest.MonkeyPatch, users: int
) -> None:
    """It grows with each chunk, and ends at one."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 2)
    told: list[float] = []
    sign_in(user, 2 * users + 1)

    revoke_everybody(reason=Reason.REVOKED, progress=told.append)

    assert len(told) == users + 1
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_copies_are_gone(user: User) -> None:
    """No copy serves, and none is kept again."""
    with caches.site_with(caches.local()) as tier:
        keys = sign_in(user, 3)
        assert all(SessionStore(key).load() for key in keys)

        assert revoke_all(user).cache_reached

        assert not any(SessionStore(key).load() for key in keys)
        for session in Session.objects.all():
            assert tier.peek(session.public_id) is None
            assert copies.recall(session.public_id).ticket == b""
