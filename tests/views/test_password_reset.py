"""A forgotten password: a link by mail, one answer for everybody, and every session ended."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import time_machine
from django.contrib.auth import views as auth_views
from django.contrib.auth.models import User
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from django.utils import timezone

from sessions_plus.mfa.throttle import WINDOWS
from sessions_plus.models import Event, Outcome, Reason, Scope, Session, SessionEvent, Throttle
from tests.conftest import PASSWORD
from tests.notices.mails import html_of
from tests.support.authenticators import enrol
from tests.views.conftest import FIREFOX, SAFARI, SignIn

pytestmark = pytest.mark.django_db(transaction=True)

ASK = "/account/password/reset/"
NEW = "a quite different horse"
LINK = re.compile(r"https?://\S+/password/reset/\S+/")


class SitesOwn:
    """The URLs of a site that resets passwords itself."""

    urlpatterns = [
        path("account/", include("sessions_plus.urls")),
        path("reset/", auth_views.PasswordResetView.as_view(), name="password_reset"),
    ]


def ask(address: str, **more: Any) -> Any:
    return Client(headers={"user-agent": SAFARI}, **more).post(ASK, {"email": address})


def link() -> str:
    """The path of the link in the latest mail."""
    found = LINK.search(str(mail.outbox[-1].body))
    assert found is not None
    return urlsplit(found[0]).path


def choose(browser: Client, at: str, password: str = NEW) -> Any:
    """Follow a link as a browser does, and send the form that it leads to."""
    form = browser.get(at, follow=True)
    action = form.redirect_chain[-1][0] if form.redirect_chain else at
    return browser.post(action, {"new_password1": password, "new_password2": password})


def test_nobody_is_asked_for_an_address_that_users_do_not_have(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where people are known by a telephone, no page offers a mail, and ours is not there."""
    monkeypatch.setattr(User, "EMAIL_FIELD", "telephone")

    assert ASK not in client.get("/account/login/").content.decode()
    assert client.get(ASK).status_code == 404
    assert ask("ann@example.com").status_code == 404


def test_a_link_leads_to_a_new_password(user: User) -> None:
    """Whoever has the mail chooses a password and signs in with it; the old one is over."""
    assert ask("ann@example.com").status_code == 302
    browser = Client()

    assert choose(browser, link())["Location"] == "/account/password/reset/done/"
    assert "Sign in" in browser.get("/account/password/reset/done/").content.decode()

    user.refresh_from_db()
    assert user.check_password(NEW)
    assert "_auth_user_id" not in browser.session


def test_mail_says_for_what_and_who_asked(user: User) -> None:
    """It names account, site and device, and has one link, in text and HTML alike."""
    ask("ann@example.com")
    [message] = mail.outbox

    assert message.to == ["ann@example.com"]
    for text in (str(message.body), html_of(message)):
        assert "ann (testserver)" in text
        assert "Safari on iOS" in text
        assert "127.0.0.1" in text
        assert set(LINK.findall(text.replace('"', " "))) == {f"http://testserver{link()}"}


def test_every_session_ends(user: User, sign_in: SignIn) -> None:
    """Whoever was signed in with the old password is signed out, wherever they are."""
    own, stranger = sign_in(user, FIREFOX), sign_in(user, SAFARI)
    ask("ann@example.com")

    choose(own, link())

    assert stranger.get("/account/devices/").status_code == 302
    reasons = set(Session.objects.exclude(user=None).values_list("revoked_reason", flat=True))
    assert reasons == {Reason.PASSWORD_CHANGED, Reason.SIGNED_OUT}


def test_second_factor_is_still_asked_for(user: User) -> None:
    """A mailbox is no second factor: the sign-in with the new password waits for a code."""
    enrol(user)
    ask("ann@example.com")
    browser = Client()
    choose(browser, link())

    response = browser.post("/account/login/", {"username": "ann", "password": NEW})

    assert response["Location"].startswith("/account/challenge/")
    assert browser.get("/account/devices/").status_code == 302


def test_somebody_else_signed_in_is_no_administrator(
    user: User, other_user: User, sign_in: SignIn
) -> None:
    """In another person's browser the link works, and the change is not told as theirs."""
    browser = sign_in(other_user)
    ask("ann@example.com")

    choose(browser, link())

    event = SessionEvent.objects.get(event=Event.PASSWORD_CHANGED)
    assert (event.user_id, event.actor_id) == (user.pk, None)
    assert browser.get("/account/devices/").status_code == 302


def test_nobody_learns_who_has_an_account(user: User, other_user: User) -> None:
    """Of an address, of nobody's, of a disabled account: same answer, and as many statements."""
    User.objects.filter(pk=other_user.pk).update(is_active=False)
    ask("first@example.com")
    answers, costs = set(), set()

    for address in ("ann@example.com", "nobody@example.com", "ben@example.com"):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            response = ask(address)
        answers.add((response.status_code, response["Location"], response.content))
        costs.add(len(queries))

    assert len(answers) == 1
    assert len(costs) == 1
    assert [message.to for message in mail.outbox] == [["ann@example.com"]]


