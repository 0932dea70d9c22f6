"""
Other packages of sign-in beside us: where they pass the second factor by, and what holds them.

The code that holds them is the page's own: ``docs/with/recipes.md``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.urls import clear_url_caches, include, path
from django.utils import timezone
from django.utils.module_loading import import_string

from sessions_plus.checks.catalogue import TAG
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Device, Reason, Session
from tests.conftest import PASSWORD
from tests.integrations import recipes_site
from tests.integrations.pages import install
from tests.integrations.settings import OUR_MIDDLEWARE, middleware
from tests.integrations.sites import come_again
from tests.support.authenticators import App, enrol

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.urls("tests.integrations.recipes_site"),
    pytest.mark.filterwarnings("ignore:The OAuth 2.0 resource owner password:DeprecationWarning"),
]

RIGHT = {"username": "ann", "password": PASSWORD}
BEARERS = "sessions_plus.tokens.guards.BearerMiddleware"
WORK = "tests.integrations.recipes_site.WorkAccount"
REFRESH = "mozilla_django_oidc.middleware.SessionRefresh"
PROVIDER = "tests.integrations.recipes_site.Provider"

# What these packages read of their setting once, and keep.
KEPT = {
    "SIMPLE_JWT": "rest_framework_simplejwt.serializers.api_settings",
    "NINJA_JWT": "ninja_jwt.schema.api_settings",
    "REST_AUTH": "dj_rest_auth.app_settings.api_settings",
}


Write = Callable[[dict[str, Any]], None]
Follow = Callable[[str], None]
Mount = Callable[..., None]


@pytest.fixture(autouse=True)
def _site(engine: str, settings: Any) -> None:
    """The site, with each engine."""
    settings.LOGIN_URL = "/ours/login/"
    settings.AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]
    settings.MIDDLEWARE = middleware(OUR_MIDDLEWARE)
    settings.OAUTH2_PROVIDER = {"ALWAYS_RELOAD_OAUTHLIB_CORE": True}
    caches["default"].clear()


@pytest.fixture
def write(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write settings, as before the site starts."""

    def put(values: dict[str, Any]) -> None:
        for name, value in values.items():
            before = getattr(settings, name, None) if isinstance(value, dict) else None
            setattr(settings, name, {**before, **value} if before else value)
            for key, told in value.items() if name in KEPT else ():
                is_path = isinstance(told, str) and name != "NINJA_JWT"
                kept = import_string(told) if is_path else told
                monkeypatch.setattr(import_string(KEPT[name]), key, kept)

    return put


@pytest.fixture
def follow(write: Write, monkeypatch: pytest.MonkeyPatch) -> Follow:
    """Write what a section of the page says."""
    return lambda section: write(install("with/recipes.md", section, monkeypatch))


@pytest.fixture
def mount(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mount]:
    """Give the site addresses before all others: ``mount(path(…), under="social/")``."""

    def put(*patterns: Any, under: str = "") -> None:
        own = path(under, include(list(patterns)))
        monkeypatch.setattr(recipes_site, "urlpatterns", [own, *recipes_site.urlpatterns])
        clear_url_caches()

    yield put
    monkeypatch.undo()
    clear_url_caches()


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann", "ann@example.com", PASSWORD)


@pytest.fixture
def app(ann: User) -> App:
    """Her authenticator app."""
    return enrol(ann)


@pytest.fixture
def client() -> Client:
    return Client()


def signed_in(client: Client) -> str:
    return str(client.get("/who/").json()["user"])


def methods() -> str:
    return Session.objects.active().exclude(user=None).get().auth_methods


def type_code(client: Client, app: App) -> None:
    client.post("/ours/challenge/", {"code": app.code()})


def post(client: Client, url: str, data: dict[str, Any]) -> Any:
    return client.post(url, json.dumps(data), "application/json")


