"""The demo's commands, as the documentation gives them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.admin.desk import documented_permissions
from tests.support.authenticators import App
from tests.support.demo import PASSWORD, ROOT, Demo, program
from tests.support.services.process import Server

COUNTS = """
from django.contrib.auth.models import User
from sessions_plus.models import Device, Session, SessionEvent
print([model.objects.count() for model in (User, Device, Session, SessionEvent)])
"""

FACTS = """
from sessions_plus.models import Session, SessionEvent
from django.utils import timezone
live, ended = Session.objects.active(), Session.objects.ended()
print("live", live.count() > 10)
print("reasons", *sorted(set(ended.values_list("revoked_reason", flat=True))))
print("methods", *sorted(set(Session.objects.values_list("auth_methods", flat=True))), sep=", ")
print("in the future", SessionEvent.objects.filter(at__gt=timezone.now()).count())
print("ended before it began", sum(one.revoked_at <= one.created_at for one in ended))
times = list(SessionEvent.objects.values_list("at", flat=True))
print("in order", times == sorted(times, reverse=True))
"""

PRODUCTION = {
    "SECRET_KEY": "not a secret, but long and varied enough: 0123456789abcdefghijklmnop",
    "ALLOWED_HOSTS": "shop.example",
    "DJANGO_SETTINGS_MODULE": "demo_project.settings_production",
}


def test_seeding_twice_is_seeding_once(demo: Demo) -> None:
    """A second `seed_demo` adds nothing, and names address and accounts all the same."""
    before = demo.manage("shell", "-v0", "-c", COUNTS).stdout

    again = demo.manage("seed_demo", "--address", "127.0.0.1:8123")

    assert again.returncode == 0, again.stderr
    assert "http://127.0.0.1:8123/" in again.stdout
    assert all(name in again.stdout for name in ("maya", "sam", "olga", "figs-on-toast"))
    assert "demo-code" in again.stdout
    assert "otpauth" not in again.stdout
    assert demo.manage("shell", "-v0", "-c", COUNTS).stdout == before != ""


def test_seeded_past_is_plausible(demo: Demo) -> None:
    """Sessions ended in each way that a visitor can read about, in the order they happened."""
    done = demo.manage("shell", "-v0", "-c", FACTS)

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "live True",
        (
            "reasons device_revoked factor_changed idle_timeout replaced revoked revoked_by_staff "
            "signed_out"
        ),
        "methods, pwd, pwd otp",
        "in the future 0",
        "ended before it began 0",
        "in order True",
    ]


HELP_DESK = """
from django.contrib.auth.models import User
from sessions_plus.devices.overview import overview
from sessions_plus.mfa.policy import has_authenticator
from sessions_plus.models import SessionEvent
from django.utils import timezone
maya = User.objects.get(username="maya")
shown = overview(maya, current=None, now=timezone.now()).signed_in
print("stands out", *[one.sessions[0].location for one in shown if one.stands_out])
for event in SessionEvent.objects.filter(actor__isnull=False).order_by("at"):
    print(event.actor_id and event.actor.username, event.event, event.reason, event.user.username,
          event.ip_address)
print("ines", has_authenticator(User.objects.get(username="ines")))
print("reset", *SessionEvent.objects.filter(event="password_reset.requested").values_list(
    "user__username", flat=True))
sam = User.objects.get(username="sam")
print("may", *sorted(sam.get_all_permissions()))
"""


def test_each_part_is_there_to_see(demo: Demo) -> None:
    """
    A stranger's device stands out; a day of the help desk, a reset password; Sam may what is told.
    """
    done = demo.manage("shell", "-v0", "-c", HELP_DESK)

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "stands out Porto Alegre, Brazil" in lines
    assert lines.count("sam session.revoked revoked_by_staff tom 192.0.2.50") == 2
    assert "sam authenticator.removed  ines 192.0.2.50" in lines
    assert "ines False" in lines
    assert "reset tom" in lines
    told = " ".join(sorted(f"{app}.{name}" for app, name in documented_permissions()))
    assert f"may {told}" in lines


def test_second_factor_is_made_while_seeding(tmp_path: Path) -> None:
    """The secret is shown once, is another in each database, and `demo_code` is its app."""
    one, other = (Demo(new_directory_in(tmp_path, name)) for name in ("one", "other"))
    secrets = [secret_in(demo.set_up()) for demo in (one, other)]

    told = other.manage("demo_code")

    assert secrets[0] != secrets[1]
    app = App.typed(secrets[1])
    assert told.stdout[:6] in [app.code(steps=steps) for steps in (-1, 0)], told.stderr
    assert "for noor" in told.stdout


def new_directory_in(directory: Path, name: str) -> Path:
    (directory / name).mkdir()
    return directory / name


def secret_in(said: str) -> str:
    (address,) = re.findall(r"otpauth://\S+", said)
    return parse_qs(urlsplit(address).query)["secret"][0]


def test_seeded_second_factor_is_asked_for(demo: Demo, shop: Server) -> None:
    """Noor's password alone signs nobody in; with what `demo_code` says it does, once."""
    credentials = {"username": "noor", "password": PASSWORD}

    with program(f"{shop.url}/api/tokens/") as client:
        asked = client.post("", json=credentials)
        proof = {"challenge": asked.json()["challenge"]}
        proof["code"] = demo.manage("demo_code").stdout[:6]
        passed = client.post("challenge/", json=proof)
        proof["challenge"] = client.post("", json=credentials).json()["challenge"]
        again = client.post("challenge/", json=proof)

    assert (asked.status_code, asked.json()["code"]) == (401, "second_factor_required")
    assert passed.status_code == 200, passed.text
    assert (again.status_code, again.json()["code"]) == (400, "invalid_code")


