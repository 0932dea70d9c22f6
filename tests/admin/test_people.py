"""The list of users: who has a second factor, and what the help desk does for many at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.urls import clear_url_caches, reverse
from django.utils import timezone

from sessions_plus.admin import people, users
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import Event, Reason, Session, SessionEvent
from tests.admin.desk import USERS, act, documented_permissions, make_support, said, signed_in
from tests.support.authenticators import enrol

pytestmark = pytest.mark.django_db

END, RESET = "end_sessions", "remove_second_factor"


class OwnUserAdmin(admin.ModelAdmin):
    """A site's own admin of users that knows nothing of ours, and overrides what it can."""

    def get_list_display(self, request: Any) -> Any:
        return ("username", "email")

    def get_list_filter(self, request: Any) -> Any:
        return ()

    def get_actions(self, request: Any) -> Any:
        return {}


@pytest.fixture(params=[UserAdmin, OwnUserAdmin], ids=["stock", "custom"])
def user_admin(request: pytest.FixtureRequest) -> Any:
    """Django's admin of users, and a site's own."""
    former = admin.site._registry[User]
    admin.site.unregister(User)
    admin.site.register(User, request.param)
    users.add_to_users(admin.site)
    clear_url_caches()
    yield admin.site._registry[User]
    admin.site._registry[User] = former
    clear_url_caches()


@pytest.fixture
def support(db: None) -> Client:
    """Somebody of the help desk, with the documented permissions and no other."""
    return signed_in(make_support())


def choose(client: Client, action: str, *chosen: User) -> Any:
    return act(client, action, *chosen, url=USERS)  # type: ignore[arg-type]


def asked(action: str, *chosen: User) -> str:
    name = people.END if action == END else people.RESET
    return people.question_url(admin.site, name, [user.pk for user in chosen])


class TestList:
    def test_shows_who_has_a_second_factor(
        self, support: Client, user: User, other_user: User, user_admin: Any
    ) -> None:
        """A column says so, whichever admin class the site has for its users."""
        enrol(user)

        page = support.get(reverse(USERS))

        shown = {
            row.username: people.has_second_factor(row) for row in page.context["cl"].result_list
        }
        assert shown == {"ann": "Yes", "ben": None, "sam": None}
        assert b"column-has_second_factor" in page.content

    @pytest.mark.parametrize(("value", "found"), [("yes", {"ann"}), ("no", {"ben", "sam"})])
    def test_filters_by_second_factor(
        self,
        support: Client,
        user: User,
        other_user: User,
        user_admin: Any,
        value: str,
        found: set[str],
    ) -> None:
        """The filter keeps those who have one, or those who have none."""
        enrol(user)

        page = support.get(reverse(USERS), {"second_factor": value})

        assert {row.username for row in page.context["cl"].result_list} == found

    def test_who_began_to_set_one_up_has_none(self, support: Client, user: User) -> None:
        """An enrolment that nobody confirmed is no second factor."""
        from sessions_plus.keys import new_public_id
        from sessions_plus.mfa.enrolment import begin

        begin(user, session_public_id=new_public_id(), now=timezone.now())

        page = support.get(reverse(USERS), {"second_factor": "yes"})

        assert not page.context["cl"].result_list

    def test_costs_one_query_more(
        self, desk: Client, user_admin: Any, django_assert_max_num_queries: Any
    ) -> None:
        """However many users a page has, the column is one query, and nothing is asked of each."""
        enrol(User.objects.create(username="first"))
        desk.get(reverse(USERS))
        with django_assert_max_num_queries(20) as few:
            desk.get(reverse(USERS))
        for number in range(30):
            enrol(User.objects.create(username=f"user{number}"))

        with django_assert_max_num_queries(len(few.captured_queries)) as many:
            desk.get(reverse(USERS))

        own = [one["sql"] for one in many if "sessions_plus_authenticator" in one["sql"]]
        assert len(own) == 1

    def test_is_as_it_was_without_the_permissions(self, user: User, user_admin: Any) -> None:
        """Who may see users and nothing of ours finds neither column, filter nor action."""
        ours = [name for app, name in documented_permissions() if app == "sessions_plus"]
        reader = signed_in(make_support(*ours))

        page = reader.get(reverse(USERS)).content.decode()

        for name in ("has_second_factor", "second_factor=", END, RESET):
            assert name not in page

    def test_no_actions_stay_no_actions(self, desk: Client, user: User) -> None:
        """A class that switched actions off gets none."""

        class Bare(UserAdmin):
            actions = None

        bare = Bare(User, admin.AdminSite())
        people.add_to_list(bare)
        request: Any = desk.get(reverse(USERS)).wsgi_request

        assert bare.get_actions(request) == {}

    def test_django_checks_it_as_before(self, user_admin: Any) -> None:
        """What we add does not keep Django from checking the class."""
        call_command("check", "admin")
        assert user_admin.check() == []