def named_packages() -> set[str]:
    """Return the packages that the check names, whose views pass the second factor by."""
    with override_settings(DEBUG=False):
        found = run_checks(tags=[TAG], include_deployment_checks=True)
    said = [str(each.msg) for each in found if each.id == "sessions_plus.W220"]
    return {text.partition(" gives out")[0] for text in said}


def give_oauth(client: Client, data: dict[str, Any]) -> Any:
    """Ask for a token by the password grant."""
    application = import_string("oauth2_provider.models.Application")
    application.objects.get_or_create(
        client_id="shop",
        client_type="public",
        authorization_grant_type="password",
    )
    return client.post("/oauth/token/", {"grant_type": "password", "client_id": "shop", **data})


# Where a token comes from a name and a password, and the name of the package in the check.
TOKENS: dict[str, tuple[Callable[[Client, dict[str, Any]], Any], str]] = {
    "djangorestframework-simplejwt": (
        lambda client, data: post(client, "/jwt/", data),
        "djangorestframework-simplejwt",
    ),
    "sliding": (
        lambda client, data: post(client, "/jwt/sliding/", data),
        "djangorestframework-simplejwt",
    ),
    "django-ninja-jwt": (
        lambda client, data: post(client, "/ninja/token/pair", data),
        "django-ninja-jwt",
    ),
    "django-oauth-toolkit": (give_oauth, "django-oauth-toolkit (its password grant)"),
    "dj-rest-auth": (lambda client, data: post(client, "/rest-auth/login/", data), "dj-rest-auth"),
    "dj-rest-auth with JWT": (
        lambda client, data: post(client, "/rest-auth/login/", data),
        "dj-rest-auth",
    ),
}

SECTIONS = {
    "sliding": "djangorestframework-simplejwt",
    "django-ninja-jwt": "djangorestframework-simplejwt",
    "dj-rest-auth with JWT": "dj-rest-auth",
}


@pytest.fixture(params=TOKENS)
def door(request: pytest.FixtureRequest, write: Write) -> str:
    """Each view that gives out tokens for a password."""
    if request.param == "dj-rest-auth with JWT":
        write({"REST_AUTH": {"USE_JWT": True}})
    name: str = request.param
    return name


@pytest.fixture
def held(door: str, follow: Follow, write: Write, settings: Any) -> str:
    """The same, held by what the page says."""
    follow(SECTIONS.get(door, door))
    if door == "django-ninja-jwt":
        write({"NINJA_JWT": settings.SIMPLE_JWT})
    return door


class TestTokens:
    def test_as_they_are(self, client: Client, ann: User, door: str, app: App) -> None:
        """A password alone gives a token of somebody with a second factor: the check says so."""
        ask, package = TOKENS[door]

        assert ask(client, RIGHT).status_code == 200
        assert package in named_packages()

    def test_held(self, client: Client, ann: User, held: str, app: App) -> None:
        """What the page says refuses it, with no token in the answer, and the check is content."""
        ask, package = TOKENS[held]
        refused = ask(client, RIGHT)

        assert refused.status_code in {400, 401, 403}, refused.content
        assert not {"access", "refresh", "token", "key"} & set(refused.json())
        assert package not in named_packages()

    def test_who_has_none(self, client: Client, ann: User, held: str) -> None:
        """Whoever is asked for nothing gets a token as before."""
        assert TOKENS[held][0](client, RIGHT).status_code == 200

    def test_who_must_have_one(self, client: Client, ann: User, held: str, settings: Any) -> None:
        """Where the site's policy asks for one, whoever has none yet gets no token, either."""
        settings.SESSIONS_PLUS_MFA_POLICY = "required"

        assert TOKENS[held][0](client, RIGHT).status_code in {400, 401, 403}

    def test_guesses_are_counted(self, client: Client, ann: User, door: str, settings: Any) -> None:
        """Whoever guesses there is slowed down there, with the right password, too."""
        settings.SESSIONS_PLUS_THROTTLE_ATTEMPTS = 3
        ask, _ = TOKENS[door]
        for _ in range(3):
            assert ask(client, RIGHT | {"password": "wrong"}).status_code in {400, 401}

        refused = ask(client, RIGHT)
        assert refused.status_code == 429
        assert int(refused.headers["Retry-After"]) > 0