@pytest.mark.parametrize("command", ["seed_demo", "demo_code"])
def test_giving_accounts_away_is_refused_where_debug_is_off(demo: Demo, command: str) -> None:
    """On a real site no accounts are made whose password everybody knows, and no code is told."""
    before = demo.manage("shell", "-v0", "-c", COUNTS).stdout
    real = {**PRODUCTION, "DATABASE_URL": demo.environment["DATABASE_URL"]}

    refused = demo.manage(command, **real)

    assert refused.returncode != 0
    assert "DEBUG" in refused.stderr
    assert refused.stdout == ""
    assert demo.manage("shell", "-v0", "-c", COUNTS).stdout == before


def test_production_settings_pass_the_checks(demo: Demo) -> None:
    """`check --deploy` finds nothing to say of the production settings."""
    done = demo.manage("check", "--deploy", "--fail-level", "INFO", **PRODUCTION)

    assert (done.returncode, done.stderr) == (0, "")


def test_production_settings_have_no_secret_of_their_own(demo: Demo) -> None:
    """Without a key in the environment the production settings do not start."""
    without = {name: value for name, value in PRODUCTION.items() if name != "SECRET_KEY"}

    done = demo.manage("check", **without)

    assert done.returncode != 0
    assert "SECRET_KEY" in done.stderr


def test_asgi_server_serves_the_shop(demo: Demo) -> None:
    """Under ASGI a cart is kept from request to request, and every page has the policy."""
    application = "demo_project.asgi:application"
    server = demo.serve("-m", "uvicorn", application, "--app-dir", ROOT, port_option="--port=")
    try:
        with program(server.url, follow_redirects=True) as client:
            client.get("/")
            token = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
            client.post("/cart/cup/add/", data=token)
            client.post("/cart/cup/add/", data=token)
            cart = client.get("/cart/")
    finally:
        server.stop()

    assert 'value="2"' in cart.text
    assert "default-src 'self'" in cart.headers["Content-Security-Policy"]


def test_api_can_be_read_about(shop: Server) -> None:
    """A page that every page leads to lists each operation of the published schema."""
    with program(shop.url) as client:
        front = client.get("/").text
        page = client.get("/api/reference/")
        paths = client.get("/api/schema/", params={"format": "json"}).json()["paths"]

    assert 'href="/api/reference/"' in front
    assert page.headers["Content-Type"].startswith("text/html")
    found = re.findall(r"<b>(\w+)</b> <code>(.+?)</code>", page.text)
    assert sorted(found) == sorted(
        (method.upper(), path) for path, methods in paths.items() for method in methods
    )
    assert "reauthentication_required" in page.text


def test_what_programs_ask_for_first_is_published(shop: Server) -> None:
    """Whoever writes a client finds the schema, and a service that verifies tokens the keys."""
    credentials = {"username": "maya", "password": PASSWORD}

    with program(shop.url) as client:
        schema = client.get("/api/schema/", params={"format": "json"}).json()
        access = client.post("/api/tokens/", json=credentials).json()["access"]
        keys = client.get("/.well-known/jwks.json").json()["keys"]

    assert schema["openapi"].startswith("3.1")
    assert "collisions" not in shop.log  # the keys have two addresses, and nobody is told off
    assert {"/api/tokens/", "/.well-known/jwks.json"} <= schema["paths"].keys()
    assert jwt.get_unverified_header(access)["kid"] in [key["kid"] for key in keys]
    assert not any("d" in key for key in keys)  # the private part of a key
