"""Trusted devices: skipped codes, one lineage of tokens, and all that ends it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.devices.revocation import revoke_device
from sessions_plus.mfa import enrolment
from sessions_plus.models import Device, Event, Session, SessionEvent
from tests.support.authenticators import App, enrol

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"


def sign_in(client: Client, user: User, password: str) -> str:
    """Give the password; return where that led."""
    given = {"username": user.username, "password": password}
    return str(client.post("/account/login/", given)["Location"])


def trusting_client(user: User, app: App, password: str) -> Client:
    """A browser that its user trusted, and has signed out of."""
    client = Client()
    sign_in(client, user, password)
    client.post("/account/challenge/", {"code": app.code(), "trust": "on"})
    client.post("/account/logout/")
    return client


def test_a_trusted_device_asks_for_no_code(user: User, password: str) -> None:
    """The next sign-in takes the password, and the session says how it came about."""
    client = trusting_client(user, enrol(user), password)

    assert sign_in(client, user, password) == "/"

    assert Session.objects.get(user=user, revoked_at=None).methods == ["pwd", "dev"]
    device = Device.objects.get()
    assert device.trusted_until is not None
    assert timedelta(days=29) < device.trusted_until - timezone.now() <= timedelta(days=30)
    assert SessionEvent.objects.filter(event=Event.DEVICE_TRUSTED).count() == 1


def test_the_cookie_is_private(user: User, password: str) -> None:
    """The trust cookie is HttpOnly and Strict, and only its digest is stored."""
    client = trusting_client(user, enrol(user), password)

    cookie = client.cookies["trust"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert cookie.value not in str(list(Device.objects.values_list()))


def test_each_use_brings_the_next_token(user: User, password: str) -> None:
    """A used token is worthless, and presenting it again ends the trust."""
    client = trusting_client(user, enrol(user), password)
    first = client.cookies["trust"].value
    sign_in(client, user, password)
    second = client.cookies["trust"].value
    assert first != second
    client.post("/account/logout/")

    client.cookies["trust"] = first

    assert "challenge" in sign_in(client, user, password)
    assert Device.objects.get().trusted_until is None
    client.cookies["trust"] = second
    assert "challenge" in sign_in(client, user, password)
    assert SessionEvent.objects.get(event=Event.DEVICE_DISTRUSTED).reason == "stale_token"


def new_password(user: User, client: Client) -> None:
    user.set_password("correct horse battery staple")
    user.save()


def other_password_by_update(user: User, client: Client) -> None:
    changed = User(username="x")
    changed.set_password("correct horse battery staple")
    User.objects.filter(pk=user.pk).update(password=changed.password)


def device_removed(user: User, client: Client) -> None:
    revoke_device(Device.objects.get())


def factor_added(user: User, client: Client) -> None:
    enrol(user)


def factor_removed(user: User, client: Client) -> None:
    enrol(user)
    enrolment.remove(only_first(user), user)


def only_first(user: User) -> Any:
    return enrolment._of(user).order_by("pk").first()


def time_passed(user: User, client: Client) -> None:
    Device.objects.update(trusted_until=timezone.now())


def device_cookie_lost(user: User, client: Client) -> None:
    del client.cookies["device"]


def trust_cookie_forged(user: User, client: Client) -> None:
    token = client.cookies["trust"].value
    client.cookies["trust"] = token[:-4] + "AAAA"


def became_staff(user: User, client: Client) -> None:
    User.objects.update(is_staff=True)


@pytest.mark.parametrize(
    "change",
    [
        new_password,
        other_password_by_update,
        device_removed,
        factor_added,
        factor_removed,
        time_passed,
        device_cookie_lost,
        trust_cookie_forged,
        became_staff,
    ],
    ids=lambda change: change.__name__,
)
def test_what_ends_it(user: User, password: str, change: Any) -> None:
    """Trust ends with the password, a factor, the device, its time, and its cookies."""
    client = trusting_client(user, enrol(user), password)

    change(user, client)

    assert "challenge" in sign_in(client, user, password)


def test_it_ends_after_a_restored_backup(user: User, password: str) -> None:
    """What the page of operating says to type ends every session, and all trust in devices."""
    app = enrol(user)
    client = trusting_client(user, app, password)
    page = (Path(__file__).parents[2] / "docs" / "operating.md").read_text()
    told = page.partition("## After a restored backup")[2]
    block = re.search(r"```python\n(.+?)```", told, re.DOTALL)
    assert block is not None

    exec(dedent(block[1]), {})  # noqa: S102 - it is ours

    assert not Session.objects.filter(revoked_at=None).exists()
    assert "/account/challenge/" in sign_in(client, user, password)


def test_its_owner_ends_it_on_the_devices_page(user: User, password: str) -> None:
    """The page of its session says that a device is trusted, and ends that."""
    client = trusting_client(user, enrol(user), password)
    sign_in(client, user, password)
    url = f"/account/devices/{Device.objects.get().public_id}/distrust/"
    session = Session.objects.for_user(user).latest("pk")
    page = client.get(f"/account/devices/sessions/{session.public_id}/").content.decode()
    assert url in page

    client.post(url)

    assert Device.objects.get().trusted_until is None
    client.post("/account/logout/")
    assert "challenge" in sign_in(client, user, password)


def test_it_is_nobody_elses_to_end(user: User, other_user: User, password: str) -> None:
    """Another person's device is as one that does not exist."""
    trusting_client(user, enrol(user), password)
    other = Client()
    sign_in(other, other_user, password)

    response = other.post(f"/account/devices/{Device.objects.get(user=user).public_id}/distrust/")

    assert response.status_code == 404
    assert Device.objects.get(user=user).trusted_until is not None


