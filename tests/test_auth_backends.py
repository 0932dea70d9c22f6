"""The backend in a site's list: it changes nobody's sessions, permissions or ways to sign in."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    aauthenticate,
    alogin,
    authenticate,
    get_user_model,
    login,
)
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import path

from sessions_plus.auth_backends import BACKEND, MODEL_BACKEND, Backend, name_in
from sessions_plus.models import Session, Throttle
from tests.conftest import PASSWORD, World, people
from tests.support import sites
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls(__name__), pytest.mark.django_db(transaction=True)]

HERE = f"{__name__}."
OURS_ALONE = override_settings(AUTHENTICATION_BACKENDS=[BACKEND])


class Elsewhere(BaseBackend):
    """Passwords that another system knows."""

    def authenticate(
        self, request: Any, username: str = "", password: str = "", **kwargs: Any
    ) -> Any:
        return User.objects.filter(username=username).first() if password == "elsewhere" else None

    def get_user(self, user_id: Any) -> Any:
        return User.objects.filter(pk=user_id).first()


class ByMail(Backend):
    """A site whose people sign in with their address."""

    def find_user(self, name: str) -> Any:
        return User.objects.filter(email__iexact=name).first()


class Keyed(BaseBackend):
    """Takes a token and no password."""

    def authenticate(self, request: Any, **kwargs: Any) -> Any:
        return User.objects.filter(username=kwargs.get("token")).first()


def sign_in(request: HttpRequest) -> HttpResponse:
    """As a registration does: ``login()`` of somebody whose password nobody asked for."""
    login(request, User.objects.get(username=request.GET["name"]))
    return HttpResponse("signed in")


async def asign_in(request: HttpRequest) -> HttpResponse:
    await alogin(request, await User.objects.aget(username=request.GET["name"]))
    return HttpResponse("signed in")


urlpatterns = [
    path("sync/plain-sign-in/", sign_in),
    path("async/plain-sign-in/", asign_in),
    *sites.urlpatterns,
]


def try_password(world: World, password: str, name: str = "ann", **more: Any) -> Any:
    request = RequestFactory().get("/")
    given = {"username": name, "password": password, **more}
    if world.is_async:
        return async_to_sync(aauthenticate)(request, **given)
    return authenticate(request, **given)


@pytest.fixture
def ann(world: World, user: User) -> Browser:
    """Ann, who signed in when the site still had Django's backend."""
    caches["default"].clear()
    browser = Browser(world)
    with override_settings(AUTHENTICATION_BACKENDS=[MODEL_BACKEND]):
        browser.get("plain-sign-in", name="ann")
        assert browser.text("who") == "ann"
    return browser


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "backends",
    [
        pytest.param([BACKEND], id="in its place"),
        pytest.param([BACKEND, MODEL_BACKEND], id="before it"),
        pytest.param([BACKEND, MODEL_BACKEND, HERE + "Elsewhere"], id="before two"),
        pytest.param([HERE + "ByMail"], id="a subclass in its place"),
        pytest.param((BACKEND,), id="a tuple"),
    ],
)
def test_sessions_that_name_djangos_go_on(ann: Browser, backends: Any) -> None:
    """Who signed in before ours came stays signed in, and so after a change of the session."""
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert ann.text("who") == "ann"
        ann.get("write", color="red")
        caches["default"].clear()

        assert ann.text("who") == "ann"
        assert ann.text("read") == "red"


@pytest.mark.parametrize(
    "backends",
    [
        pytest.param([HERE + "Elsewhere"], id="without ours"),
        pytest.param([BACKEND, HERE + "Elsewhere"], id="ours before another"),
        pytest.param([], id="none"),
    ],
)
def test_sessions_of_a_backend_that_is_gone_are_over(ann: Browser, backends: list[str]) -> None:
    """Where ours does not stand in for Django's, a session that names it is nobody's."""
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert ann.text("who") == "AnonymousUser"


def test_a_backend_that_is_not_there_is_djangos_to_report(user: User) -> None:
    """A path that names nothing breaks nothing before somebody signs in."""
    with (
        override_settings(AUTHENTICATION_BACKENDS=["nowhere.Backend"]),
        pytest.raises(ImportError, match="nowhere"),
    ):
        authenticate(RequestFactory().get("/"), username="ann", password=PASSWORD)


