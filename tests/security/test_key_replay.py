"""A key that was ended, in whichever way, opens nothing again, at any door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Session
from tests.conftest import World
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _fresh_cache() -> Iterator[None]:
    caches["default"].clear()
    yield
    copies.reset()


def sign_out(browser: Browser, user: User) -> None:
    browser.get("sign-out")


def revoke_everywhere(browser: Browser, user: User) -> None:
    revoke_all(user)


def disable_and_enable(browser: Browser, user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)
    browser.text("who")
    User.objects.filter(pk=user.pk).update(is_active=True)


def change_password(browser: Browser, user: User) -> None:
    user.set_password("another one entirely")
    user.save()


def sign_in_again(browser: Browser, user: User) -> None:
    browser.get("sign-in", name="ann")


def delete_rows(browser: Browser, user: User) -> None:
    Session.objects.all().delete()


ENDINGS = [
    sign_out,
    revoke_everywhere,
    disable_and_enable,
    change_password,
    sign_in_again,
    delete_rows,
]


@pytest.mark.parametrize("end", ENDINGS)
def test_an_ended_key_opens_nothing(
    engine: str, world: World, user: User, end: Callable[[Browser, User], None]
) -> None:
    """Whoever kept a copy of the key is a stranger, now and later."""
    owner, thief = Browser(world), Browser(world)
    owner.get("sign-in", name="ann")
    owner.get("write", color="secret")
    thief.client.cookies.load({name: m.value for name, m in owner.cookies.items()})
    assert thief.text("who") == "ann"
    key = thief.key

    end(owner, user)

    for later in (timedelta(0), timedelta(minutes=2), timedelta(days=1)):
        thief.key = key
        with time_machine.travel(timezone.now() + later, tick=False):
            assert thief.text("who") == "AnonymousUser"
            assert thief.text("read") == "none"


@pytest.mark.parametrize("end", ENDINGS)
def test_a_write_under_way_revives_nothing(
    engine: str, user: User, end: Callable[[Browser, User], None]
) -> None:
    """A request that began before the end and writes after it stores nothing."""
    from importlib import import_module

    from django.contrib.sessions.backends.base import UpdateError

    owner = Browser(World("sync"))
    owner.get("sign-in", name="ann")
    under_way: Any = import_module(engine).SessionStore(owner.key)
    under_way["color"] = "late"
    key = owner.key

    end(owner, user)
    owner.text("who")

    if end is not sign_in_again:
        with pytest.raises(UpdateError):
            under_way.save()
    thief = Browser(World("sync"))
    thief.key = key
    assert thief.text("who") == "AnonymousUser"