class TestOAuthToolkit:
    def test_without_password_grant(self, write: Write) -> None:
        """Where the site switched it off, the check has nothing to say."""
        write({"OAUTH2_PROVIDER": {"COMPLIANT_BCP_RFC9700_PASSWORD_GRANT": True}})

        assert not [name for name in named_packages() if "oauth" in name]

    @pytest.mark.parametrize(
        ("reason", "left"), [(Reason.PASSWORD_CHANGED, 0), (Reason.REVOKED, 1)]
    )
    def test_tokens_end(
        self, client: Client, ann: User, follow: Follow, reason: Reason, left: int
    ) -> None:
        """With the page's receiver they end with all sessions, where the account changed."""
        follow("django-oauth-toolkit")
        give_oauth(client, RIGHT)
        client.force_login(ann)

        revoke_all(ann, reason=reason)

        assert import_string("oauth2_provider.models.AccessToken").objects.count() == left

    def test_authorization_page(self, client: Client, ann: User, app: App) -> None:
        """Its pages ask whoever has proved all that their account asks for."""
        url = "/oauth/applications/"
        assert client.get(url).status_code == 302
        client.post("/ours/login/", RIGHT)
        assert client.get(url).status_code == 302

        type_code(client, app)

        assert client.get(url).status_code == 200


class TestSimpleJwt:
    def test_who_sets_up_a_factor_later(self, client: Client, ann: User, follow: Follow) -> None:
        """A refresh token of before gives no access any more."""
        follow("djangorestframework-simplejwt")
        refresh = {"refresh": post(client, "/jwt/", RIGHT).json()["refresh"]}
        assert post(client, "/jwt/refresh/", refresh).status_code == 200

        enrol(ann)

        assert post(client, "/jwt/refresh/", refresh).status_code == 401


class TestRestAuth:
    @pytest.fixture(autouse=True)
    def _by_session(self, write: Write) -> None:
        write({"REST_AUTH": {"TOKEN_MODEL": None}})

    def test_session_alone(self, client: Client, ann: User, app: App) -> None:
        """It signs nobody in before the code was right, and the check knows."""
        answer = post(client, "/rest-auth/login/", RIGHT)

        assert (answer.status_code, signed_in(client)) == (204, "")
        assert not [name for name in named_packages() if "rest-auth" in name]
        assert post(client, "/api/login/challenge/", {"code": app.code()}).status_code == 200
        assert (signed_in(client), methods()) == ("ann", "pwd otp")

    def test_signing_out(self, client: Client, ann: User) -> None:
        """Its sign-out ends our session."""
        post(client, "/rest-auth/login/", RIGHT)
        client.post("/rest-auth/logout/")

        assert signed_in(client) == ""
        assert Session.objects.get().revoked_reason == Reason.SIGNED_OUT


