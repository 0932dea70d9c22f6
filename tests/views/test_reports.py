""" "This wasn't me": a link that asks first, works once, and ends what it told of."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Model
from django.test import Client, override_settings
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sessions_plus.crypto import Purpose, digest
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.events import record
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Device, Event, Notice, Reason, Session, SessionEvent
from sessions_plus.notices.links import LINK_LIFETIME
from sessions_plus.signals import session_revoked
from tests.notices.mails import link_in, only_mail
from tests.support.moments import utc
from tests.views.conftest import FIREFOX, SAFARI, SignIn

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]


@pytest.fixture
def strangers_link(user: User, sign_in: SignIn) -> str:
    """The link in the mail that told Ann of a stranger's sign-in; she has a session herself."""
    sign_in(user, FIREFOX)
    sign_in(user, SAFARI)
    return urlsplit(link_in(only_mail())).path


def ended() -> dict[str, str]:
    """Say by system which sessions ended, and why."""
    return dict(Session.objects.exclude(revoked_at=None).values_list("system", "revoked_reason"))


def everything() -> list[tuple[str, object]]:
    models: list[type[Model]] = [Session, Device, Notice, SessionEvent]
    return [(str(model), list(model._default_manager.order_by("pk").values())) for model in models]


def test_asks_first(strangers_link: str) -> None:
    """The page tells what happened, when and where, and has one form with one button."""
    response = Client().get(strangers_link)
    html = response.content.decode()

    assert response.status_code == 200
    assert "a device that we had not seen before" in html
    assert "Safari on iOS" in html
    assert html.count('method="post"') == 1
    assert "checkbox" in html


@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing(strangers_link: str, method: str) -> None:
    """Mail programs and scanners that follow the link end nothing and use nothing up."""
    before = everything()

    codes = [getattr(Client(), method)(strangers_link).status_code for _ in range(3)]

    assert codes == [200] * 3
    assert everything() == before


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(strangers_link: str, method: str) -> None:
    """Nothing but a POST acts."""
    before = everything()

    assert getattr(Client(), method)(strangers_link).status_code == 405
    assert everything() == before


def test_ends_the_session_and_its_device(strangers_link: str) -> None:
    """A report ends the session it is about, with its device and trust, and spares the others."""
    Device.objects.filter(system="iOS").update(trusted_until=utc(2100, 1, 1), trust_hash="0" * 64)

    response = Client().post(strangers_link)

    assert response.status_code == 302
    assert response["Location"] == "/reset/"
    assert ended() == {"iOS": Reason.REPORTED}
    device = Device.objects.get(system="iOS")
    assert device.revoked_at is not None
    assert (device.token_hash, device.trusted_until, device.trust_hash) == (None, None, "")


def test_ends_all_if_asked(strangers_link: str, user: User) -> None:
    """With the box ticked, as it is unless somebody unticks it, everything ends."""
    assert 'name="all_sessions" checked' in Client().get(strangers_link).content.decode()

    Client().post(strangers_link, {"all_sessions": "on"})

    assert ended() == {"iOS": Reason.REPORTED, "Linux": Reason.REPORTED}


def test_works_for_the_person_elsewhere(strangers_link: str, user: User, sign_in: SignIn) -> None:
    """Who reports need not be signed in, and stays signed in where the report is about another."""
    ann = sign_in(user, FIREFOX)

    assert ann.post(strangers_link).status_code == 302
    assert ann.get("/account/devices/").status_code == 200


def test_strangers_next_request_is_refused(user: User, sign_in: SignIn) -> None:
    """After the report, the stranger's browser is signed out."""
    sign_in(user, FIREFOX)
    stranger = sign_in(user, SAFARI)

    Client().post(urlsplit(link_in(only_mail())).path)

    assert stranger.get("/account/devices/").status_code == 302


def test_is_of_no_use_to_another_person(
    strangers_link: str, other_user: User, sign_in: SignIn
) -> None:
    """A report touches the sessions of the person it was sent to, whoever is signed in."""
    ben = sign_in(other_user, FIREFOX)

    ben.post(strangers_link, {"all_sessions": "on"})

    assert ben.get("/account/devices/").status_code == 200


