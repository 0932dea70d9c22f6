"""``revoke_sessions``: whose sessions it ends, what it says, and when it fails."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from sessions_plus.lifecycle import revocation
from sessions_plus.models import Event, Reason, Session, SessionEvent
from tests.support import caches
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/account/devices/").status_code == 200


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("revoke_sessions", *arguments, stdout=out)
    return out.getvalue()


def test_those_who_are_named(engine: str, user: User, other_user: User, staff: User) -> None:
    """Every session of each named user ends, of browsers and programs; others go on."""
    theirs = [signed_in(user), signed_in(user), signed_in(staff)]
    program = new_tokens(user).session
    others = signed_in(other_user)

    said = run("ann", "root")

    assert said.splitlines() == ["ann: 3 sessions ended.", "root: 1 sessions ended."]
    assert not any(is_signed_in(one) for one in theirs)
    assert is_signed_in(others)
    ended = Session.objects.get(public_id=program.public_id)
    assert ended.revoked_reason == Reason.REVOKED_BY_STAFF


def test_everybody(
    engine: str, user: User, other_user: User, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ``--all`` everybody is signed out, however many there are; an anonymous cart is kept."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 2)
    people = [signed_in(one) for one in (user, user, other_user, user, other_user)]
    cart = client.session
    cart["cart"] = ["figs"]
    cart.save()

    assert run("--all") == "5 sessions ended.\n"

    assert not any(is_signed_in(one) for one in people)
    assert client.session["cart"] == ["figs"]
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 5
    assert run("--all") == "0 sessions ended.\n"


def test_the_reason_is_audited(user: User) -> None:
    """The reason that is given stands with the session and in the audit."""
    signed_in(user)

    run("ann", "--reason", "reported")

    event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
    assert (event.user, event.actor, event.reason) == (user, None, "reported")
    assert Session.objects.get().revoked_reason == Reason.REPORTED


def test_a_name_too_many_ends_nothing(user: User) -> None:
    """If one of the users is not there, nobody is signed out."""
    ann = signed_in(user)

    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        run("ann", "nobody")

    assert is_signed_in(ann)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param((), "--all", id="nobody is named"),
        pytest.param(("ann", "--all"), "--all", id="somebody and everybody"),
        pytest.param(("ann", "--reason", "boredom"), "boredom", id="no such reason"),
    ],
)
def test_what_makes_no_sense_ends_nothing(
    user: User, arguments: tuple[str, ...], complaint: str
) -> None:
    """Arguments that say too little or too much are refused."""
    ann = signed_in(user)

    with pytest.raises(CommandError, match=complaint):
        run(*arguments)

    assert is_signed_in(ann)


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_a_cache_that_is_away_is_told_of(user: User, start_server: Callable[[str], Any]) -> None:
    """Where the cache could not be told, the sessions are ended and the exit code is 1."""
    server = start_server("redis")
    with caches.site_with(caches.django_redis(server.url)):
        ann = signed_in(user)
        assert is_signed_in(ann)
        server.kill()

        with pytest.raises(CommandError, match="the cache could not be told"):
            run("ann")

    assert Session.objects.get().revoked_reason == Reason.REVOKED_BY_STAFF
