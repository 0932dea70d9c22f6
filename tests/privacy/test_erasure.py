"""Erasing a person: nothing that is kept names them, and nothing of others changes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.models import (
    Authenticator,
    Challenge,
    Device,
    Event,
    FailureCount,
    Notice,
    RecoveryCode,
    Session,
    SessionEvent,
    Throttle,
)
from sessions_plus.privacy import erasure
from sessions_plus.privacy.erasure import erase, erase_person, held_of
from sessions_plus.privacy.inventory import INVENTORY
from tests.conftest import PASSWORD
from tests.privacy.people import Life, acted_in, dump, found_in, live, rows_of_others
from tests.support.caches import core_redis, site_with
from tests.support.pauses import Pause, in_thread
from tests.support.services.caches import ask_redis
from tests.support.services.process import Server

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.urls")]


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    caches["default"].clear()
    copies.reset()
    yield
    copies.reset()


@pytest.fixture
def ann(engine: str, user: User, staff: User) -> Life:
    return live(user, "203.0.113.24", staff=staff)


@pytest.fixture
def ben(ann: Life, other_user: User, staff: User) -> Life:
    return live(other_user, "198.51.100.9", staff=staff)


def delete(user: Any) -> None:
    user.delete()


def delete_many(user: Any) -> None:
    User.objects.filter(pk=user.pk).delete()


def by_command(user: Any) -> None:
    call_command("erase_person", user.get_username(), stdout=StringIO())


def anonymise(user: Any) -> None:
    call_command("erase_person", user.get_username(), "--anonymise", stdout=StringIO())


def past_the_signals(user: Any) -> None:
    """An account that went by SQL is erased by its number."""
    key = user.pk
    User.objects.filter(pk=key)._raw_delete("default")
    call_command("erase_person", "--pk", str(key), stdout=StringIO())


WAYS = [delete, delete_many, by_command, anonymise, past_the_signals]


@pytest.mark.parametrize("way", WAYS)
def test_a_dump_names_them_no_more(ann: Life, ben: Life, way: Callable[[Any], None]) -> None:
    """No row of the whole site holds their name, mail, address, browser or session."""
    assert {word for _, _, word in found_in(dump(), ann.words)} >= ann.words

    way(ann.user)

    assert found_in(dump(), ann.words) == []


@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_others_changes(ann: Life, ben: Life, way: Callable[[Any], None]) -> None:
    """Every row of somebody else is as it was, and they stay signed in."""
    before = rows_of_others(dump(), ann.key)
    assert before

    way(ann.user)

    after = dump()
    assert {key: after[key] for key in before} == before
    assert found_in(after, ben.words)


@pytest.mark.parametrize("way", WAYS)
def test_what_happened_stays(ann: Life, way: Callable[[Any], None]) -> None:
    """Each event is still there with its time, kind, outcome, reason and who did it."""
    kept = ("pk", "at", "event", "outcome", "reason", "actor_id", "count")
    before = list(SessionEvent.objects.order_by("pk").values_list(*kept))

    way(ann.user)

    after = list(SessionEvent.objects.order_by("pk").values_list(*kept))
    assert after[: len(before)] == before
    assert not SessionEvent.objects.filter(user_id=ann.key).exists()


@pytest.mark.parametrize("way", WAYS)
def test_all_is_over(ann: Life, way: Callable[[Any], None]) -> None:
    """No session of theirs goes on, and nothing that signs them in is left."""
    way(ann.user)

    response = ann.client.get("/account/devices/")
    assert (response.status_code, response.wsgi_request.user.is_anonymous) == (302, True)
    assert not Session.objects.filter(revoked_at=None).exists()
    for model in (Device, Authenticator, RecoveryCode, Challenge, FailureCount, Notice):
        assert not model._default_manager.exists()
    assert not Throttle.objects.exclude(scope__in=("address", "network", "name")).exists()


@pytest.mark.parametrize("way", WAYS)
def test_the_inventory_is_carried_out(ann: Life, way: Callable[[Any], None]) -> None:
    """Every column of a row that stays holds what the inventory says."""
    way(ann.user)

    for holding in INVENTORY.values():
        if holding.of is None or holding.goes:
            continue
        for row in holding.rows():
            for name, value in holding.emptied().items():
                field = holding.field(name)
                held = getattr(row, field.attname)
                assert field.unique or (bytes(held) if value == b"" else held) == value, name


@pytest.mark.parametrize("way", WAYS)
def test_an_erasure_is_recorded(ann: Life, way: Callable[[Any], None]) -> None:
    """A command leaves an event that names nobody; deleting a user is the site's own act."""
    way(ann.user)

    erased = SessionEvent.objects.filter(event=Event.DATA_ERASED)
    assert erased.count() == (0 if way in (delete, delete_many) else 1)
    assert not erased.exclude(user=None).exists()


def test_an_anonymised_account_lets_nobody_in(ann: Life) -> None:
    """The row is there for what depends on it: nameless, without a password, disabled."""
    erase_person(ann.user, anonymise=True)

    row = User.objects.get(pk=ann.key)
    assert row.username.startswith("erased-")
    assert (row.email.endswith("@erased.invalid"), row.is_active) == (True, False)
    assert not row.has_usable_password()
    assert not Client().login(username=row.username, password=PASSWORD)