def test_works_once(strangers_link: str) -> None:
    """A used link answers calmly that it is over, to GET and POST alike, and does nothing."""
    Client().post(strangers_link)
    before = everything()

    for response in (Client().get(strangers_link), Client().post(strangers_link)):
        assert response.status_code == 410
        assert "This link no longer works" in response.content.decode()
    assert everything() == before


def test_expires(strangers_link: str) -> None:
    """A link works until, not at, its end a week after the mail."""
    sent = Notice.objects.get().created_at

    with time_machine.travel(sent + LINK_LIFETIME - timedelta(seconds=1), tick=False):
        assert Client().get(strangers_link).status_code == 200
    with time_machine.travel(sent + LINK_LIFETIME, tick=False):
        assert Client().get(strangers_link).status_code == 410
        assert Client().post(strangers_link).status_code == 410
    assert ended() == {}


def bad_links() -> dict[str, str]:
    public_id = Notice.objects.get().public_id
    return {
        "never made": "/account/notices/nonsense/",
        "of nobody": f"/account/notices/{new_token(new_public_id(), purpose=Purpose.NOTICE_LINK)}/",
        "other secret": f"/account/notices/{new_token(public_id, purpose=Purpose.NOTICE_LINK)}/",
        "other purpose": f"/account/notices/{new_token(public_id)}/",
        "only the id": f"/account/notices/{public_id}/",
        "NUL": "/account/notices/%00/",
        "long": f"/account/notices/{'A' * 4000}/",
    }


def test_bad_links_all_answer_alike(strangers_link: str) -> None:
    """Used, expired, forged: nobody learns from the answer which it was."""
    answers = set()
    for link in bad_links().values():
        for response in (Client().get(link), Client().post(link)):
            assert response.status_code == 410
            answers.add(response.content)
    Client().post(strangers_link)
    answers.add(Client().get(strangers_link).content)

    assert len(answers) == 1


def test_forged_links_cost_no_query(
    strangers_link: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A link that was never made here is refused without asking the database."""
    links = bad_links()

    for name in ("never made", "other purpose", "only the id", "long"):
        with django_assert_num_queries(0):
            Client().get(links[name])


def test_other_sites_cannot_post_it(strangers_link: str) -> None:
    """A form on another site that holds the link is refused."""
    client = Client(enforce_csrf_checks=True)

    assert client.post(strangers_link).status_code == 403
    assert ended() == {}


def test_browsers_form_is_accepted(strangers_link: str) -> None:
    """The page's own form works on HTTPS, where Django asks for the origin."""
    client = Client(enforce_csrf_checks=True)
    page = client.get(strangers_link, secure=True)
    token = client.cookies["csrftoken"].value

    response = client.post(
        strangers_link,
        {"csrfmiddlewaretoken": token},
        secure=True,
        headers={"origin": "https://testserver"},
    )

    # With `no-referrer` a browser would send `Origin: null` here, and be refused.
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert response.status_code == 302


def test_page_is_private(strangers_link: str) -> None:
    """The page is kept by no cache, framed by no site, and its address told to no other."""
    for response in (Client().get(strangers_link), Client().get("/account/notices/nonsense/")):
        assert "no-store" in response.headers["Cache-Control"]
        assert response.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert response.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite lets one write at a time")
def test_ten_at_once_act_once(strangers_link: str) -> None:
    """Of ten parallel reports one acts."""

    def post(_: int) -> int:
        try:
            return Client().post(strangers_link).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        codes = sorted(pool.map(post, range(10)))

    assert codes == [302] + [410] * 9
    assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED).count() == 1


def test_link_works_again_after_a_failure(strangers_link: str) -> None:
    """A report that could not be done has not used the link up."""
    table = connection.ops.quote_name(Device._meta.db_table)
    away = connection.ops.quote_name("devices_away")
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {away}")
    try:
        failed = Client(raise_request_exception=False).post(strangers_link)
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {away} RENAME TO {table}")

    assert failed.status_code == 500
    assert Client().post(strangers_link).status_code == 302


