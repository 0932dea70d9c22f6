"""
Revocation holds, whatever was under way (invariant 1).

Each attack has happened to somebody: a reader that stores what it read before, a
writer that stores what it wrote before, a sign-in beside "end all", a transaction that
commits late or never, a cache that forgot the tombstone.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches as django_caches
from django.db import connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.cache import tier as tiers
from sessions_plus.cache.tier import Tier
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Session
from sessions_plus.rows import session_row
from tests.conftest import World
from tests.support import caches
from tests.support.browsers import SAFARI, Browser
from tests.support.pauses import Pause, in_thread, stopped

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def visitor(raced_tier: Tier, world: World, user: User) -> Browser:
    """Somebody who is signed in."""
    visitor = Browser(world)
    visitor.get("sign-in", name="ann")
    return visitor


def forget_copies() -> None:
    """Let the cache evict everything, the tombstones of revocations too."""
    django_caches["default"].clear()


class Alone:
    """The visitor's session ends by itself."""

    writes, tells = "end", "mark_ended"

    def __init__(self, user: User) -> None:
        self.user = user

    def __call__(self) -> None:
        revoke(Session.objects.get())


class WithOthers(Alone):
    """It ends as one of many, which end together."""

    writes, tells = "end_many", "mark_ended_many"

    def __call__(self) -> None:
        for _ in range(2):
            other = cache_store()
            other["_auth_user_id"] = str(self.user.pk)
            other.save()
        assert revoke_all(self.user).count == 3


@pytest.fixture(params=[Alone, WithOthers])
def end(request: pytest.FixtureRequest, user: User) -> Alone:
    """Each of the two ways in which a session can end, and the names of its steps."""
    ending: Alone = request.param(user)
    return ending


def is_over(visitor: Browser) -> bool:
    """Say whether the session is over, for this request and for those that follow."""
    return {visitor.text("who") for _ in range(3)} == {"AnonymousUser"}


def touch_is_due() -> None:
    Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))


@pytest.fixture(params=["", "and the tombstone is lost"])
def evict(request: pytest.FixtureRequest) -> Callable[[], None]:
    """What the cache does after a revocation: nothing, or forget everything."""
    return forget_copies if request.param else lambda: None


def test_reader_that_read_the_row_before(
    visitor: Browser, evict: Callable[[], None], end: Alone
) -> None:
    """A miss, the row is read, the session is revoked, the copy is stored (V5)."""
    forget_copies()

    with stopped(lambda: visitor.get("read"), at=Pause(session_row, "fetch")):
        end()
        evict()

    assert is_over(visitor)


def test_reader_that_is_about_to_store(
    visitor: Browser, evict: Callable[[], None], end: Alone
) -> None:
    """The same, at the last moment before the cache is told."""
    forget_copies()

    with stopped(lambda: visitor.get("read"), at=Pause(copies, "keep", before=True)):
        end()
        evict()

    assert is_over(visitor)


def test_touch_under_way(visitor: Browser, evict: Callable[[], None], end: Alone) -> None:
    """The activity was written, the session is revoked, the renewed copy is stored (V3)."""
    visitor.get("read")
    touch_is_due()

    with stopped(lambda: visitor.get("read"), at=Pause(session_row, "touch")):
        end()
        evict()

    assert is_over(visitor)


def test_reader_before_the_cache_is_told(
    visitor: Browser, evict: Callable[[], None], end: Alone
) -> None:
    """The row has ended, and whoever reads before the cache knows leaves nothing that serves."""
    visitor.get("read")

    with stopped(end, at=Pause(session_row, end.writes)):
        visitor.get("read")
        evict()
        visitor.get("read")

    assert is_over(visitor)


def test_writer_that_stores_its_copy_after(
    visitor: Browser, evict: Callable[[], None], end: Alone
) -> None:
    """The row was written, the session is revoked, the written copy is stored (V3)."""
    visitor.get("read")

    with stopped(lambda: visitor.get("write"), at=Pause(session_row, "update")):
        end()
        evict()

    assert is_over(visitor)


def test_writer_that_had_read_before(visitor: Browser, end: Alone) -> None:
    """A save of what was loaded before the revocation writes nothing, and revives nothing."""
    with stopped(
        lambda: visitor.get("write", color="revived"), at=Pause(session_row, "update", before=True)
    ):
        end()

    assert is_over(visitor)
    assert {bytes(session.data) for session in Session.objects.all()} == {b""}