class TestEnding:
    def test_asks_first_and_names_everybody(
        self,
        support: Client,
        user: User,
        other_user: User,
        user_admin: Any,
        sign_in: Callable[..., Session],
    ) -> None:
        """The action leads to a question with each name, and nothing has ended by then."""
        sign_in(user)
        sign_in(user)

        page = choose(support, END, user, other_user)

        text = page.content.decode()
        assert page.redirect_chain[-1][0] == asked(END, user, other_user)
        assert "ann: 2 sessions" in text
        assert "ben: 0 sessions" in text
        assert Session.objects.for_user(user).active().count() == 2

    def test_the_button_ends_all_of_them(
        self,
        support: Client,
        user: User,
        other_user: User,
        user_admin: Any,
        sign_in: Callable[..., Session],
    ) -> None:
        """The sessions of those people end, and nobody else's; the list says how many."""
        for person in (user, user, other_user):
            sign_in(person)

        response = support.post(asked(END, user), follow=True)

        assert not Session.objects.for_user(user).active().exists()
        assert Session.objects.for_user(other_user).active().count() == 1
        event = SessionEvent.objects.filter(event=Event.SESSION_REVOKED).latest("pk")
        assert (event.reason, event.actor.username) == (Reason.REVOKED_BY_STAFF, "sam")  # type: ignore[union-attr]
        assert response.request["PATH_INFO"] == reverse(USERS)
        assert said(response) == "2 sessions were ended."

    def test_ones_own_session_goes_on(self, support: Client) -> None:
        """Whoever is among the chosen stays signed in here, and is told."""
        sam = User.objects.get(username="sam")
        signed_in(sam)

        response = support.post(asked(END, sam), follow=True)

        assert Session.objects.for_user(sam).active().count() == 1
        assert "Your own session goes on." in said(response)


class TestResetting:
    @pytest.mark.django_db(transaction=True)
    def test_takes_factors_away_and_tells(
        self, support: Client, user: User, other_user: User, sign_in: Callable[..., Session]
    ) -> None:
        """After the question: no factor, no session, an event with who did it, and a mail."""
        session = sign_in(user)
        enrol(user)
        enrol(other_user)
        question = choose(support, RESET, user).content.decode()

        response = support.post(asked(RESET, user), follow=True)

        session.refresh_from_db()
        event = SessionEvent.objects.get(event=Event.AUTHENTICATOR_REMOVED)
        assert "ann: 1 authenticator" in question
        assert not has_authenticator(user)
        assert has_authenticator(other_user)
        assert (session.revoked_reason, event.actor.username) == (Reason.FACTOR_CHANGED, "sam")  # type: ignore[union-attr]
        assert "The second factor of 1 person was removed." in said(response)
        told = [message.subject for message in mail.outbox if message.to == ["ann@example.com"]]
        assert "Two-factor sign-in: an authenticator was removed" in told

    def test_proves_first_and_comes_back_to_the_question(self, user: User) -> None:
        """Stale staff are led to prove themselves, and from there to the question, not past it."""
        enrol(user)
        support = signed_in(make_support())
        Session.objects.update(reauthenticated_at=timezone.now() - timedelta(hours=1))

        to_prove = support.get(asked(RESET, user))
        forged = support.post(asked(RESET, user))

        assert to_prove.status_code == forged.status_code == 302
        assert to_prove["Location"].startswith("/account/reauthenticate/?next=")
        assert "remove-second-factor" in to_prove["Location"]
        assert has_authenticator(user)

    def test_not_ones_own(self) -> None:
        """One's own factor is removed where it is asked for, also after a proof of it."""
        sam = make_support()
        app = enrol(sam)
        support = signed_in(sam)
        support.post("/account/challenge/", {"code": app.code()})

        response = support.post(asked(RESET, sam), follow=True)

        assert "The second factors of 0 people were removed." in said(response)
        assert has_authenticator(sam)


@pytest.mark.parametrize(
    ("action", "without"),
    [
        (END, "revoke_any_session"),
        (RESET, "remove_any_authenticator"),
        (END, "view_user"),
        (RESET, "view_user"),
    ],
)
def test_takes_the_permissions(
    user: User, sign_in: Callable[..., Session], action: str, without: str
) -> None:
    """Who lacks one is neither asked nor obeyed."""
    sign_in(user)
    enrol(user)
    client = signed_in(make_support(without))

    assert client.get(asked(action, user)).status_code == 403
    assert client.post(asked(action, user)).status_code == 403
    assert has_authenticator(user)
    assert Session.objects.for_user(user).active().exists()


def test_no_more_than_a_question_can_name(
    support: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More people than fit a question are refused, and none of them is touched."""
    monkeypatch.setattr(people, "ASKED_AT_ONCE", 1)

    response = choose(support, END, user, User.objects.get(username="sam"))

    assert "Choose 1 people at most." in said(response)


@pytest.mark.parametrize("query", ["", "?user=987654", "?user=x"])
def test_nobody_to_ask_about(support: Client, query: str) -> None:
    """An address that names nobody, or another act, is none of ours."""
    url = reverse(f"admin:{people.PEOPLE_URL_NAME}", args=[people.END])

    assert support.get(url + query).status_code == 404
    other = reverse(f"admin:{people.PEOPLE_URL_NAME}", args=["other"])
    assert support.get(other).status_code == 404


def test_a_forged_form_is_refused(support: Client, user: User) -> None:
    support.handler.enforce_csrf_checks = True

    assert support.post(asked(END, user)).status_code == 403