def test_staff_who_are_erased_keep_their_number_alone(ann: Life, staff: User) -> None:
    """An event about somebody else keeps who did it, and not where they sat."""
    ended = SessionEvent.objects.get(actor=staff)
    assert ended.ip_address == "192.0.2.77"
    acted = acted_in(ann.user, staff)
    assert acted.ip_address == "192.0.2.77"
    number = staff.pk

    staff.delete()

    after = SessionEvent.objects.get(pk=ended.pk)
    assert (after.actor_id, after.user_id) == (number, ann.key)
    assert (after.ip_address, after.user_agent) == (None, "")
    acted.refresh_from_db()
    assert acted.actor_id == number
    assert not acted.ip_address
    assert not acted.user_agent


def test_many_rows_are_done_in_parts(
    ann: Life, staff: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much there is of somebody, a statement changes a part of it."""
    monkeypatch.setattr(erasure, "ROWS_AT_ONCE", 2)
    before = SessionEvent.objects.count()

    erase_person(ann.user)

    assert not SessionEvent.objects.exclude(user=None).exists()
    assert SessionEvent.objects.filter(user_agent="").count() > before


def test_erasing_again_changes_nothing(ann: Life) -> None:
    """An erasure that was interrupted is begun again."""
    ann.user.delete()
    before = dump()

    erase(ann.key)

    assert dump() == before


def test_a_rolled_back_delete_erases_nothing(ann: Life) -> None:
    """Where the site's own transaction fails, all is as it was, but for sessions in the cache."""
    before = dump()

    with transaction.atomic():
        ann.user.delete()
        transaction.set_rollback(True)

    assert dump() == before


def test_a_site_that_lost_its_users_keeps_second_factors(ann: Life) -> None:
    """A user who is not there at a request is signed out, and nothing of theirs is erased."""
    User.objects.filter(pk=ann.key)._raw_delete("default")

    ann.client.get("/account/devices/")

    assert not Session.objects.filter(revoked_at=None, user_id=ann.key).exists()
    assert Authenticator.objects.exists()


def test_a_request_under_way_brings_nothing_back(ann: Life) -> None:
    """A session that is written while its user is erased names nobody afterwards."""
    from sessions_plus.rows import session_row

    with Pause(session_row, "touch", before=True) as pause:
        Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))
        request = in_thread(lambda: ann.client.get("/account/devices/"))
        pause.wait()
        ann.user.delete()
        pause.release()
        assert request.result(120).status_code == 302

    assert found_in(dump(), ann.words) == []


def test_dry_run_says_what_there_is(ann: Life) -> None:
    """Nothing is changed, and every kind of data is counted."""
    before = dump()
    out = StringIO()

    call_command("erase_person", "ann", "--dry-run", stdout=out)

    assert dump() == before
    assert "sessions: 2 would be emptied" in out.getvalue()
    assert "devices: 2 would be deleted" in out.getvalue()
    assert f"account {ann.key}: would be deleted" in out.getvalue()


def test_receipt(ann: Life) -> None:
    """The command prints what it did, as JSON where that is asked for."""
    held = held_of(ann.key)
    out = StringIO()

    call_command("erase_person", "ann", "--json", stdout=out)

    told = json.loads(out.getvalue())
    assert (told["account"], told["cache_reached"]) == ("deleted", True)
    assert told["deleted"] == held.deleted
    assert told["emptied"]["sessions"] == held.emptied["sessions"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param([], "Name the person", id="nobody"),
        pytest.param(["ann", "--pk", "1"], "one of them", id="both"),
        pytest.param(["zoe"], "no user 'zoe'", id="unknown"),
        pytest.param(["--pk", "x"], "no primary key", id="no key"),
    ],
)
def test_wrong_words(user: User, arguments: list[str], words: str) -> None:
    """Whom it means is said in one way, and has to be there."""
    with pytest.raises(CommandError, match=words):
        call_command("erase_person", *arguments)


def test_a_number_of_somebody_who_is_there_is_refused(user: User) -> None:
    """Nobody who can sign in is erased by a number alone."""
    with pytest.raises(CommandError, match="is there"):
        call_command("erase_person", "--pk", str(user.pk))


def test_an_account_that_the_site_keeps(ann: Life, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows of the site's own need the account, the command says so and what to do."""
    from django.db.models import ProtectedError

    def refuse(self: Any) -> None:
        raise ProtectedError("An order needs it.", set())

    monkeypatch.setattr(User, "delete", refuse)

    with pytest.raises(CommandError, match=r"An order needs it.*--anonymise"):
        call_command("erase_person", "ann", stdout=StringIO())


@pytest.mark.services
def test_redis_names_them_no_more(redis_server: Server, user: User, staff: User) -> None:
    """No name and no value in Redis holds a word of theirs, and copies are gone."""
    with site_with(core_redis(redis_server.url)):
        ann = live(user, "203.0.113.24", staff=staff)
        before = held_in(redis_server)
        assert before

        erase_person(ann.user)

        after = held_in(redis_server)
        assert not any(word.encode() in data for data in after.values() for word in ann.words)
        assert not [name for name, data in after.items() if data.startswith(b"c")]


def held_in(server: Server) -> dict[str, bytes]:
    names = ask_redis(server, "--scan").split()
    return {
        name: ask_redis(server, "--no-raw", "get", name).strip().strip('"').encode()
        for name in names
    }


def test_an_unreachable_cache_is_told_of(user: User, staff: User) -> None:
    """Copies that could not be dropped last some minutes; the exit code says so."""
    with override_settings(SESSION_ENGINE="sessions_plus.backends.cached_db"):
        live(user, "203.0.113.24", staff=staff)
        tier = copies.tier()
        tier.breaker.trip()

        with pytest.raises(CommandError, match="cache could not be told"):
            call_command("erase_person", "ann", stdout=StringIO())