@pytest.mark.parametrize("profile", ["aal2", "aal3"])
def test_profiles_without_trust(user: User, password: str, profile: str) -> None:
    """Under aal2 and aal3 trust is not offered, and a forged wish for it is ignored."""
    with override_settings(SESSIONS_PLUS_PROFILE=profile):
        app = enrol(user)
        client = Client()
        sign_in(client, user, password)
        assert "trust" not in client.get("/account/challenge/").content.decode()

        client.post("/account/challenge/", {"code": app.code(), "trust": "on"})

    assert "trust" not in client.cookies


def test_aal3_cannot_be_talked_into_it(user: User, password: str) -> None:
    """Under aal3 no setting makes devices trusted."""
    with override_settings(
        SESSIONS_PLUS_PROFILE="aal3",
        SESSIONS_PLUS_TRUSTED_DEVICE_LIFETIME=timedelta(days=1),
    ):
        client = trusting_client(user, enrol(user), password)

        assert "challenge" in sign_in(client, user, password)


def test_staff_are_always_asked(staff: User, password: str) -> None:
    """Staff are offered no trust, and get none by asking."""
    client = trusting_client(staff, enrol(staff), password)

    assert "trust" not in client.cookies
    assert "challenge" in sign_in(client, staff, password)


def test_it_is_no_second_factor(user: User, password: str) -> None:
    """Views that want a second factor, and all factors afresh, ask for a code."""
    app = enrol(user)
    client = trusting_client(user, app, password)
    sign_in(client, user, password)

    assert client.get("/two/")["Location"].startswith("/account/reauthenticate/")
    assert client.get("/all-fresh/")["Location"].startswith("/account/reauthenticate/")
    assert client.get("/one-fresh/").status_code == 200


def test_the_admin_does_not_accept_it(user: User, password: str) -> None:
    """Whoever became staff in a session of a trusted device proves themselves first."""
    client = trusting_client(user, enrol(user), password)
    sign_in(client, user, password)
    User.objects.update(is_staff=True, is_superuser=True)

    response = client.get("/admin/")

    assert response["Location"].startswith("/account/reauthenticate/")
    assert client.get("/").content == b"hello ann"