def test_the_list_is_the_sites_own() -> None:
    """What the site wrote is what is there; only one name more is found in it."""
    assert settings.AUTHENTICATION_BACKENDS == [BACKEND]
    assert list(settings.AUTHENTICATION_BACKENDS) == [BACKEND]
    assert MODEL_BACKEND in settings.AUTHENTICATION_BACKENDS
    assert HERE + "Elsewhere" not in settings.AUTHENTICATION_BACKENDS


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("backends", "named"),
    [
        pytest.param([BACKEND], BACKEND, id="ours alone"),
        pytest.param([BACKEND, MODEL_BACKEND], MODEL_BACKEND, id="before Django's"),
        pytest.param([BACKEND, HERE + "Elsewhere"], HERE + "Elsewhere", id="before another"),
        pytest.param([MODEL_BACKEND], MODEL_BACKEND, id="without ours"),
    ],
)
def test_login_without_a_backend(world: World, user: User, backends: list[str], named: str) -> None:
    """``login()`` of somebody whose password nobody asked for goes on as before ours came."""
    caches["default"].clear()
    browser = Browser(world)
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        browser.get("plain-sign-in", name="ann")

        assert browser.text("who") == "ann"
        session = browser.client.session if not world.is_async else None
        assert session is None or session[BACKEND_SESSION_KEY] == named


@pytest.mark.parametrize(
    "backends",
    [
        pytest.param([BACKEND, MODEL_BACKEND, HERE + "Elsewhere"], id="ours before two"),
        pytest.param([MODEL_BACKEND, HERE + "Elsewhere"], id="two without ours"),
    ],
)
def test_login_without_a_backend_among_several(user: User, backends: list[str]) -> None:
    """Which of two others it was, nobody can tell: Django's own error, as before."""
    with (
        override_settings(AUTHENTICATION_BACKENDS=backends),
        pytest.raises(ValueError, match="multiple authentication backends"),
    ):
        Client().get("/sync/plain-sign-in/", {"name": "ann"})


def test_backend_of_a_user() -> None:
    """What is set on a user, as ``authenticate()`` does, is what is found there."""
    with override_settings(AUTHENTICATION_BACKENDS=[BACKEND, MODEL_BACKEND]):
        user: Any = User(username="ann")
        assert user.backend == MODEL_BACKEND
        user.backend = "site.Own"

        assert user.backend == "site.Own"
        assert not hasattr(get_user_model(), "backend")
    assert not hasattr(User(username="ann"), "backend")


def by_password(request: HttpRequest) -> HttpResponse:
    """A page that signs in whoever has the password."""
    user: Any = authenticate(request, username="ann", password=request.GET["password"])
    login(request, user)
    return HttpResponse("signed in")


async def aby_password(request: HttpRequest) -> HttpResponse:
    user: Any = await aauthenticate(request, username="ann", password=request.GET["password"])
    await alogin(request, user)
    return HttpResponse("signed in")


def of_another(request: HttpRequest) -> HttpResponse:
    """A page on which somebody proves themselves, and another is signed in."""
    authenticate(request, username="ann", password=PASSWORD)
    login(request, people().get(username=request.GET["name"]), backend=MODEL_BACKEND)
    return HttpResponse("signed in")


async def aof_another(request: HttpRequest) -> HttpResponse:
    await aauthenticate(request, username="ann", password=PASSWORD)
    user = await people().aget(username=request.GET["name"])
    await alogin(request, user, backend=MODEL_BACKEND)
    return HttpResponse("signed in")


urlpatterns += [
    path("sync/of-another/", of_another),
    path("async/of-another/", aof_another),
    path("sync/by-password/", by_password),
    path("async/by-password/", aby_password),
]


@pytest.mark.parametrize(
    ("backends", "page", "given", "method"),
    [
        pytest.param([BACKEND], "by-password", PASSWORD, "pwd", id="our own check"),
        pytest.param(
            [BACKEND, HERE + "Elsewhere"], "by-password", "elsewhere", "pwd", id="another's check"
        ),
        pytest.param([BACKEND], "plain-sign-in", "", "ext", id="no password was asked for"),
        pytest.param([MODEL_BACKEND], "plain-sign-in", "", "pwd", id="nobody knows: Django's"),
    ],
)
def test_method_of_a_sign_in(
    world: World, user: User, backends: list[str], page: str, given: str, method: str
) -> None:
    """A session says that a password was proved where one was looked at in that very request."""
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        Browser(world).get(page, name="ann", password=given)

    assert Session.objects.get().methods == [method]


@OURS_ALONE
def test_anothers_password_says_nothing(world: World, user: User, other_user: User) -> None:
    """A password that was looked at in this request is its owner's proof, and nobody else's."""
    Browser(world).get("of-another", name=other_user.username)

    assert Session.objects.get().methods == ["ext"]


