"""What a refresh token is good for, once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.contrib.auth.signals import user_logged_in
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.exceptions import InvalidToken, TokenReused
from sessions_plus.lifecycle import revoke
from sessions_plus.mfa.reauthentication import Proved
from sessions_plus.models import Device, Event, Kind, Reason, Session, SessionEvent
from sessions_plus.tokens.refresh import Tokens, refresh, revoke_token
from sessions_plus.tokens.sessions import named_session
from tests.support.moments import START
from tests.tokens.factories import claims_of, new_tokens

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("engine")]


def renewed(token: str, **options: Any) -> Tokens:
    return refresh(token, client=ClientInfo.of(), now=timezone.now(), **options)


def test_signing_in_makes_a_session(user: Any) -> None:
    """A program's sign-in is a session of its own kind, on a device, with an event."""
    tokens = new_tokens(user, device_name="Ann's phone")

    session = Session.objects.get()
    assert session.kind == Kind.API
    assert session.user == user
    assert session.methods == ["pwd"]
    assert session.device is not None
    assert session.device.label == "Ann's phone"
    assert session.public_id == tokens.session.public_id
    assert SessionEvent.objects.filter(event=Event.SESSION_STARTED).count() == 1


def test_signing_in_is_a_login_like_any_other(user: Any) -> None:
    """Whoever listens to Django's signal hears of a program's sign-in."""
    heard = []

    def listen(user: Any, **_: Any) -> None:
        heard.append(user)

    user_logged_in.connect(listen)
    try:
        new_tokens(user)
    finally:
        user_logged_in.disconnect(listen)

    user.refresh_from_db()
    assert heard == [user]
    assert user.last_login is not None


def test_device_is_known_again(user: Any) -> None:
    """An installation that sends its device token is the same device at its next sign-in."""
    first = new_tokens(user)
    second = new_tokens(user, device_token=first.device_token)

    assert Device.objects.count() == 1
    assert second.device_token == first.device_token
    assert Session.objects.active().count() == 2


def test_refresh(user: Any) -> None:
    """A refresh token is spent for the next one, and an access token of the same session."""
    tokens = new_tokens(user)

    later = renewed(tokens.refresh)

    assert later.refresh != tokens.refresh
    assert claims_of(later.access)["sid"] == claims_of(tokens.access)["sid"]
    assert Session.objects.count() == 1


def test_lost_response(user: Any) -> None:
    """Who asks again because the answer was lost gets the same next token, even later."""
    with time_machine.travel(START, tick=False) as clock:
        tokens = new_tokens(user)
        first = renewed(tokens.refresh)
        clock.shift(timedelta(hours=2))

        again = renewed(tokens.refresh)

    assert again.refresh == first.refresh


def test_reuse_ends_the_session(user: Any) -> None:
    """A spent token that comes back after its successor was seen ends its session."""
    with time_machine.travel(START, tick=False) as clock:
        tokens = new_tokens(user)
        bystander = new_tokens(user)
        newest = renewed(renewed(tokens.refresh).refresh)
        clock.shift(timedelta(minutes=1))

        with pytest.raises(TokenReused):
            renewed(tokens.refresh)

        with pytest.raises(TokenReused):
            renewed(newest.refresh)
        assert renewed(bystander.refresh)  # type: ignore[truthy-bool]  # it did not raise

    session = Session.objects.get(public_id=tokens.session.public_id)
    assert session.revoked_reason == Reason.KEY_REUSED
    assert SessionEvent.objects.filter(event=Event.KEY_REUSED).count() == 1


def test_reuse_of_any_age(user: Any) -> None:
    """A token from long before is known as one of this session's, without a list of them."""
    oldest = tokens = new_tokens(user)
    for _ in range(5):
        tokens = renewed(tokens.refresh)

    with pytest.raises(TokenReused):
        renewed(oldest.refresh)


def test_proof_that_meets_another_write_gives_out_a_good_token(user: Any) -> None:
    """A session's new refresh token is good also where its write had to be tried again."""
    public_id = new_tokens(user).session.public_id
    store, other = (named_session(public_id, client=None) for _ in range(2))
    store.get("color")
    other["color"] = "blue"
    other.save()

    store.bind(Proved(user.pk, ("pwd",)))
    store.save()

    assert renewed(str(store.session_key)).session.public_id == public_id


