"""The page of one's own events."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail
from django.test import Client
from django.utils import timezone

from sessions_plus.devices.activity import EVENTS, Topic
from sessions_plus.devices.naming import rename
from sessions_plus.events import record
from sessions_plus.models import Authenticator, Device, Event, Outcome, Session, SessionEvent
from tests.admin.desk import answer
from tests.conftest import PASSWORD
from tests.support.authenticators import enrol
from tests.views.conftest import FIREFOX, SAFARI, SignIn

ACTIVITY = "/account/activity/"


def test_own_events_are_shown(user: User, other_user: User, sign_in: SignIn) -> None:
    """The page shows what happened to one's own account, and to nobody else's."""
    record(Event.SIGN_IN_FAILED, user=user, outcome=Outcome.FAILURE)
    record(Event.PASSWORD_CHANGED, user=other_user)

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "Signed in" in html
    assert "Firefox on Linux" in html
    assert "Sign-in failed" in html
    assert "Password changed" not in html


def test_a_mail_that_did_not_go_out_is_not_shown(user: User, sign_in: SignIn) -> None:
    """What only whoever runs the site can do something about is kept from people, and recorded."""
    record(Event.NOTICE_FAILED, user=user, outcome=Outcome.FAILURE, reason="password.changed")

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "Signed in" in html
    assert "Mail could not be sent" not in html
    assert SessionEvent.objects.filter(event=Event.NOTICE_FAILED).exists()


def test_staff_is_named_as_staff(user: User, staff: User, sign_in: SignIn) -> None:
    """What an administrator did is told apart, without saying which one it was."""
    record(Event.DEVICE_REVOKED, user=user, actor=staff)

    html = sign_in(user).get(ACTIVITY).content.decode()

    assert "By an administrator" in html
    assert staff.username not in html


@pytest.mark.parametrize("page", ["1", "2", "99", "-1", "x", ""])
def test_any_page_number_shows_a_page(user: User, sign_in: SignIn, page: str) -> None:
    """A page number that is none, or too high, shows the nearest page."""
    client = sign_in(user)
    for _ in range(30):
        record(Event.PASSWORD_CHANGED, user=user)

    html = client.get(ACTIVITY, {"page": page}).content.decode()

    assert f"Page {2 if page in ('2', '99', '-1') else 1} of 2" in html


@pytest.mark.parametrize("count", [1, 20], ids=["one event", "twenty events"])
def test_queries_do_not_grow(
    user: User,
    sign_in: SignIn,
    count: int,
    django_assert_num_queries: Callable[[int], AbstractContextManager[Any]],
) -> None:
    """The page costs four queries beside session and user, for any number of events."""
    client = sign_in(user)
    for _ in range(count):
        record(Event.PASSWORD_CHANGED, user=user)

    with django_assert_num_queries(6):
        client.get(ACTIVITY)


def rows(client: Client, **query: str) -> str:
    return str(client.get(ACTIVITY, query).content.decode())


def test_one_act_is_one_row(user: User, sign_in: SignIn) -> None:
    """A sign-in on a new device has one row that says so, and what an act ended none of its own."""
    client = sign_in(user)
    sign_in(user, SAFARI)
    Device.objects.update(trusted_until=timezone.now() + timedelta(days=1))
    user.set_password("another horse")
    user.save()
    client.post("/account/login/", {"username": "ann", "password": "another horse"})

    html = rows(client)

    assert html.count("Signed in on a new device") == 2
    assert html.count('<h3 class="row-title">') == 4  # three sign-ins and a new password
    assert "New device" not in html
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).exists()
    assert SessionEvent.objects.filter(event=Event.DEVICE_DISTRUSTED).exists()


def test_a_challenge_that_was_met_is_a_sign_in(user: User) -> None:
    """Asked for a code, and given it: one row. One that was not met stays, as a warning."""
    app = enrol(user)
    client = Client(headers={"user-agent": SAFARI})
    for _ in range(2):
        client.post("/account/login/", {"username": "ann", "password": PASSWORD})
    client.post("/account/challenge/", {"code": app.code()})
    stranger = Client(headers={"user-agent": FIREFOX})
    stranger.post("/account/login/", {"username": "ann", "password": PASSWORD})

    html = rows(client)

    assert html.count("Second factor asked for") == 1
    assert html.count("Signed in") == 1


def test_target_and_sender_are_told_apart(user: User, sign_in: SignIn) -> None:
    """Ending a phone's session from the laptop tells of the phone, and what it was done with."""
    client, phone = sign_in(user), sign_in(user, SAFARI)
    session = Session.objects.get(system="iOS")
    client.post(f"/account/devices/sessions/{session.public_id}/revoke/")
    phone.get(ACTIVITY)

    html = rows(client).split("Session ended")[1].split("</div>")[0]

    assert "Safari on iOS" in html
    assert "done with Firefox on Linux" in html
    assert f'href="/account/devices/sessions/{session.public_id}/"' in html