@OURS_ALONE
@pytest.mark.parametrize(
    ("name", "password", "is_right"),
    [
        pytest.param("ann", PASSWORD, True, id="right"),
        pytest.param("ann", "wrong", False, id="wrong"),
        pytest.param("nobody", PASSWORD, False, id="no such name"),
        pytest.param("disabled", PASSWORD, False, id="disabled"),
        pytest.param("unusable", PASSWORD, False, id="no usable password"),
    ],
)
def test_does_what_djangos_does(
    world: World, user: User, name: str, password: str, is_right: bool
) -> None:
    """Alone, it lets in whom Django's own backend lets in."""
    User.objects.create_user("disabled", password=PASSWORD, is_active=False)
    User.objects.create_user("unusable")

    found = try_password(world, password, name)

    assert (found is not None) is is_right
    assert not is_right or found.backend == BACKEND


@OURS_ALONE
@pytest.mark.parametrize(
    ("name", "password"),
    [
        pytest.param("a\x00nn", "x", id="NUL"),
        pytest.param("\ud800", "x", id="half a character"),
        pytest.param(["ann"], "x", id="a list"),
        pytest.param({"a": 1}, "x", id="a dictionary"),
        pytest.param("a" * 100_000, "x", id="a long one"),
        pytest.param("", "x", id="empty"),
        pytest.param("ann", ["x"], id="a password that is no text"),
        pytest.param("ann", None, id="no password"),
    ],
)
def test_what_is_no_name_is_nobodys(world: World, user: User, name: Any, password: Any) -> None:
    """Whatever a stranger sends in place of a name or a password lets nobody in, calmly."""
    assert try_password(world, password, name) is None


def test_beside_others_it_only_counts(world: World, user: User) -> None:
    """Before another backend it lets in nobody whom that does not, and gives no permission."""
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    root = User.objects.create_superuser("root", password=PASSWORD)
    with override_settings(AUTHENTICATION_BACKENDS=[BACKEND, HERE + "Elsewhere"]):
        assert try_password(world, PASSWORD) is None
        assert try_password(world, "elsewhere").backend == HERE + "Elsewhere"

        for found in (User.objects.get(pk=user.pk), User.objects.get(pk=root.pk)):
            found.is_superuser = False  # else Django asks nobody
            assert world(found, "get_all_permissions") == set()
            assert world(found, "get_user_permissions") == set()
            assert world(found, "get_group_permissions") == set()
            assert not world(found, "has_perm", "auth.view_user")


@pytest.mark.parametrize(
    "backends", [[BACKEND], [BACKEND, MODEL_BACKEND]], ids=["alone", "before Django's"]
)
def test_permissions_are_those_of_djangos(world: World, user: User, backends: list[str]) -> None:
    """Alone or before Django's own, what somebody may do is what it was."""
    user.user_permissions.add(Permission.objects.get(codename="view_user"))
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert world(User.objects.get(), "has_perm", "auth.view_user")
        assert world(User.objects.get(), "get_all_permissions") == {"auth.view_user"}


@override_settings(AUTHENTICATION_BACKENDS=[HERE + "ByMail"])
def test_a_site_may_find_its_users_by_other_names(world: World, user: User) -> None:
    """A subclass says who has a name; then it signs in by that."""
    assert try_password(world, PASSWORD, "Ann@Example.com") == user
    assert try_password(world, PASSWORD, "ann") is None


@override_settings(AUTHENTICATION_BACKENDS=[BACKEND, HERE + "Keyed"])
def test_a_token_is_no_guess(user: User) -> None:
    """Who signs in with something else than a password is not counted."""
    assert authenticate(RequestFactory().get("/"), token="ann") == user
    assert not Throttle.objects.exists()


def test_the_test_client_is_not_counted(user: User) -> None:
    """``Client.login()`` comes with no request, so no test of a site is told to wait."""
    for _ in range(20):
        assert not Client().login(username="ann", password="wrong")

    assert Client().login(username="ann", password=PASSWORD)
    assert not Throttle.objects.exists()


@pytest.mark.parametrize(
    ("credentials", "name"),
    [
        pytest.param({"username": "ann"}, "ann", id="Django's"),
        pytest.param({"username": None, "email": "a@b.c"}, "a@b.c", id="by mail"),
        pytest.param({"username": None, "login": "ann"}, "ann", id="a login"),
        pytest.param({"username": None, "email": "a@b.c", "phone": "1"}, "a@b.c", id="of two"),
        pytest.param({"username": None, "phone": "1", "area": "9"}, "9 1", id="a site's own"),
        pytest.param({"phone": "1", "password": "***"}, "1", id="without the password"),
        pytest.param({"username": 5}, "5", id="a number"),
        pytest.param({"username": None}, None, id="none"),
    ],
)
def test_name_in_credentials(credentials: dict[str, Any], name: str | None) -> None:
    """The name is found whatever a site calls it."""
    assert name_in(credentials) == name


def test_it_is_djangos() -> None:
    """Whoever asks whether people sign in by Django's passwords is told so."""
    assert issubclass(Backend, ModelBackend)