class TestNinja:
    def test_as_it_is(self, client: Client, ann: User, app: App) -> None:
        """Its own session authentication knows whoever has proved all."""
        client.post("/ours/login/", RIGHT)
        assert client.get("/plain/me").status_code == 401

        type_code(client, app)

        assert client.get("/plain/me").json() == {"user": "ann"}

    def test_people_and_programs(
        self, client: Client, ann: User, follow: Follow, mount: Mount, settings: Any
    ) -> None:
        """A cookie and a token of ours open the page's API, and both end with the session."""
        follow("django-ninja")
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, BEARERS]
        mount(path("orders/", import_string("shop.orders.orders").urls))
        tokens = post(Client(), "/api/tokens/", RIGHT).json()
        bearer = {"Authorization": f"Bearer {tokens['access']}"}
        client.post("/ours/login/", RIGHT)

        def ask() -> list[int]:
            mine = "/orders/mine"
            by_token = Client(headers=bearer)
            return [each.get(mine).status_code for each in (client, by_token, Client())]

        assert ask() == [200, 200, 401]
        revoke_all(ann)
        assert ask() == [401, 401, 401]

    def test_decorators(
        self, client: Client, ann: User, app: App, follow: Follow, mount: Mount
    ) -> None:
        """Those of ours stand below ninja's: whoever has proved a factor comes in, nobody else."""
        follow("django-ninja")
        mount(path("orders/", import_string("shop.orders.orders").urls))
        ben = Client()
        ben.force_login(User.objects.create_user("ben"))
        client.post("/ours/login/", RIGHT)
        type_code(client, app)

        url, as_program = "/orders/payroll", {"accept": "application/json"}
        assert client.get(url, headers=as_program).json() == {"salary": 1}
        assert ben.get(url, headers=as_program).status_code == 403


OTHERS = ["social", "oidc"]
STEPS = "social_core.pipeline."
PIPELINE = [
    *(f"{STEPS}social_auth.{name}" for name in ("social_details", "social_uid", "social_user")),
    *(f"{STEPS}social_auth.associate_by_email", f"{STEPS}social_auth.associate_user"),
]


class TestServicesOfOthers:
    @pytest.fixture(autouse=True)
    def _services(self, settings: Any) -> None:
        settings.AUTHENTICATION_BACKENDS = [*settings.AUTHENTICATION_BACKENDS, WORK, PROVIDER]
        # Known by address here, or each would be a new person; it is theirs, as that service says.
        settings.SOCIAL_AUTH_PIPELINE = PIPELINE
        settings.OIDC_OP_TOKEN_ENDPOINT = settings.OIDC_OP_USER_ENDPOINT = "https://id.example"
        settings.OIDC_OP_AUTHORIZATION_ENDPOINT = "https://id.example"

    def come_back(self, client: Client, kind: str, name: str = "ann", proved: str = "") -> Any:
        """Come back from the other service, which says who it is."""
        if kind == "social":
            return client.get("/social/complete/work/", {"who": name})
        asked = client.get("/oidc/authenticate/", {"next": "/who/"})
        state = parse_qs(urlsplit(asked.headers["Location"]).query)["state"][0]
        return client.get("/oidc/callback/", {"state": state, "code": f"{name} {proved}"})

    @pytest.mark.parametrize("kind", OTHERS)
    def test_without_a_factor(self, client: Client, ann: User, kind: str) -> None:
        """They sign in, and the session and its device are as after any sign-in."""
        client.get("/fill/", {"what": "tea"})
        answer = self.come_back(client, kind)

        assert (answer.headers["Location"], signed_in(client)) == ("/who/", "ann")
        session = Session.objects.active().get(user=ann)
        assert (session.auth_methods, session.ip_address) == ("ext", "127.0.0.1")
        assert session.device is not None
        assert client.get("/who/").json()["cart"] == ["tea"]

    @pytest.mark.parametrize("kind", OTHERS)
    def test_again(self, client: Client, ann: User, kind: str) -> None:
        """The same browser is the same device, and the session before is not left behind."""
        self.come_back(client, kind)
        client.post("/ours/logout/")
        self.come_back(client, kind)

        assert signed_in(client) == "ann"
        assert Device.objects.count() == 1
        assert Session.objects.active().exclude(user=None).count() == 1

    @pytest.mark.parametrize("kind", OTHERS)
    def test_with_a_factor(self, client: Client, ann: User, app: App, kind: str) -> None:
        """They are led to the code, and then to where they were going."""
        answer = self.come_back(client, kind)

        assert answer.headers["Location"] == "/ours/challenge/?next=%2Fwho%2F"
        assert signed_in(client) == ""
        done: Any = client.post(answer.headers["Location"], {"code": app.code()})
        assert (done.headers["Location"], signed_in(client), methods()) == (
            "/who/",
            "ann",
            "ext otp",
        )

    def test_asking_again(self, client: Client, ann: User, settings: Any) -> None:
        """OpenID's SessionRefresh leads to the provider and back, into the same session."""
        self.come_back(client, "oidc")
        before = Session.objects.active().get(user=ann).public_id
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, REFRESH]
        settings.OIDC_RENEW_ID_TOKEN_EXPIRY_SECONDS = 60
        with time_machine.travel(timezone.now() + timedelta(minutes=20)):
            browser = come_again(client)
            asked = browser.get("/who/")
            state = parse_qs(urlsplit(asked.headers["Location"]).query)["state"][0]
            browser.get("/oidc/callback/", {"state": state, "code": "ann "})

            assert signed_in(browser) == "ann"
        assert Session.objects.exclude(user=None).get().public_id == before

    def test_a_service_that_asks(
        self, client: Client, ann: User, app: App, follow: Follow, mount: Mount
    ) -> None:
        """With the page's view nobody is asked twice."""
        follow("social-auth-app-django")
        mount(*import_string("shop.social.urlpatterns"), under="social/")

        self.come_back(client, "social")

        assert (signed_in(client), methods()) == ("ann", "ext otp")

    @pytest.mark.parametrize(("proved", "name"), [("mfa", "ann"), ("pwd", "")])
    def test_a_provider_that_asks(
        self,
        client: Client,
        ann: User,
        app: App,
        follow: Follow,
        mount: Mount,
        *,
        proved: str,
        name: str,
    ) -> None:
        """What the provider signed counts, and nothing else."""
        follow("mozilla-django-oidc")
        view = import_string("shop.oidc.Callback").as_view()
        mount(path("callback/", view), under="oidc/")

        self.come_back(client, "oidc", proved=proved)

        assert signed_in(client) == name


