"""Mail about an account: sent once the news is true, and never in the way of it."""

from __future__ import annotations

import json
import logging

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.db import transaction
from django.test import override_settings

from sessions_plus.devices.revocation import revoke_device
from sessions_plus.events import record
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Device, Event, Notice, Reason, SessionEvent
from tests.conftest import World
from tests.notices import senders
from tests.notices.mails import html_of, only_mail, sign_in_elsewhere
from tests.support.browsers import FIREFOX, SAFARI, Browser

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]

QUEUED = override_settings(SESSIONS_PLUS_NOTICE_SENDER="tests.notices.senders.enqueue")
FAILING = override_settings(SESSIONS_PLUS_NOTICE_SENDER="tests.notices.senders.fail")

TOLD = [
    Event.KEY_REUSED,
    Event.PASSWORD_CHANGED,
    Event.PASSWORD_REMOVED,
    Event.AUTHENTICATOR_ADDED,
    Event.AUTHENTICATOR_REMOVED,
    Event.AUTHENTICATOR_DISABLED,
    Event.AUTHENTICATOR_CLONED,
    Event.THROTTLED,
    Event.RECOVERY_CODES_MADE,
    Event.RECOVERY_CODE_USED,
    Event.DEVICE_TRUSTED,
    Event.DEVICE_FIRST_SEEN,
    Event.DATA_EXPORTED,
]


def test_new_device(engine: str, world: World, user: User) -> None:
    """A sign-in on a device that was not seen before is told of, in text and in HTML."""
    Browser(world, user_agent=FIREFOX).get("sign-in", name="ann")
    Browser(world, user_agent=SAFARI).get("sign-in", name="ann")

    message = only_mail()

    assert message.to == ["ann@example.com"]
    assert message.subject == "New sign-in to your account"
    assert "Safari on iOS" in message.body
    assert "127.0.0.1" in message.body
    assert "Safari on iOS" in html_of(message)


def test_first_device_is_no_news(user: User, world: World) -> None:
    """Nobody is told of the sign-in with which they begin."""
    Browser(world).get("sign-in", name="ann")

    assert mail.outbox == []


def test_known_device_is_no_news(user: User, world: World) -> None:
    """Signing in again on the same device sends nothing."""
    browser = Browser(world)
    for _ in range(2):
        browser.get("sign-in", name="ann")
        browser.get("sign-out")

    assert mail.outbox == []


def test_sign_in_by_a_program_is_no_news(engine: str, user: User, world: World) -> None:
    """A test's ``force_login()`` makes a device each time, of which nobody is told."""
    for _ in range(3):
        world(Browser(world).client, "force_login", user)

    assert mail.outbox == []
    assert Device.objects.count() == 3


@pytest.mark.parametrize("event", TOLD)
def test_each_security_event_is_told(user: User, event: Event) -> None:
    """New devices, reused keys, and changes of password or factors reach their person."""
    record(event, user=user)

    assert only_mail().to == ["ann@example.com"]


@pytest.mark.parametrize("event", [event for event in Event if event not in TOLD])
def test_other_events_are_not_told(user: User, event: Event) -> None:
    """Everything else stands in the activity list only."""
    record(event, user=user)

    assert mail.outbox == []


def test_no_address_no_mail(user: User) -> None:
    """Who left no address gets no mail, and that is no failure."""
    user.email = ""
    user.save()

    record(Event.AUTHENTICATOR_ADDED, user=user)

    assert mail.outbox == []
    assert not SessionEvent.objects.filter(event=Event.NOTICE_FAILED).exists()


def test_nobody_no_mail(db: None) -> None:
    """An event without a user has nobody to tell, nor has one whose user is gone."""
    record(Event.KEY_REUSED)
    record(Event.KEY_REUSED, user_id=4711)

    assert mail.outbox == []
    assert not SessionEvent.objects.filter(event=Event.NOTICE_FAILED).exists()


def test_user_known_by_id_only(user: User) -> None:
    """The address is looked up where whoever recorded the event had only the id."""
    record(Event.KEY_REUSED, user_id=user.pk)

    assert only_mail().to == ["ann@example.com"]


def test_rolled_back_news_are_not_told(user: User) -> None:
    """What did not happen after all is not told, and its link never was."""
    with transaction.atomic():
        record(Event.PASSWORD_CHANGED, user=user)
        transaction.set_rollback(True)

    assert mail.outbox == []
    assert Notice.objects.count() == 0


def test_mail_waits_for_the_commit(user: User) -> None:
    """Nobody is told of something before it is so."""
    with transaction.atomic():
        record(Event.PASSWORD_CHANGED, user=user)
        assert mail.outbox == []

    assert only_mail().subject == "Your password was changed"


