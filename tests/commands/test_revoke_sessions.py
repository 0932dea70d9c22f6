"""``revoke_sessions``: whose sessions it ends, what it says, and when it fails."""

from __future__ import annotations

import builtins
import io
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.lifecycle import revocation
from sessions_plus.models import Event, Reason, Session, SessionEvent
from sessions_plus.signals import session_revoked
from tests.conftest import PASSWORD
from tests.support import caches
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def signed_in_from(address: str, user: User) -> Client:
    client = Client(REMOTE_ADDR=address)
    client.post("/account/login/", {"username": user.username, "password": PASSWORD})
    return client


def is_signed_in(client: Client) -> bool:
    return client.get("/account/devices/").status_code == 200


def run(*arguments: str) -> str:
    """Run the command without a question, and return what it said."""
    out = io.StringIO()
    call_command("revoke_sessions", *arguments, "--noinput", stdout=out)
    return out.getvalue()


def answer(monkeypatch: pytest.MonkeyPatch, text: str | None) -> list[str]:
    """Have every question answered, or by nobody at all; return what was asked."""
    asked: list[str] = []

    def ask(question: str) -> str:
        asked.append(question)
        if text is None:
            raise EOFError
        return text

    monkeypatch.setattr(builtins, "input", ask)
    return asked


def test_those_who_are_named(engine: str, user: User, other_user: User, staff: User) -> None:
    """Every session of each named user ends, of browsers and programs; others go on."""
    theirs = [signed_in(user), signed_in(user), signed_in(staff)]
    program = new_tokens(user).session
    others = signed_in(other_user)

    said = run("ann", "root")

    assert said == "4 sessions ended.\n"
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


def test_those_of_long_ago(engine: str, user: User) -> None:
    """``--older-than`` spares what was signed in to since, however long it was used."""
    with time_machine.travel(timezone.now() - timedelta(days=4), tick=False):
        old = signed_in(user)
    new = signed_in(user)

    assert run("ann", "--older-than", "3d") == "1 sessions ended.\n"

    assert not is_signed_in(old)
    assert is_signed_in(new)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param("203.0.113.7", {"one"}, id="address"),
        pytest.param("203.0.113.0/24", {"one", "near"}, id="network"),
        pytest.param("2001:db8:1::/48", {"six"}, id="IPv6 network"),
        pytest.param("198.51.100.1", set(), id="nobody's"),
    ],
)
def test_those_from_an_address(user: User, given: str, expected: set[str]) -> None:
    """``--ip`` ends what was last used from there, and says that it was so many."""
    addresses = {"one": "203.0.113.7", "near": "203.0.113.200", "six": "2001:db8:1:2::3"}
    clients = {name: signed_in_from(address, user) for name, address in addresses.items()}
    signed_in(user)  # by a program: from nowhere

    assert run("--all", "--ip", given) == f"{len(expected)} sessions ended.\n"

    assert {name for name, one in clients.items() if not is_signed_in(one)} == expected


@override_settings(SESSIONS_PLUS_IP_ADDRESS_PRIVACY="truncated")
def test_addresses_that_are_stored_as_networks(user: User) -> None:
    """Where only networks are stored, ``--ip`` means the address's network, and says so."""
    near = signed_in_from("203.0.113.200", user)
    far = signed_in_from("198.51.100.1", user)

    said = run("--all", "--ip", "203.0.113.7")

    assert said.splitlines() == [
        "Addresses are stored as networks: --ip means 203.0.113.0/24.",
        "1 sessions ended.",
    ]
    assert not is_signed_in(near)
    assert is_signed_in(far)


@override_settings(SESSIONS_PLUS_IP_ADDRESS_PRIVACY="none")
def test_addresses_that_are_not_stored(user: User) -> None:
    """Where no address is stored, ``--ip`` could find nobody: it says so, and ends nothing."""
    ann = signed_in(user)

    with pytest.raises(CommandError, match="no addresses are stored"):
        run("--all", "--ip", "127.0.0.1")

    assert is_signed_in(ann)