def test_a_sign_in_has_its_place(user: User, sign_in: SignIn) -> None:
    """Where it came from, and a link to the page of its session, with its device."""
    client = sign_in(user)
    Session.objects.update(location="Basel, Switzerland")

    html = rows(client)

    assert "Basel, Switzerland" in html
    assert "203.0.113.7" in html
    assert f'href="/account/devices/sessions/{Session.objects.get().public_id}/"' in html


FAMILIES = {
    Topic.SECURITY: ("password.", "password_reset.", "authenticator.", "recovery_code"),
    Topic.DEVICES: ("device.", "device_key."),
}


@pytest.mark.parametrize("topic", FAMILIES)
def test_a_topic_has_all_of_its_events(topic: Topic) -> None:
    """What is called after a password, a factor or a device is found under it."""
    family = {event for event in Event if event.value.startswith(FAMILIES[topic])}

    assert set(EVENTS[topic]) == family


def test_a_sign_out_has_its_device(user: User, sign_in: SignIn) -> None:
    """A person reads which device it was that signed out, by the name they gave it."""
    client, phone = sign_in(user), sign_in(user, SAFARI)
    device = Device.objects.get(system="iOS")
    rename(device, "Pocket phone")
    phone.post("/account/logout/")

    assert SessionEvent.objects.get(event=Event.SESSION_SIGNED_OUT).device == device
    assert "Pocket phone" in rows(client)


@pytest.mark.parametrize(
    ("topic", "seen", "unseen"),
    [
        ("sign-ins", "Signed in", "Password changed"),
        ("failed", "Sign-in failed", "Password changed"),
        ("security", "Password changed", "Sign-in failed"),
        ("devices", "New device", "Password changed"),
        ("nonsense", "Password changed", "Nothing of this kind"),
    ],
)
def test_topics(user: User, sign_in: SignIn, topic: str, seen: str, unseen: str) -> None:
    """The page can be narrowed to what one looks for; another word shows everything."""
    client = sign_in(user)
    record(Event.PASSWORD_CHANGED, user=user)
    record(Event.SIGN_IN_FAILED, user=user, outcome=Outcome.FAILURE)

    html = rows(client, topic=topic).split("</nav>")[-1]

    assert seen in html
    assert unseen not in html


def test_topic_is_kept_from_page_to_page(user: User, sign_in: SignIn) -> None:
    client = sign_in(user)
    for _ in range(30):
        record(Event.PASSWORD_CHANGED, user=user)

    assert 'href="?page=2&amp;topic=security"' in rows(client, topic="security")


DESK = "198.51.100.99"


def help_desk_acts(desk: Client, user: User) -> None:
    """What the admin lets staff do to somebody's account."""
    session = Session.objects.for_user(user).latest("pk")
    sessions = {"action": "revoke_selected_sessions", "_selected_action": [session.pk]}
    answer(desk, desk.post("/admin/sessions_plus/session/", sessions))
    desk.post(
        f"/admin/auth/user/{user.pk}/password/",
        {"password1": "another horse", "password2": "another horse", "usable_password": "true"},
    )
    device = Device.objects.get(user=user)
    app = Authenticator.objects.get(user=user)
    for model, row in (("device", device), ("authenticator", app)):
        page = f"/admin/sessions_plus/{model}/"
        for action in desk.get(page).context["action_form"].fields["action"].choices:
            if action[0]:
                chosen = {"action": action[0], "_selected_action": [row.pk]}
                answer(desk, desk.post(page, chosen))


@pytest.mark.django_db(transaction=True)
def test_nobody_is_told_where_an_administrator_is(user: User, staff: User, sign_in: SignIn) -> None:
    """Of what staff did to an account neither page nor mail tells the address."""
    desk = Client(REMOTE_ADDR=DESK, headers={"user-agent": SAFARI})
    desk.force_login(staff)
    sign_in(user)
    enrol(user)
    Device.objects.filter(user=user).update(trusted_until=timezone.now() + timedelta(days=1))
    mail.outbox.clear()

    help_desk_acts(desk, user)

    events = SessionEvent.objects.filter(user=user, ip_address=DESK)
    assert {event.event for event in events} >= {
        *(Event.SESSION_REVOKED, Event.DEVICE_DISTRUSTED, Event.PASSWORD_CHANGED),
    }
    assert {event.actor_id for event in events} == {staff.pk}
    client = Client()
    client.force_login(User.objects.get(pk=user.pk))
    shown = [rows(client), *(str(message.message()) for message in mail.outbox)]
    assert len(mail.outbox) >= 1
    assert not [text for text in shown if DESK in text]
