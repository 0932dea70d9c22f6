"""A user's own page in the admin, with their live sessions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Permission, User
from django.http import HttpRequest
from django.test import Client, override_settings
from django.urls import clear_url_caches, path, reverse
from django.utils import timezone

from sessions_plus.admin import SessionAdmin, users
from sessions_plus.models import Event, Reason, Session, SessionEvent
from tests.admin.desk import DEVICES, EVENTS, SESSIONS, answer, said

pytestmark = pytest.mark.django_db


class StaffPages(admin.ModelAdmin):
    """A site's own admin of users that knows nothing of ours, and overrides what it can."""

    fields = ("username", "email")

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        return []

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        return []


@pytest.fixture(params=[UserAdmin, StaffPages], ids=["stock", "custom"])
def user_page(request: pytest.FixtureRequest, user: User) -> Any:
    """The address of Ann's own page, on Django's admin of users and on a site's own."""
    former = admin.site._registry[User]
    admin.site.unregister(User)
    admin.site.register(User, request.param)
    users.add_to_users(admin.site)
    clear_url_caches()
    yield reverse("admin:auth_user_change", args=[user.pk])
    admin.site._registry[User] = former
    clear_url_caches()


class TestUserPage:
    def test_shows_live_sessions(
        self,
        desk: Client,
        user: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """A user's own page shows their live sessions, whichever admin class it has."""
        sign_in(user, location="Berlin, Germany")
        sign_in(user, location="Paris, France", revoked_at=timezone.now())
        sign_in(other_user, location="Rome, Italy")

        page = desk.get(user_page).content.decode()

        assert "Berlin, Germany" in page
        assert "Paris, France" not in page
        assert "Rome, Italy" not in page
        assert f"{reverse(SESSIONS)}?user={user.pk}" in page

    def test_its_link_lists_all_sessions_of_the_user(
        self,
        desk: Client,
        user: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """The link leads to the user's sessions, with those that ended, and to nobody else's."""
        rows = {sign_in(user).pk, sign_in(user, revoked_at=timezone.now()).pk}
        sign_in(other_user)

        response = desk.get(reverse(SESSIONS), {"user": user.pk})

        assert {row.pk for row in response.context["cl"].result_list} == rows

    def test_ends_the_ticked_sessions(
        self,
        desk: Client,
        user: User,
        staff: User,
        other_user: User,
        user_page: str,
        sign_in: Callable[..., Session],
    ) -> None:
        """What is ticked ends, audited, and what belongs to another user does not."""
        ticked, left, foreign = sign_in(user), sign_in(user), sign_in(other_user)
        address = desk.get(user_page).context["inline_admin_formsets"][-1].formset.revoke_url

        response = desk.post(
            address,
            {"live_session": [ticked.public_id, foreign.public_id, "no id"], "username": "x"},
            follow=True,
        )

        ended = Session.objects.exclude(revoked_at=None).get()
        event = SessionEvent.objects.get(event=Event.SESSION_REVOKED)
        assert ended == ticked
        assert ended.revoked_by == event.actor == staff
        assert ended.revoked_reason == event.reason == Reason.REVOKED_BY_STAFF
        assert left in Session.objects.active()
        assert response.request["PATH_INFO"] == user_page
        assert said(response) == "1 session was ended."

    def test_ends_all_sessions(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """One button asks, and ends every session, also those that the page has no room for."""
        for _ in range(3):
            sign_in(user)
        address = desk.get(user_page).context["inline_admin_formsets"][-1].formset.revoke_url

        question = desk.post(address, {"revoke_all_sessions": "", "username": "x"})
        assert Session.objects.for_user(user).active().count() == 3
        assert "ann: 3 sessions" in question.content.decode()
        assert f'href="{user_page}"' in question.content.decode()
        response = answer(desk, question)

        assert not Session.objects.for_user(user).active().exists()
        assert SessionEvent.objects.filter(event=Event.SESSION_REVOKED, user=user).count() == 3
        assert said(response) == "3 sessions were ended."

    def test_ends_everything_but_the_own_session(self, desk: Client, staff: User) -> None:
        """On their own page, staff end every session but the one they work in."""
        Client().force_login(staff)

        response = desk.post(
            reverse(f"admin:{users.URL_NAME}", args=[staff.pk]),
            {"revoke_all_sessions": "", "answered": ""},
            follow=True,
        )

        assert Session.objects.for_user(staff).active().count() == 1
        assert "Your own session goes on." in said(response)

    def test_takes_the_permission(
        self, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """Who may see sessions finds no button, and a forged request is refused."""
        session = sign_in(user)
        person = User.objects.create_user("reader", password="x", is_staff=True)
        person.user_permissions.set(
            Permission.objects.filter(codename__in=["view_session", "view_user"])
        )
        reader = Client()
        reader.force_login(person)

        page = reader.get(user_page)
        address = page.context["inline_admin_formsets"][-1].formset.revoke_url
        refused = reader.post(address, {"revoke_all_sessions": ""})

        session.refresh_from_db()
        assert b"live-sessions" in page.content
        assert b"formaction" not in page.content
        assert refused.status_code == 403
        assert session.revoked_at is None

    def test_is_hidden_from_who_may_not_see_sessions(self, user_page: str) -> None:
        """Without the permission to view sessions the page is as it was."""
        person = User.objects.create_user("reader", password="x", is_staff=True)
        person.user_permissions.set(Permission.objects.filter(codename="view_user"))
        reader = Client()
        reader.force_login(person)

        page = reader.get(user_page)

        assert page.status_code == 200
        assert b"live-sessions" not in page.content

    @pytest.mark.parametrize("extra", [{}, {"sessions_plus_session_set-TOTAL_FORMS": "7"}])
    def test_saving_the_user_works_as_before(
        self,
        desk: Client,
        user: User,
        user_page: str,
        sign_in: Callable[..., Session],
        extra: dict[str, str],
    ) -> None:
        """Saving the user needs nothing from the sessions' part, and changes no session."""
        sign_in(user)
        before = list(Session.objects.values())
        data = {"username": "anne", "email": "anne@example.com", "is_active": "on"}
        data |= {"date_joined_0": "2030-01-01", "date_joined_1": "00:00:00"}

        response = desk.post(user_page, data | extra)

        user.refresh_from_db()
        assert response.status_code == 302
        assert user.username == "anne"
        ours = [row for row in Session.objects.values() if row["user_id"] == user.pk]
        assert ours == [row for row in before if row["user_id"] == user.pk]

    def test_the_enter_key_still_saves(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """The first button of the form, which the Enter key presses, is the one that saves."""
        sign_in(user)

        page = desk.get(user_page).content.decode()
        form = page[page.index('id="user_form"') :]

        assert form.index('name="_save"') < form.index("formaction")

    @pytest.mark.parametrize(
        ("method", "user_id", "status"),
        [("get", "99", 404), ("post", "99", 404), ("post", "x", 404)],
    )
    def test_answers_about_people_only(
        self, desk: Client, method: str, user_id: str, status: int
    ) -> None:
        """Nobody's key is none of ours."""
        address = reverse(f"admin:{users.URL_NAME}", args=[user_id])

        assert getattr(desk, method)(address).status_code == status

    def test_a_get_leads_to_the_page(self, desk: Client, user: User, user_page: str) -> None:
        """Whoever loads the question's address anew is back where it was asked."""
        response = desk.get(reverse(f"admin:{users.URL_NAME}", args=[user.pk]))

        assert (response.status_code, response["Location"]) == (302, user_page)

    def test_is_protected_against_forgery(self, desk: Client, user: User) -> None:
        """Another site's form ends nobody's sessions."""
        desk.handler.enforce_csrf_checks = True

        response = desk.post(
            reverse(f"admin:{users.URL_NAME}", args=[user.pk]), {"revoke_all_sessions": ""}
        )

        assert response.status_code == 403

    def test_the_page_for_a_new_user_is_as_it_was(self, desk: Client, user_page: str) -> None:
        """Who does not exist yet has no sessions."""
        page = desk.get(reverse("admin:auth_user_add"))

        assert page.status_code == 200
        assert b"live-sessions" not in page.content

    def test_is_added_once(self, desk: Client, user: User, user_page: str) -> None:
        """Asking a site for its URLs again adds nothing."""
        assert admin.site.urls

        assert desk.get(user_page).content.count(b'id="live-sessions"') == 1

    def test_costs_the_same_with_one_session_and_with_thirty(
        self,
        desk: Client,
        user: User,
        user_page: str,
        sign_in: Callable[..., Session],
        django_assert_max_num_queries: Any,
    ) -> None:
        """The user's page asks once for all the sessions."""
        sign_in(user)
        desk.get(user_page)
        with django_assert_max_num_queries(30) as few:
            desk.get(user_page)
        for _ in range(29):
            sign_in(user)

        with django_assert_max_num_queries(len(few.captured_queries)):
            desk.get(user_page)

    def test_a_user_is_deleted_as_before(
        self, desk: Client, user: User, user_page: str, sign_in: Callable[..., Session]
    ) -> None:
        """The delete page asks, and deleting a user ends their sessions."""
        session = sign_in(user)
        address = reverse("admin:auth_user_delete", args=[user.pk])

        assert desk.get(address).status_code == 200
        assert desk.post(address, {"post": "yes"}).status_code == 302

        session.refresh_from_db()
        assert not User.objects.filter(username="ann").exists()
        assert session.revoked_reason == Reason.USER_DELETED
        for url in (SESSIONS, EVENTS, DEVICES):
            assert desk.get(reverse(url)).status_code == 200


other_site = admin.AdminSite(name="back_office")
other_site.register(Session, SessionAdmin)
other_site.register(User, StaffPages)
urlpatterns = [path("back/", other_site.urls), path("admin/", admin.site.urls)]


@override_settings(ROOT_URLCONF=__name__)
def test_another_admin_site_has_it_too(
    desk: Client, user: User, sign_in: Callable[..., Session]
) -> None:
    """On a site's second admin, with its own classes, all links and buttons stay there."""
    session = sign_in(user)
    address = f"/back/auth/user/{user.pk}/change/"

    formset = desk.get(address).context["inline_admin_formsets"][-1].formset
    response = desk.post(formset.revoke_url, {"live_session": session.public_id}, follow=True)

    assert formset.links[0][0].startswith("/back/")
    assert response.request["PATH_INFO"] == address
    assert said(response) == "1 session was ended."