def test_sign_in_beside_revoke_all(raced_tier: Tier, world: World, user: User) -> None:
    """A sign-in whose row is there is ended with the others, though its copy comes later (V4)."""
    visitor = Browser(world)

    with stopped(
        lambda: visitor.get("sign-in", name="ann"), at=Pause(copies, "introduce", before=True)
    ):
        assert revoke_all(user).count == 1

    assert is_over(visitor)


def test_many_sign_ins_are_all_ended(raced_tier: Tier, world: World, user: User) -> None:
    """Every one of ten concurrent sign-ins is ended: no list of them can be overwritten (V1)."""
    visitors = [Browser(world, user_agent=f"{SAFARI} {number}") for number in range(10)]
    for running in [in_thread(lambda v=v: v.get("sign-in", name="ann")) for v in visitors]:  # type: ignore[misc]
        running.result(120)
    for visitor in visitors:
        assert visitor.text("who") == "ann"

    forget_copies()  # V2: what the cache holds is no list of what to end
    assert revoke_all(user).count == 10

    assert all(is_over(visitor) for visitor in visitors)


def test_rolled_back_revocation_ends_nothing(visitor: Browser, end: Alone) -> None:
    """A revocation that the database takes back leaves the session as it was (V6)."""
    visitor.get("read")

    with transaction.atomic():
        end()
        transaction.set_rollback(True)

    assert visitor.text("who") == "ann"
    visitor.get("write", color="red")
    assert visitor.text("read") == "red"


def test_late_commit_leaves_no_window(visitor: Browser, end: Alone) -> None:
    """
    Readers between the revocation and its commit leave no copy behind.

    Not even for the moment between the commit and what is done after it.
    """
    visitor.get("read")

    def revoke_slowly() -> None:
        with transaction.atomic():
            end()
            for _ in range(2):
                in_thread(lambda: visitor.get("read")).result(120)

    # The second word to the cache is the one after the commit.
    with stopped(revoke_slowly, at=Pause(Tier, end.tells, before=True, turn=2)):
        assert is_over(visitor)

    assert is_over(visitor)


def test_process_that_dies_before_the_commit_is_told(visitor: Browser, end: Alone) -> None:
    """Where nobody is left to tell the cache of a commit, it needs no telling."""
    visitor.get("read")
    connection.ensure_connection()
    with transaction.atomic():
        end()
        connection.run_on_commit.clear()

    assert is_over(visitor)


def test_process_that_dies_after_changing_the_key(visitor: Browser, world: World) -> None:
    """The same for a key that changed in a transaction: the old one is dead."""
    thief = Browser(world)
    thief.key = visitor.key
    visitor.get("read")
    store = cache_store(visitor.key)
    store.load()
    with transaction.atomic():
        store.cycle_key()
        connection.run_on_commit.clear()

    assert is_over(thief)


def test_commit_of_a_new_key_leaves_no_window(visitor: Browser, world: World) -> None:
    """
    Readers between a change of the key and its commit leave no copy with the old key behind.

    Not even for the moment between the commit and what is done after it.
    """
    thief = Browser(world)
    thief.key = visitor.key
    visitor.get("read")
    store = cache_store(visitor.key)
    store.load()

    def change_slowly() -> None:
        with transaction.atomic():
            store.cycle_key()
            for _ in range(2):
                in_thread(lambda: thief.get("read")).result(120)

    with stopped(change_slowly, at=Pause(Tier, "replace", before=True)):
        assert is_over(thief)

    assert is_over(thief)


def end_untold(end: Alone) -> None:
    """End the session in a process that cannot tell the cache, nor later; it is found back here."""
    with caches.another_that_reaches_no_cache():
        end()


@pytest.fixture
def exact_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is on one machine: a copy need not be older by the difference of two clocks."""
    monkeypatch.setattr(tiers, "CLOCK_DIFFERENCE_SECONDS", 0.0)


@pytest.mark.usefixtures("exact_clocks")
def test_reader_across_a_fault(visitor: Browser, end: Alone, raced_tier: Tier) -> None:
    """A row that was read before the cache failed is no proof after it, whenever it is stored."""
    forget_copies()

    with stopped(lambda: visitor.get("read"), at=Pause(session_row, "fetch")):
        end_untold(end)
        caches.fail_and_recover(raced_tier)

    assert is_over(visitor)


@pytest.mark.usefixtures("exact_clocks")
def test_writer_across_a_fault(visitor: Browser, end: Alone, raced_tier: Tier) -> None:
    """Nor is a row that was written before it."""
    visitor.get("read")

    with stopped(lambda: visitor.get("write"), at=Pause(session_row, "update")):
        end_untold(end)
        caches.fail_and_recover(raced_tier)

    assert is_over(visitor)


@pytest.mark.parametrize(
    "act",
    [
        pytest.param(lambda user: Session.objects.all().delete(), id="delete of a queryset"),
        pytest.param(lambda user: Session.objects.get().delete(), id="delete of one"),
        pytest.param(
            lambda user: Session.objects.update(revoked_at=timezone.now()),
            id="update of a queryset",
        ),
        pytest.param(lambda user: user.delete(), id="delete of the user"),
        pytest.param(revoke_all, id="all of the user"),
    ],
)
def test_past_the_engine(act: Callable[[User], object], visitor: Browser, user: User) -> None:
    """However the row is ended, also by a reader's leave, no copy goes on."""
    forget_copies()
    with stopped(lambda: visitor.get("read"), at=Pause(session_row, "fetch")):
        act(user)

    assert is_over(visitor)