def test_dry_run(user: User, other_user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``--dry-run`` nothing is asked and nothing ends."""
    people = [signed_in(one) for one in (user, user, other_user)]
    asked = answer(monkeypatch, "yes")
    out = io.StringIO()

    call_command("revoke_sessions", "--all", "--dry-run", stdout=out)

    assert out.getvalue() == "3 sessions of 2 users would be ended.\n"
    assert asked == []
    assert all(is_signed_in(one) for one in people)


def test_it_asks_first(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever says yes is told before how many sessions of how many users it is about."""
    ann = signed_in(user)
    asked = answer(monkeypatch, "yes")

    call_command("revoke_sessions", "ann", stdout=io.StringIO())

    assert asked == ["This ends 1 sessions of 1 users. Type 'yes' to go on: "]
    assert not is_signed_in(ann)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("y", "Nothing was ended", id="no yes"),
        pytest.param(None, "--noinput", id="nobody"),
    ],
)
def test_nothing_ends_without_a_yes(
    user: User, monkeypatch: pytest.MonkeyPatch, text: str | None, said: str
) -> None:
    """Any other answer, or none, ends nothing."""
    ann = signed_in(user)
    answer(monkeypatch, text)

    with pytest.raises(CommandError, match=said):
        call_command("revoke_sessions", "ann", stdout=io.StringIO())

    assert is_signed_in(ann)


@contextmanager
def at_the_first_end(act: Callable[[], object]) -> Iterator[None]:
    """Do something when the first session has ended."""
    acts = [act]

    def receive(**_: object) -> None:
        while acts:
            acts.pop()()

    session_revoked.connect(receive)
    try:
        yield
    finally:
        session_revoked.disconnect(receive)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interruption(user: User, monkeypatch: pytest.MonkeyPatch, number: signal.Signals) -> None:
    """Interrupted, it ends what it has begun, with all that belongs to it, and may be run again."""
    monkeypatch.setattr(revocation, "CHUNK_ROWS", 2)
    for _ in range(5):
        signed_in(user)
    former = signal.getsignal(number)

    with (
        at_the_first_end(lambda: signal.raise_signal(number)),
        pytest.raises(CommandError, match="Interrupted: 3 sessions of 1 users go on"),
    ):
        run("ann")

    assert Session.objects.exclude(revoked_at=None).count() == 2
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 2
    assert signal.getsignal(number) is former
    assert run("ann") == "3 sessions ended.\n"


def test_progress_bar(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever watches a terminal sees how far it is."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(revocation, "CHUNK_ROWS", 2)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    for _ in range(3):
        signed_in(user)

    run("ann")

    drawn = terminal.getvalue()
    assert drawn.count("\r") == 2
    assert drawn.endswith("100%\n")


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
        pytest.param(("--older-than", "1d"), "--all", id="only how old"),
        pytest.param(("ann", "--reason", "boredom"), "boredom", id="no such reason"),
        pytest.param(("ann", "--older-than", "soon"), "write 90m, 12h, 30d or 2w", id="no time"),
        pytest.param(("ann", "--older-than", "3"), "write 90m, 12h, 30d or 2w", id="no unit"),
        pytest.param(("ann", "--ip", "here"), "neither an address nor a network", id="no address"),
        pytest.param(("ann", "--ip", "10.1.2.3/8"), "has host bits set", id="one or many"),
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
        ann, again = signed_in(user), signed_in(user)
        assert is_signed_in(ann)
        assert is_signed_in(again)
        server.kill()

        with pytest.raises(CommandError, match="the cache could not be told"):
            run("ann")

    reasons = set(Session.objects.values_list("revoked_reason", flat=True))
    assert reasons == {Reason.REVOKED_BY_STAFF}


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_removing_factors_tells_of_it_too(user: User, start_server: Callable[[str], Any]) -> None:
    """So does ``mfa_remove``, which ends sessions as well."""
    server = start_server("redis")
    with caches.site_with(caches.django_redis(server.url)):
        assert is_signed_in(signed_in(user))
        server.kill()

        with pytest.raises(CommandError, match="the cache could not be told"):
            call_command("mfa_remove", "ann", stdout=io.StringIO())

    assert Session.objects.get().revoked_reason == Reason.FACTOR_CHANGED