def test_nobody_is_flooded(user: User, settings: Any) -> None:
    """After some mails to an address further ones wait, and the answer does not say so."""
    settings.SESSIONS_PLUS_THROTTLE_ATTEMPTS = 3

    answers = {ask(address).content for address in ["ann@example.com", "ANN@example.com"] * 5}

    assert len(answers) == 1
    assert len(mail.outbox) == 3
    with time_machine.travel(timezone.now() + WINDOWS[Scope.RESET], tick=False):
        ask("ann@example.com")
    assert len(mail.outbox) == 4


def test_one_network_cannot_ask_for_ever(user: User, settings: Any) -> None:
    """Whoever tries many addresses has to wait, and is told for how long."""
    settings.SESSIONS_PLUS_THROTTLE_ATTEMPTS = 1

    codes = [ask(f"{number}@example.com").status_code for number in range(12)]

    assert codes[:10] == [302] * 10
    assert codes[-1] == 429


def test_addresses_are_not_stored(user: User) -> None:
    """What was typed is counted under a digest."""
    ask("ann@example.com")

    subjects = " ".join(Throttle.objects.values_list("subject", flat=True))
    assert "ann" not in subjects
    assert Throttle.objects.filter(scope="password_reset").count() == 1


def test_is_on_record(user: User) -> None:
    """Who was sent a link reads it in their activity; an address of nobody is a failure."""
    ask("ann@example.com")
    ask("nobody@example.com")

    events = SessionEvent.objects.order_by("pk").values_list("event", "outcome", "user_id")
    asked = Event.PASSWORD_RESET_REQUESTED
    assert list(events) == [
        (asked, Outcome.SUCCESS, user.pk),
        (asked, Outcome.FAILURE, None),
    ]


def test_a_link_works_once_and_not_for_ever(user: User) -> None:
    """Used, too old or made up: the page says so, and leads to a new link."""
    ask("ann@example.com")
    first = link()
    with time_machine.travel(timezone.now() + timedelta(days=4), tick=False):
        assert "no longer works" in Client().get(first).content.decode()
    choose(Client(), first)

    for bad in (first, f"{ASK}Mg/c1-abc/", f"{ASK}!/x/"):
        page = Client().get(bad).content.decode()
        assert "This link no longer works" in page
        assert f'href="{ASK}"' in page


def test_looking_changes_nothing(user: User) -> None:
    """Programs that follow links in mails use none up, and the token leaves the address."""
    ask("ann@example.com")

    for _ in range(3):
        response = Client().get(link())
        assert response["Location"].endswith("/set-password/")
        assert response["Referrer-Policy"] == "same-origin"
        assert "no-store" in response["Cache-Control"]
    assert choose(Client(), link()).status_code == 302


def test_no_link_that_a_stranger_chose(
    user: User, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A site that answers to any host sends no link to the one of the request, and says why."""
    settings.ALLOWED_HOSTS = ["*"]

    ask("ann@example.com", SERVER_NAME="evil.example")

    assert mail.outbox == []
    assert "SESSIONS_PLUS_SITE_URL" in caplog.text


def test_a_password_kept_elsewhere_is_not_reset(user: User) -> None:
    """Who signs in with another service gets no link, and nobody learns that."""
    user.set_unusable_password()
    user.save()

    assert ask("ann@example.com").status_code == 302
    assert mail.outbox == []


def test_sign_in_page_leads_there(db: None) -> None:
    assert f'href="{ASK}"' in Client().get("/account/login/").content.decode()


@pytest.mark.parametrize("name", ["", "sent/", "done/", "Mg/c1-abc/"])
def test_sites_own_reset_comes_first(db: None, settings: Any, name: str) -> None:
    """Where the site names ``password_reset``, ours does nothing but lead there."""
    settings.ROOT_URLCONF = SitesOwn

    assert 'href="/reset/"' in Client().get("/account/login/").content.decode()
    for answer in (Client().get(ASK + name), Client().post(ASK + name, {"email": "a@b.c"})):
        assert answer["Location"] == "/reset/"


def test_it_was_not_me_leads_to_a_new_password(user: User, sign_in: SignIn) -> None:
    """The report itself sends the link: four clicks from the first mail to a new password."""
    sign_in(user, FIREFOX)
    stranger = sign_in(user, SAFARI)
    told = urlsplit(re.findall(r"https?://\S+/notices/\S+/", str(mail.outbox[0].body))[0]).path

    page = Client().post(told, {"all_sessions": "on"}).content.decode()
    choose(Client(), link())

    assert "We have sent you one more mail" in page
    assert f'href="{ASK}"' in page
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert not user.check_password(PASSWORD)
    assert stranger.get("/account/devices/").status_code == 302