class TestAxes:
    @pytest.fixture(autouse=True)
    def _axes(self, follow: Follow, settings: Any) -> None:
        follow("django-axes")
        settings.MIDDLEWARE = [*settings.MIDDLEWARE, "axes.middleware.AxesMiddleware"]
        settings.AXES_ENABLED = True
        settings.AXES_FAILURE_LIMIT = 3
        settings.AXES_RESET_ON_SUCCESS = True

    @pytest.mark.parametrize("url", ["/ours/login/", "/api/tokens/", "/api/login/", "/jwt/"])
    def test_whom_it_locks_out(self, client: Client, ann: User, url: str) -> None:
        """It sees the guesses at each way in, and refuses in its own words, the right one too."""
        wrong = [post_to(client, url, RIGHT | {"password": "wrong"}) for _ in range(3)]

        assert wrong[-1].status_code in {401, 429}
        assert post_to(client, url, RIGHT).status_code in {401, 429}
        assert signed_in(client) == ""

    def test_who_comes_first(self, client: Client, ann: User, settings: Any) -> None:
        """What ours refuses it is not told of."""
        settings.SESSIONS_PLUS_THROTTLE_ATTEMPTS = 2
        wrong = [post(client, "/api/tokens/", RIGHT | {"password": "wrong"}) for _ in range(5)]

        assert wrong[-1].json()["code"] == "too_many_attempts"
        attempts = import_string("axes.models.AccessAttempt").objects
        assert attempts.get().failures_since_start == 2

    def test_with_a_factor(self, client: Client, ann: User, app: App) -> None:
        """A sign-in in two steps goes on as without it."""
        client.post("/ours/login/", RIGHT | {"password": "wrong"})
        client.post("/ours/login/", RIGHT)
        assert not import_string("axes.models.AccessAttempt").objects.exists()

        type_code(client, app)

        assert (signed_in(client), methods()) == ("ann", "pwd otp")


def post_to(client: Client, url: str, data: dict[str, Any]) -> Any:
    """Post a form to a page, and JSON to an API."""
    return client.post(url, data) if url.startswith("/ours/") else post(client, url, data)
