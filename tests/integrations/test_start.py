"""
The pages "I have a site with …", of packages of others: each begins with a new project to which
that package's own introduction was applied.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.fresh_projects import Project
from tests.test_start import PROGRAM

# What each package tells its readers to write.
ALLAUTH = (
    """
INSTALLED_APPS += ["allauth", "allauth.account", "allauth.mfa"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
""",
    """
from django.urls import include

urlpatterns += [path("accounts/", include("allauth.urls"))]
""",
)
TWO_FACTOR = (
    """
INSTALLED_APPS += [
    "django_otp",
    "django_otp.plugins.otp_static",
    "django_otp.plugins.otp_totp",
    "two_factor",
]
MIDDLEWARE.insert(
    MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1,
    "django_otp.middleware.OTPMiddleware",
)
LOGIN_URL = "two_factor:login"
LOGIN_REDIRECT_URL = "/sessions/devices/"
""",
    """
from django.http import HttpResponse
from django.urls import include
from django_otp.decorators import otp_required
from two_factor.urls import urlpatterns as two_factor_urls

vault = otp_required(lambda request: HttpResponse("open"))
urlpatterns += [path("", include(two_factor_urls)), path("vault/", vault)]
""",
)
USER_SESSIONS = (
    """
INSTALLED_APPS = [
    "user_sessions" if name == "django.contrib.sessions" else name for name in INSTALLED_APPS
]
MIDDLEWARE = [name.replace("django.contrib.sessions", "user_sessions") for name in MIDDLEWARE]
SESSION_ENGINE = "user_sessions.backends.db"
SILENCED_SYSTEM_CHECKS = ["admin.E410"]
""",
    "",
)
SIMPLEJWT = (
    """
INSTALLED_APPS += ["rest_framework", "rest_framework_simplejwt"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication"
    ],
}
""",
    """
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView


@api_view()
def whoami(request):
    return Response(request.user.get_username() if request.user.is_authenticated else None)


urlpatterns += [
    path("api/token/", TokenObtainPairView.as_view()),
    path("api/token/refresh/", TokenRefreshView.as_view()),
    path("whoami/", whoami),
]
""",
)
CHANNELS = (
    """
INSTALLED_APPS = ["daphne", "channels", *INSTALLED_APPS]
ASGI_APPLICATION = "mysite.asgi.application"
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
""",
    "",
)

PEOPLE = """
from django.contrib.auth.models import User

User.objects.create_user("ada", email="ada@example.com", password="a phrase of ada's")
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.start(tmp_path)


def had(project: Project, before: tuple[str, str]) -> Project:
    """Make a site that works with the package, before anything of ours is there."""
    settings, urls = before
    project.append("settings.py", settings)
    project.append("urls.py", urls)
    project.manage("migrate", "--verbosity", "0")
    project.manage("check")
    return project


BY_ALLAUTH = """
from django.test import Client

client = Client()
client.post("/accounts/login/", {"login": "ada", "password": "a phrase of ada's"})
page = client.get("/account/devices/")
led = Client().get("/account/devices/")
print(page.content.decode().count("This device"), led.headers["Location"].partition("?")[0])
"""


def test_allauth(project: Project) -> None:
    """Who signs in by allauth's page sees their devices, and who did not is led to it."""
    had(project, ALLAUTH).follow("start/allauth.md")
    project.shell(PEOPLE)

    assert project.shell(BY_ALLAUTH).split() == ["1", "/accounts/login/"]


BY_TWO_FACTOR = """
from django.contrib.auth.models import User
from django.test import Client
from django_otp.oath import totp
from django_otp.plugins.otp_totp.models import TOTPDevice

app = TOTPDevice.objects.create(user=User.objects.get(), name="default")
client = Client()
url, step = "/account/login/", "login_view-current_step"
client.get(url)
answer = {step: "auth", "auth-username": "ada", "auth-password": "a phrase of ada's"}
client.post(url, answer)
asked = client.get("/sessions/devices/").status_code
client.post(url, {step: "token", "token-otp_token": f"{totp(app.bin_key):06}"})
page = client.get("/sessions/devices/").content.decode()
print(asked, page.count("This device"), client.get("/vault/").content.decode())
"""


def test_two_factor_auth(project: Project) -> None:
    """Who signs in by their wizard, code included, sees their devices and is verified."""
    had(project, TWO_FACTOR).follow("start/two-factor-auth.md")
    project.shell(PEOPLE)

    assert project.shell(BY_TWO_FACTOR).split() == ["302", "1", "open"]


BEFORE = """
from django.test import Client

client = Client()
client.login(username="ada", password="a phrase of ada's")
print(client.cookies["sessionid"].value)
"""

AFTER = """
from django.test import Client

client = Client()
client.cookies["sessionid"] = KEY
page = client.get("/account/devices/")
print(page.status_code, page.content.decode().count("This device"))
"""


def test_user_sessions(project: Project) -> None:
    """A browser that was signed in before goes on, and is on its user's page of devices."""
    had(project, USER_SESSIONS)
    project.shell(PEOPLE)
    key = project.shell(BEFORE).strip()

    project.follow("start/user-sessions.md")

    assert project.shell(f"KEY = {key!r}\n{AFTER}").split() == ["200", "1"]


def test_simplejwt(project: Project) -> None:
    """At the addresses of before a program gets tokens that end with their session."""
    had(project, SIMPLEJWT).follow("start/simplejwt.md")

    where = 'SIGN_IN, REFRESH = "/api/token/", "/api/token/refresh/"\n'
    assert project.shell(where + PROGRAM).split() == ["ada", "True", "True", "401"]


ON_A_SOCKET = """
import asyncio
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client
from mysite.asgi import application
from sessions_plus.lifecycle import arevoke_all

client = Client()
client.post("/account/login/", {"username": "ada", "password": "a phrase of ada's"})
cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
headers = [
    (b"cookie", cookies.encode()),
    (b"host", b"testserver"),
    (b"origin", b"http://testserver"),
]


async def talk():
    socket = WebsocketCommunicator(application, "/chat/", headers)
    await socket.connect(timeout=60)
    await socket.send_json_to({"text": "hello"})
    heard = await socket.receive_json_from(timeout=60)
    await arevoke_all(await User.objects.aget(username="ada"))
    closed = await socket.receive_output(timeout=60)
    stranger = WebsocketCommunicator(application, "/chat/", headers[1:])
    opened, _ = await stranger.connect(timeout=60)
    print(heard["from"], closed["type"], closed["code"], opened)


page = client.get("/account/devices/").content.decode()
print(page.count("This device"))
asyncio.run(talk())
"""


def test_channels(project: Project) -> None:
    """A socket opens for who is signed in, and closes with their session."""
    had(project, CHANNELS).follow("start/channels.md")

    said = project.shell(ON_A_SOCKET).split()

    assert said[:4] == ["1", "ada", "websocket.close", "4401"]