def test_without_session_or_device_all_end(user: User, sign_in: SignIn) -> None:
    """News of no session in particular offers no choice: the report ends them all."""
    sign_in(user, FIREFOX)
    with override_settings(SESSIONS_PLUS_SITE_URL="http://testserver"):
        record(Event.PASSWORD_CHANGED, user=user)
    link = urlsplit(link_in(only_mail())).path

    page = Client().get(link).content.decode()
    Client().post(link)

    assert "All your devices will be signed out." in page
    assert "checkbox" not in page
    assert ended() == {"Linux": Reason.REPORTED}


def test_removed_device_is_no_hindrance(strangers_link: str) -> None:
    """A report about a device that was removed meanwhile goes through."""
    revoke_device(Device.objects.get(system="iOS"))

    assert Client().post(strangers_link).status_code == 302


def test_deleted_user_leaves_no_link(strangers_link: str, user: User) -> None:
    """The links of a deleted person are over."""
    user.delete()

    assert Notice.objects.count() == 0
    assert Client().get(strangers_link).status_code == 410


def test_deleted_user_past_the_signals(strangers_link: str, user: User) -> None:
    """Where a person's row went past Django, their link fails for nobody."""
    User.objects.filter(pk=user.pk)._raw_delete("default")

    assert Client().post(strangers_link, {"all_sessions": "on"}).status_code == 302


def test_token_is_stored_as_a_digest(strangers_link: str) -> None:
    """The database cannot be used to report anything."""
    token = strangers_link.rstrip("/").rpartition("/")[2]

    assert Notice.objects.get().token_hash == digest(token)


def test_report_is_audited_and_signalled(strangers_link: str, user: User) -> None:
    """What a report ended stands in the activity, with the reason."""
    seen: list[str] = []

    def receive(reason: str, **_: object) -> None:
        seen.append(reason)

    session_revoked.connect(receive)
    try:
        Client().post(strangers_link)
    finally:
        session_revoked.disconnect(receive)

    assert seen == [Reason.REPORTED]
    events = SessionEvent.objects.filter(user=user).order_by("-pk").values_list("event", "reason")
    assert list(events[:2]) == [("device.revoked", ""), ("session.revoked", "reported")]


@pytest.fixture
def changed(strangers_link: str, user: User) -> None:
    """Ann changed her password after the mail, by which everything ended."""
    user.set_password("another horse")
    user.save()


@pytest.mark.parametrize("agent", [FIREFOX, SAFARI], ids=["other device", "device of the mail"])
def test_old_link_spares_what_began_after_a_new_password(
    strangers_link: str, changed: None, user: User, agent: str
) -> None:
    """Whoever finds an old mail ends nothing of a person who has put things in order since."""
    later = Client(headers={"user-agent": agent})
    later.cookies["device"] = "x"
    later.post("/account/login/", {"username": "ann", "password": "another horse"})
    Device.objects.filter(system="iOS").update(last_seen_at=timezone.now())
    device = Device.objects.filter(system="iOS").latest("pk")
    Notice.objects.filter(event=Event.DEVICE_FIRST_SEEN).update(device=device)

    Client().post(strangers_link, {"all_sessions": "on"})

    assert later.get("/account/devices/").status_code == 200


def test_old_link_still_ends_what_was_kept(
    strangers_link: str, user: User, sign_in: SignIn
) -> None:
    """A session of before that the change of the password kept is ended by the link, as it says."""
    event = record(Event.PASSWORD_CHANGED, user=user, reason="others_kept")
    assert event.at > Notice.objects.earliest("pk").created_at

    Client().post(strangers_link, {"all_sessions": "on"})

    assert ended() == {"iOS": Reason.REPORTED, "Linux": Reason.REPORTED}


@pytest.mark.urls("tests.urls")
def test_where_the_password_is_kept_elsewhere_it_leads_on(user: User, sign_in: SignIn) -> None:
    """Who has no password here is sent no link, and still has something to press."""
    sign_in(user, FIREFOX)
    sign_in(user, SAFARI)
    User.objects.filter(pk=user.pk).update(password="!")

    response = Client().post(urlsplit(link_in(only_mail())).path)

    assert response.status_code == 200
    assert "Now choose a new password" in response.content.decode()
    assert 'href="/account/password/reset/"' in response.content.decode()
