"""Somebody lost their phone: staff and the command remove the second factor, audited."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from sessions_plus.mfa import totp
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import (
    Authenticator,
    Device,
    Event,
    Reason,
    RecoveryCode,
    Session,
    SessionEvent,
)
from tests.admin.desk import answer
from tests.support.authenticators import enrol, only

pytestmark = pytest.mark.django_db

LIST = "/admin/sessions_plus/authenticator/"


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.support.doors"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def remove(client: Client, *authenticators: Authenticator) -> Any:
    data = {
        "action": "remove_second_factor",
        "_selected_action": [str(found.pk) for found in authenticators],
    }
    response = client.post(LIST, data, headers={"referer": f"http://testserver{LIST}"})
    return answer(client, response) if "carried" in (response.context or ()) else response


def test_staff_remove_a_factor(staff: User, user: User, password: str) -> None:
    """After it there are no authenticators, codes or sessions, and the audit says who did it."""
    app = enrol(user)
    owner = Client()
    owner.force_login(user)
    owner.post("/account/challenge/", {"code": app.code()})

    remove(signed_in(staff), only(user))

    assert not has_authenticator(user)
    assert not RecoveryCode.objects.exists()
    assert owner.get("/sync/who/").content == b"AnonymousUser"
    event = SessionEvent.objects.get(event=Event.AUTHENTICATOR_REMOVED)
    assert (event.user, event.actor) == (user, staff)
    ended = Session.objects.get(user=user)
    assert (ended.revoked_reason, ended.revoked_by) == (Reason.FACTOR_CHANGED, staff)
    again = Client().post("/account/login/", {"username": "ann", "password": password})
    assert "challenge" not in again["Location"]


def test_asvs_6_4_4_not_without_a_fresh_proof(staff: User, user: User) -> None:
    """A stale session of staff is led to prove itself, and nothing is removed."""
    enrol(user)
    client = signed_in(staff)
    Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))

    response = remove(client, only(user))

    assert response["Location"] == f"/account/reauthenticate/?{urlencode({'next': LIST})}"
    assert has_authenticator(user)


def test_not_without_the_permission(user: User, other_user: User) -> None:
    """Staff who may look may not remove."""
    enrol(user)
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.add(Permission.objects.get(codename="view_authenticator"))

    client = signed_in(other_user)
    remove(client, only(user))
    forged = {"action": "remove_second_factor", "_selected_action": [only(user).pk]}
    client.post(LIST, forged | {"answered": only(user).pk})

    assert has_authenticator(user)
    assert "remove_second_factor" not in client.get(LIST).content.decode()


def test_asks_first(staff: User, user: User) -> None:
    """The list asks as the list of users does, and names whose they are."""
    enrol(user)

    data = {"action": "remove_second_factor", "_selected_action": [str(only(user).pk)]}
    page = signed_in(staff).post(LIST, data).content.decode()

    assert "ann: 1 authenticator" in page
    assert has_authenticator(user)


def test_not_ones_own(staff: User) -> None:
    """One's own second factor is removed on the security page, where it is asked for."""
    app = enrol(staff)
    client = signed_in(staff)
    client.post("/account/challenge/", {"code": app.code()})

    remove(client, only(staff))

    assert has_authenticator(staff)


def test_asvs_6_4_6_staff_neither_see_nor_set_secrets(staff: User, user: User) -> None:
    """The admin shows no secret and no code, and takes none."""
    app = enrol(user)
    client = signed_in(staff)
    url = f"{LIST}{only(user).pk}/change/"
    before = bytes(only(user).sealed_secret or b"")

    pages = client.get(LIST).content.decode() + client.get(url).content.decode()
    sent = client.post(url, {"sealed_secret": "AAAA", "secret": "AAAA", "last_used_step": "0"})

    assert sent.status_code == 403
    assert bytes(only(user).sealed_secret or b"") == before
    for text in (totp.in_base32(app.secret), app.secret.hex(), before.hex(), "sealed"):
        assert text not in pages
    assert not any(code in pages for code in app.recovery_codes)


def test_the_list_is_a_fixed_number_of_queries(
    staff: User, django_assert_max_num_queries: Any
) -> None:
    """However many authenticators there are, the list costs the same."""
    client = signed_in(staff)
    for number in range(8):
        enrol(User.objects.create_user(f"user{number}"))
    client.get(LIST)

    with django_assert_max_num_queries(9):
        assert client.get(LIST).content.decode().count("user") > 8


def test_the_command(user: User) -> None:
    """``mfa_remove`` does the same from a shell, and says what it did."""
    enrol(user)
    enrol(user)
    out = StringIO()

    call_command("mfa_remove", "ann", stdout=out)

    assert "2 authenticators removed" in out.getvalue()
    assert not has_authenticator(user)
    assert SessionEvent.objects.filter(event=Event.AUTHENTICATOR_REMOVED, user=user).count() == 2


def test_the_command_rehearses(user: User) -> None:
    """With ``--dry-run`` it says how much there is, and leaves it."""
    signed_in(user)
    enrol(user)
    out = StringIO()

    call_command("mfa_remove", "ann", "--dry-run", stdout=out)

    assert out.getvalue() == "1 authenticators would be removed, 1 sessions ended.\n"
    assert has_authenticator(user)
    assert Session.objects.for_user(user).active().count() == 1


def test_the_command_knows_its_users(db: None) -> None:
    """An unknown name is an error that says so."""
    with pytest.raises(CommandError, match="There is no user 'nobody'"):
        call_command("mfa_remove", "nobody")


def test_removing_unlocks(user: User) -> None:
    """Whoever was held up by wrong codes is not, after the help desk helped."""
    from sessions_plus.models import Scope, Throttle

    enrol(user)
    Throttle.objects.create(scope=Scope.ACCOUNT, subject=str(user.pk), attempts=50)

    call_command("mfa_remove", "ann", stdout=StringIO())

    assert Throttle.objects.get(scope=Scope.ACCOUNT).attempts == 0
    assert not Device.objects.exclude(trusted_until=None).exists()
