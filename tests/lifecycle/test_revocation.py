"""Ending sessions: what is written, who is told, and who goes on."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User

from sessions_plus import lifecycle
from sessions_plus.models import Reason, Session, SessionEvent
from sessions_plus.signals import session_revoked
from tests.conftest import World
from tests.support.browsers import SAFARI, Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def call(world: World, name: str, *args: Any, **kwargs: Any) -> Any:
    """Call a function of ``lifecycle`` or its async twin."""
    if world.is_async:
        return async_to_sync(getattr(lifecycle, f"a{name}"))(*args, **kwargs)
    return getattr(lifecycle, name)(*args, **kwargs)


def signed_in(world: World, name: str = "ann", **kwargs: Any) -> Browser:
    visitor = Browser(world, **kwargs)
    visitor.get("sign-in", name=name)
    return visitor


def test_revoke_records_why_and_by_whom(engine: str, world: World, user: User, staff: User) -> None:
    """A revoked session tells when, why and by whom; so does one event; its data is gone."""
    visitor = signed_in(world)

    result = call(
        world, "revoke", Session.objects.get(), reason=Reason.REVOKED_BY_STAFF, actor=staff
    )

    session = Session.objects.get()
    assert result
    assert result.cache_reached
    assert (session.revoked_reason, session.revoked_by) == ("revoked_by_staff", staff)
    assert bytes(session.data) == b""
    event = SessionEvent.objects.get(event="session.revoked")
    assert (event.user, event.actor, event.reason) == (user, staff, "revoked_by_staff")
    assert event.session_public_id == session.public_id
    assert visitor.text("who") == "AnonymousUser"


def test_revoking_twice_changes_nothing(engine: str, world: World, user: User) -> None:
    """The first reason stands, and there is one event and one signal."""
    heard: list[str] = []

    def listen(reason: str, **_: object) -> None:
        heard.append(reason)

    session_revoked.connect(listen)
    signed_in(world)
    session = Session.objects.get()

    assert call(world, "revoke", session, reason=Reason.REVOKED)
    assert not call(world, "revoke", session, reason=Reason.LIMIT)

    assert Session.objects.get().revoked_reason == "revoked"
    assert SessionEvent.objects.filter(event="session.revoked").count() == 1
    assert heard == ["revoked"]
    session_revoked.disconnect(listen)


def test_revoke_others_keeps_one(engine: str, world: World, user: User, other_user: User) -> None:
    """Ending all others leaves the named session, and everybody else's."""
    here, there = signed_in(world), signed_in(world, user_agent=SAFARI)
    stranger = signed_in(world, "ben")
    keep = Session.objects.for_user(user).earliest("pk").public_id

    assert call(world, "revoke_others", user, keep=keep).count == 1

    assert here.text("who") == "ann"
    assert there.text("who") == "AnonymousUser"
    assert stranger.text("who") == "ben"


def test_revoke_all_ends_every_session(engine: str, world: World, user: User) -> None:
    """Afterwards none of the user's browsers is signed in."""
    browsers = [signed_in(world), signed_in(world, user_agent=SAFARI)]

    assert call(world, "revoke_all", user).count == 2

    assert [visitor.text("who") for visitor in browsers] == ["AnonymousUser"] * 2


@pytest.mark.parametrize("way", ["queryset delete", "row delete", "queryset update"])
def test_rows_changed_past_us_end_all_the_same(
    engine: str, world: World, user: User, way: str
) -> None:
    """Deleting rows or setting ``revoked_at`` in bulk ends sessions, copies included."""
    visitor = signed_in(world)
    assert visitor.text("who") == "ann"

    if way == "queryset delete":
        Session.objects.all().delete()
    elif way == "row delete":
        Session.objects.get().delete()
    else:
        session = Session.objects.get()
        Session.objects.update(revoked_at=session.created_at)

    assert visitor.text("who") == "AnonymousUser"
    if way != "queryset update":
        assert SessionEvent.objects.filter(event="session.revoked", reason="deleted").exists()


def test_deleting_a_user_ends_and_forgets(engine: str, world: World, user: User) -> None:
    """A deleted user's sessions end, and no row names them any more."""
    visitor = signed_in(world)

    user.delete()

    assert visitor.text("who") == "AnonymousUser"
    session = Session.objects.get()
    assert session.revoked_reason == "user_deleted"
    assert session.user_id is None
    assert not SessionEvent.objects.exclude(user=None).exists()
