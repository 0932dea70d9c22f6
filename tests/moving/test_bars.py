"""Whatever ends a user's sessions here ends what they have at the old engine, too."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.utils import timezone

from sessions_plus.lifecycle import (
    keep_other_sessions,
    revoke,
    revoke_all,
    revoke_everybody,
    revoke_others,
)
from sessions_plus.lifecycle.adoption_bars import is_barred
from sessions_plus.models import AdoptionBar, Reason, Session
from tests.conftest import World, people
from tests.moving.conftest import Arrive
from tests.support.browsers import Browser
from tests.support.old_engines import DIAGONAL

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


def all_of_them(user: User) -> None:
    revoke_all(user)


def the_others(user: User) -> None:
    revoke_others(user, keep=None)


def disable_and_enable(user: User) -> None:
    user.is_active = False
    user.save()
    user.is_active = True
    user.save()


def change_password_and_back(user: User) -> None:
    before = user.password
    user.set_password("another one entirely")
    user.save()
    people().filter(pk=user.pk).update(password=before)


def take_the_factor_away(user: User) -> None:
    call_command("mfa_remove", user.username, verbosity=0)


def end_everybody(user: User) -> None:
    call_command("revoke_sessions", "--all", "--noinput", verbosity=0)


def end_one_by_command(user: User) -> None:
    call_command("revoke_sessions", user.username, "--noinput", verbosity=0)


def end_old_ones(user: User) -> None:
    call_command("revoke_sessions", "--all", "--older-than", "1h", "--noinput", verbosity=0)


def end_in_code(user: User) -> None:
    revoke_everybody(reason=Reason.REVOKED_BY_STAFF)


ENDINGS = [
    all_of_them,
    the_others,
    disable_and_enable,
    change_password_and_back,
    take_the_factor_away,
    end_everybody,
    end_one_by_command,
    end_old_ones,
    end_in_code,
]


@DIAGONAL
@pytest.mark.parametrize("end", ENDINGS)
def test_ended_before_it_comes(
    old_engine: str, arrive: Arrive, user: User, end: Callable[[User], None]
) -> None:
    """An old session of somebody whose sessions were ended meanwhile lets nobody in."""
    ann, visitor = arrive(user), arrive(color="green")
    end(user)

    assert ann.text("who") == "AnonymousUser"
    assert not Session.objects.filter(user=user).exists()
    assert visitor.text("read") == "green"


def test_others_are_not_concerned(
    djangos: str, arrive: Arrive, user: User, other_user: User
) -> None:
    """Whoever else has not come yet comes in."""
    ben = arrive(other_user)
    revoke_all(user)

    assert ben.text("who") == "ben"


def test_one_session_alone(djangos: str, arrive: Arrive, world: World, user: User) -> None:
    """Ending one session says nothing of the others."""
    here, elsewhere = Browser(world), arrive(user)
    here.get("sign-in", name="ann")
    revoke(Session.objects.get())

    assert elsewhere.text("who") == "ann"


def test_a_password_that_keeps_other_sessions(
    djangos: str, arrive: Arrive, world: World, user: User
) -> None:
    """One that was not adopted yet cannot go on with it: it knows only the old password."""
    elsewhere = arrive(user)
    with keep_other_sessions(user):
        user.set_password("another one entirely")
        user.save()

    assert elsewhere.text("who") == "AnonymousUser"


def test_one_that_begins_later(djangos: str, arrive: Arrive, user: User) -> None:
    """What is known to have begun after the end is let in."""
    revoke_all(user)
    later = (timezone.now() + timedelta(seconds=1)).timestamp()
    ann = arrive(user, account_authentication_methods=[{"method": "password", "at": later}])

    assert ann.text("who") == "ann"


def test_an_end_of_old_ones_spares_the_new(djangos: str, arrive: Arrive, user: User) -> None:
    """What is known to have begun after the moment that was named comes in."""
    began = timezone.now() - timedelta(minutes=1)
    record = {"method": "password", "at": began.timestamp()}
    ann = arrive(user, account_authentication_methods=[record])
    end_old_ones(user)

    assert ann.text("who") == "ann"


def test_a_network_says_nothing(djangos: str, arrive: Arrive, user: User) -> None:
    """Nobody knows from where an old session was used, so ending a network's leaves it."""
    ann = arrive(user)
    call_command("revoke_sessions", "--all", "--ip", "192.0.2.0/24", "--noinput", verbosity=0)

    assert ann.text("who") == "ann"


def test_the_last_end_counts(djangos: str, user: User) -> None:
    """Each end is written over the one before, and begins at its own moment."""
    first, last = timezone.now(), timezone.now() + timedelta(hours=1)
    for moment in (first, last, first):
        revoke_all(user, now=moment)

    assert AdoptionBar.objects.get().at == last
    assert is_barred(user.pk, began_at=last)
    assert not is_barred(user.pk, began_at=last + timedelta(seconds=1))
    assert is_barred(user.pk, began_at=None)


def test_nothing_is_written_otherwise(
    user: User, settings: Any, django_assert_num_queries: Any
) -> None:
    """A site that adopts nothing pays nothing for it."""
    before = django_assert_num_queries
    with before(1):  # the sessions that there are
        revoke_all(user)

    assert not AdoptionBar.objects.exists()
