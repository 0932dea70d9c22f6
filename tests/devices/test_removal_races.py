"""A device that is removed, by whatever means and whenever, leaves nobody signed in on it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches

from sessions_plus.devices.recognition import SignIn
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.mfa import sign_in
from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from tests.conftest import World
from tests.support.browsers import Browser
from tests.support.pauses import Pause, stopped

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def ann(engine: str, world: World, user: User) -> Browser:
    """Ann's browser, signed in."""
    caches["default"].clear()
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    return browser


def remove() -> None:
    revoke_device(Device.objects.get())


def delete_rows() -> None:
    Device.objects.all().delete()


def delete_row() -> None:
    Device.objects.get().delete()


STEPS = {
    "recognised": lambda: Pause(sign_in, "find_device"),
    "about to be stored": lambda: Pause(SignIn, "columns"),
    "stored": lambda: Pause(SignIn, "written", before=True),
}


@pytest.mark.parametrize("step", list(STEPS))
def test_sign_in_while_its_device_is_removed(ann: Browser, step: str) -> None:
    """Removing wins, at whichever step the sign-in is, and the person can sign in anew."""
    ann.get("sign-out")

    with stopped(lambda: ann.get("sign-in", name="ann"), at=STEPS[step]()):
        remove()

    assert not Session.objects.filter(revoked_at=None, device__isnull=False).exists()
    assert ann.text("who") == "AnonymousUser"
    ann.get("sign-in", name="ann")
    assert ann.text("who") == "ann"
    assert Session.objects.get(revoked_at=None).device == Device.objects.get(revoked_at=None)


@pytest.mark.parametrize("act", [remove, delete_rows, delete_row], ids=lambda act: act.__name__)
def test_sessions_end_with_the_device(ann: Browser, act: Callable[[], None]) -> None:
    """Whoever is signed in on it is signed out, and it is recorded."""
    assert ann.text("who") == "ann"

    act()

    assert ann.text("who") == "AnonymousUser"
    assert Session.objects.get().revoked_reason == Reason.DEVICE_REVOKED
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 1