def test_another_device_does_not_get_the_successor(user: Any) -> None:
    """Who names its device alone gets the successor; another who has the spent token ends it."""
    tokens = new_tokens(user)
    first = renewed(tokens.refresh, device_token=tokens.device_token)
    assert renewed(tokens.refresh, device_token=tokens.device_token).refresh == first.refresh

    with pytest.raises(TokenReused):
        renewed(tokens.refresh, device_token=new_tokens(user).device_token)


@pytest.mark.parametrize("end", ["session", "device", "token"])
def test_ended_session(user: Any, end: str) -> None:
    """What ends the session ends its refresh token, whichever way it ends."""
    tokens = new_tokens(user)
    session = Session.objects.select_related("device").get()
    if end == "session":
        revoke(session)
    elif end == "device":
        assert session.device is not None
        revoke_device(session.device)
    else:
        assert revoke_token(tokens.refresh, client=None)

    with pytest.raises(InvalidToken):
        renewed(tokens.refresh)


def test_revoking_nothing() -> None:
    """Revoking what is no token, or ended already, does nothing."""
    assert not revoke_token("", client=None)
    assert not revoke_token("x" * 76, client=None)


@pytest.mark.parametrize("change", ["inactive", "gone", "password"])
def test_user_who_may_not_go_on(user: Any, change: str) -> None:
    """A user who is disabled behind our back, gone, or has a new password is refreshed no more."""
    tokens = new_tokens(user)
    people = type(user).objects.filter(pk=user.pk)
    if change == "inactive":
        people.update(is_active=False)
    elif change == "gone":
        people._raw_delete(people.db)
    else:
        user.set_password("another one")
        people.update(password=user.password)

    with pytest.raises(InvalidToken):
        renewed(tokens.refresh)

    people.update(is_active=True)
    with pytest.raises(InvalidToken):
        renewed(tokens.refresh)
    assert Session.objects.get().revoked_at is not None


def test_idle_timeout(user: Any) -> None:
    """A client that does not come back for the idle timeout has to sign in again."""
    with time_machine.travel(START, tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(days=7) - timedelta(seconds=1))
        tokens = renewed(tokens.refresh)
        clock.shift(timedelta(days=7))

        with pytest.raises(InvalidToken):
            renewed(tokens.refresh)

    assert Session.objects.get().revoked_reason == Reason.IDLE


def test_absolute_lifetime(user: Any) -> None:
    """However often a client comes back, after the lifetime it has to sign in again."""
    with time_machine.travel(START, tick=False) as clock:
        tokens = new_tokens(user)
        for _ in range(5):
            clock.shift(timedelta(days=5))
            tokens = renewed(tokens.refresh)
        clock.shift(timedelta(days=5))

        with pytest.raises(InvalidToken):
            renewed(tokens.refresh)

    assert Session.objects.get().revoked_reason == Reason.ABSOLUTE


def test_limits_of_browsers_do_not_apply(user: Any, settings: Settings) -> None:
    """A browser's idle timeout is none of an API client's business."""
    settings.SESSIONS_PLUS_IDLE_TIMEOUT = timedelta(minutes=5)
    with time_machine.travel(START, tick=False) as clock:
        tokens = new_tokens(user)
        clock.shift(timedelta(days=1))

        assert renewed(tokens.refresh).refresh


def test_cookie_does_not_refresh(user: Any, client: Client) -> None:
    """A browser's session key refreshes nothing, and its session goes on."""
    client.force_login(user)
    key = client.cookies["sessionid"].value

    with pytest.raises(InvalidToken):
        renewed(key)

    assert client.session["_auth_user_id"] == str(user.pk)


def test_refresh_token_is_no_cookie(user: Any, client: Client) -> None:
    """A refresh token signs no browser in, and its session goes on."""
    tokens = new_tokens(user)
    client.cookies["sessionid"] = tokens.refresh

    assert "_auth_user_id" not in client.session
    assert renewed(tokens.refresh).refresh
