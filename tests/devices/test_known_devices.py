"""A browser that signed in before is known by one statement, which lets nobody past a factor."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.devices.recognition import find_device
from sessions_plus.devices.session_rows import DEVICES
from sessions_plus.mfa import sign_in
from sessions_plus.mfa.policy import asks_no_factor, has_authenticator
from sessions_plus.models import Authenticator, Device, Session
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.pauses import Pause, stopped
from tests.support.stores import signed_in

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    """A browser that Ann signed in and out with."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("sign-out")
    return browser


def store_factor(user: User, *, is_confirmed: bool = True, is_disabled: bool = False) -> None:
    now = timezone.now()
    Authenticator.objects.create(
        user=user,
        sealed_secret=b"sealed",
        confirmed_at=now if is_confirmed else None,
        disabled_at=now if is_disabled else None,
    )


FACTORS: dict[str, tuple[Callable[[User, User], None], bool]] = {
    "none": (lambda ann, ben: None, False),
    "of another user": (lambda ann, ben: store_factor(ben), False),
    "pending": (lambda ann, ben: store_factor(ann, is_confirmed=False), False),
    "confirmed": (lambda ann, ben: store_factor(ann), True),
    "disabled": (lambda ann, ben: store_factor(ann, is_disabled=True), True),
}


@pytest.mark.parametrize("factor", list(FACTORS))
def test_known_device_spares_nobody_the_factor(
    ann: Browser, factor: str, user: User, other_user: User
) -> None:
    """Its SQL and ``has_authenticator()`` agree, and the sign-in waits."""
    store, is_asked = FACTORS[factor]
    store(user, other_user)

    ann.get("sign-in", name="ann")

    assert ann.text("who") == ("AnonymousUser" if is_asked else "ann")
    assert has_authenticator(user) is is_asked
    known = DEVICES.find_instances("default", {"user_id": user.pk}, condition=asks_no_factor())
    assert bool(known) is not is_asked


def test_it_takes_one_statement(ann: Browser) -> None:
    """The device is known, and its user's factors are asked for, at once; nothing is written."""
    device = Device.objects.get()

    with CaptureQueriesContext(connection) as captured:
        ann.get("sign-in", name="ann")

    asking = [q["sql"] for q in captured if Authenticator._meta.db_table in q["sql"]]
    assert [Device._meta.db_table in sql for sql in asking] == [True]
    before, device = device.last_seen_at, Device.objects.get()
    assert device.last_seen_at > before


def test_what_is_found_is_what_is_stored(ann: Browser, user: User) -> None:
    """The instance has the values, and their types, that the database has."""
    found = find_device(user, ann.cookies["device"].value)

    stored = Device.objects.get()
    assert found is not None
    assert vars(found) | {"_state": None} == vars(stored) | {"_state": None}


def test_another_user_or_a_removed_device_is_unknown(
    ann: Browser, user: User, other_user: User
) -> None:
    """One browser is a device of each of its users, and of nobody once it was removed."""
    token, now = ann.cookies["device"].value, timezone.now()

    assert find_device(other_user, token) is None
    assert find_device(user, token) is not None
    Device.objects.update(revoked_at=now)
    assert find_device(user, token) is None


def test_people_who_share_a_browser(ann: Browser, other_user: User) -> None:
    """Each is known as the owner of a device of their own, with the same token."""
    for name in ("ben", "ann", "ben"):
        ann.get("sign-in", name=name)
        assert ann.text("who") == name

    assert Device.objects.count() == 2
    assert len(set(Device.objects.values_list("token_hash", flat=True))) == 1


def test_sign_in_that_was_rolled_back(ann: Browser, user: User) -> None:
    """Nothing of it is left, and the next is as ever."""
    before = Device.objects.get().last_seen_at

    with transaction.atomic():
        signed_in(user, device_token=ann.cookies["device"].value)
        transaction.set_rollback(True)

    assert Device.objects.get().last_seen_at == before
    ann.get("sign-in", name="ann")
    assert ann.text("who") == "ann"


def test_factor_confirmed_afterwards_is_asked_for_next_time(ann: Browser, user: User) -> None:
    """Who was known before is in; nobody is afterwards."""
    with stopped(lambda: ann.get("sign-in", name="ann"), at=Pause(sign_in, "find_device")):
        store_factor(user)
    assert ann.text("who") == "ann"
    assert Session.objects.get(revoked_at=None).auth_methods == "pwd"

    ann.get("sign-out")
    ann.get("sign-in", name="ann")

    assert ann.text("who") == "AnonymousUser"