def test_sender_gets_plain_arguments(user: User) -> None:
    """A site's own sender gets text only, which goes into any queue."""
    senders.queue.clear()

    with QUEUED:
        sign_in_elsewhere()

    (queued,) = senders.queue
    sent = json.loads(queued)
    assert set(sent) == {"to", "subject", "text", "html", "event"}
    assert sent["event"] == "device.first_seen"
    assert sent["to"] == "ann@example.com"
    assert mail.outbox == []


@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("tests.notices.senders.fail", id="fails"),
        pytest.param("tests.notices.senders.nowhere", id="not there"),
        pytest.param("nonsense", id="no path"),
    ],
)
def test_failing_mail_breaks_no_sign_in(
    engine: str,
    world: World,
    user: User,
    caplog: pytest.LogCaptureFixture,
    sender: str,
) -> None:
    """Whoever signs in is in, whatever the mail does; that it failed is an event and a log line."""
    Browser(world).get("sign-in", name="ann")
    phone = Browser(world, user_agent=SAFARI)

    with override_settings(SESSIONS_PLUS_NOTICE_SENDER=sender), caplog.at_level(logging.ERROR):
        phone.get("sign-in", name="ann")

    assert phone.text("who") == "ann"
    failed = SessionEvent.objects.get(event=Event.NOTICE_FAILED)
    assert (failed.user, failed.outcome, failed.reason) == (user, "failure", "device.first_seen")
    (told,) = [line for line in caplog.messages if line.startswith("The mail")]
    assert told.startswith("The mail about device.first_seen could not be sent: ")


def test_broken_template_spoils_no_transaction(user: User) -> None:
    """Whatever goes wrong on the way to a mail leaves the view's transaction usable."""
    with (
        override_settings(SESSIONS_PLUS_NOTICE_LANGUAGE="tests.notices.senders.nowhere"),
        override_settings(SESSIONS_PLUS_SITE_URL="https://example.com"),
        transaction.atomic(),
    ):
        record(Event.PASSWORD_CHANGED, user=user)
        user.first_name = "Ann"
        user.save()

    user.refresh_from_db()
    assert user.first_name == "Ann"
    assert Notice.objects.count() == 0
    assert SessionEvent.objects.filter(event=Event.NOTICE_FAILED).count() == 1


def test_bad_address_is_a_failed_mail(user: User) -> None:
    """An address that would add a header sends nothing and breaks nothing."""
    User.objects.update(email="ann@example.com\nBcc: eve@example.com")
    user.refresh_from_db()

    record(Event.PASSWORD_CHANGED, user=user)

    assert mail.outbox == []
    assert SessionEvent.objects.filter(event=Event.NOTICE_FAILED).exists()


def test_failed_mail_sends_no_mail(user: User) -> None:
    """That a mail failed is told to nobody by mail: it would fail again, and again."""
    with FAILING:
        record(Event.PASSWORD_CHANGED, user=user)

    assert SessionEvent.objects.filter(event=Event.NOTICE_FAILED).count() == 1


def test_nothing_but_the_link_is_secret(user: User) -> None:
    """A mail holds no session key, no device token and no digest of either."""
    phone = sign_in_elsewhere()
    device = Device.objects.get(system="iOS")
    secrets = [phone.key, phone.cookies["device"].value, str(device.token_hash)]

    message = only_mail()

    everything = message.message().as_string() + message.body + html_of(message)
    assert all(secret not in everything for secret in secrets)
    assert Notice.objects.get().token_hash not in everything


def test_who_loses_a_device_to_staff_is_told(user: User, staff: User) -> None:
    """That signs them out too; what they remove themselves is no news."""
    for agent in (FIREFOX, SAFARI):
        Browser(World("sync"), user_agent=agent).get("sign-in", name="ann")
    own, other = Device.objects.order_by("pk")
    mail.outbox.clear()
    revoke_device(own)
    revoke_device(other, actor=staff)

    [message] = mail.outbox
    assert message.subject == "You were signed out by our staff"
    assert other.label in message.body


def test_who_is_signed_out_by_staff_is_told_once(user: User, staff: User) -> None:
    """Support ends all that a person is signed in with, and one mail says so; theirs is no news."""
    for agent in (FIREFOX, SAFARI):
        Browser(World("sync"), user_agent=agent).get("sign-in", name="ann")
    mail.outbox.clear()
    with override_settings(SESSIONS_PLUS_SITE_URL="https://shop.example"):
        revoke_all(user, reason=Reason.REVOKED_BY_STAFF, actor=staff)
        Browser(World("sync"), user_agent=FIREFOX).get("sign-in", name="ann")
        revoke_all(user)

    told = [message for message in mail.outbox if "by our staff" in message.subject]
    [message] = told
    for part in ("an administrator of the site", "shop.example", "ann"):
        assert part in message.body