def test_bulk_update_in_a_transaction(visitor: Browser) -> None:
    """A change of rows past the engine outdates copies, whenever it commits."""
    visitor.get("write", color="red")
    visitor.get("read")
    with transaction.atomic():
        Session.objects.update(ip_address="192.0.2.1")
        in_thread(lambda: visitor.get("read")).result(120)
    before = Session.objects.get().version

    visitor.get("read")

    found = copies.recall(Session.objects.get().public_id).copy
    assert found is None or found.row().version == before


def test_commit_of_a_bulk_update_leaves_no_window(visitor: Browser) -> None:
    """The same at the moment between the commit and what is done after it."""
    visitor.get("read")

    def update_slowly() -> None:
        with transaction.atomic():
            Session.objects.update(ip_address="192.0.2.1")
            for _ in range(2):
                in_thread(lambda: visitor.get("read")).result(120)

    with stopped(update_slowly, at=Pause(Tier, "occupy", before=True, turn=2)):
        found = copies.recall(Session.objects.get().public_id).copy
        assert found is None or found.row().ip_address == "192.0.2.1"


@pytest.mark.urls("tests.urls")
def test_admin_delete(raced_tier: Tier, user: User, staff: User) -> None:
    """Deleting a session in the admin ends it, also in the cache."""
    visitor, admin = Client(), Client()
    visitor.force_login(user)
    admin.force_login(staff)
    session = Session.objects.get(user=user)
    copies.recall(session.public_id)
    url = reverse("admin:sessions_plus_session_changelist")

    admin.post(
        url, {"action": "delete_selected", "_selected_action": [str(session.pk)], "post": "yes"}
    )

    remaining = Session.objects.filter(user=user, revoked_at=None)
    if remaining.exists():
        pytest.skip("the admin of sessions offers no deletion")
    assert copies.recall(session.public_id).copy is None


def test_old_key_beside_a_sign_in(visitor: Browser, world: World) -> None:
    """A reader who read the row before the key changed does not bring the old key back."""
    thief = Browser(world)
    thief.key = visitor.key
    forget_copies()

    with stopped(lambda: thief.get("read"), at=Pause(session_row, "fetch")):
        visitor.get("sign-in", name="ann")

    assert is_over(thief)
    assert visitor.text("who") == "ann"


def test_old_key_after_an_older_write(visitor: Browser, world: World) -> None:
    """A write whose copy comes after that of a newer one does not bring the old key back."""
    thief = Browser(world)
    thief.key = visitor.key
    visitor.get("read")

    with stopped(lambda: thief.get("write"), at=Pause(copies, "replace", before=True)):
        visitor.get("sign-in", name="ann")

    assert is_over(thief)
    assert visitor.text("who") == "ann"


def test_uncommitted_change_is_not_shared(visitor: Browser) -> None:
    """What is written in a transaction is seen by others only once it is committed."""
    visitor.get("write", color="red")
    visitor.get("read")
    store = cache_store(visitor.key)

    with transaction.atomic():
        store["color"] = "blue"
        store.save()
        assert in_thread(lambda: visitor.text("read")).result(120) == "red"
        transaction.set_rollback(True)

    assert visitor.text("read") == "red"


def test_read_in_a_transaction_leaves_others_copies(visitor: Browser, raced_tier: Tier) -> None:
    """A view under ATOMIC_REQUESTS that only reads drops no copy."""
    visitor.get("read")
    public_id = Session.objects.get().public_id
    with transaction.atomic():
        cache_store(visitor.key).load()
        touched = cache_store(visitor.key)
        touched.load()

    assert raced_tier.read(public_id).entry is not None


def cache_store(key: str | None = None) -> Any:
    from sessions_plus.backends.cached_db import SessionStore

    return SessionStore(key)
