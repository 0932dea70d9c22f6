"""``sessionsdoctor --url``: what becomes of device binding on the way through the proxies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.device_proof import self_check
from sessions_plus.devices.device_keys.walk import findings
from sessions_plus.devices.device_keys.walk.asking import Answer, Site
from sessions_plus.devices.device_keys.walk.session import session_of_walk
from sessions_plus.models import DeviceKey, Session, SessionEvent
from tests.support.gateway import Gateway, gateway
from tests.support.services.process import free_port
from tests.support.tls import Certificate

pytestmark = [
    pytest.mark.urls("tests.support.bound_sites"),
    pytest.mark.django_db(transaction=True),
]

SITE: dict[str, Any] = {
    "SESSION_COOKIE_SECURE": True,
    "SESSION_COOKIE_NAME": "__Host-sessionid",
    "SESSIONS_PLUS_DEVICE_BINDING": "enforce",
    "SECURE_PROXY_SSL_HEADER": ("HTTP_X_FORWARDED_PROTO", "https"),
    "STATIC_URL": "/static/",
    "ALLOWED_HOSTS": ["localhost", "testserver"],
    "SILENCED_SYSTEM_CHECKS": [
        f"sessions_plus.{kind}{number:03}" for kind in "EWI" for number in range(200)
    ],
}
KEYS = "/account/device-key/"
REGISTER, REFRESH, CHECK = f"{KEYS}register/", f"{KEYS}refresh/", f"{KEYS}check/"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return Certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _site() -> Iterator[None]:
    caches["default"].clear()
    with override_settings(**SITE):
        yield


Doctor = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def doctor(live_server: Any, staff: User, certificate: Certificate) -> Doctor:
    """Let it walk through a proxy; return its exit code, and what it found."""

    def ask(passing: Gateway, *, user: str = "root") -> tuple[int, dict[str, Any]]:
        passing.ports = [live_server.thread.port]
        with gateway(certificate, passing) as address:
            out = StringIO()
            words = ["--url", address, "--ca", str(certificate.certificate), "--user", user]
            code = run(*words, "--json", out=out)
        return code, json.loads(out.getvalue())["device_binding"]

    return ask


def run(*words: str, out: StringIO) -> int:
    try:
        call_command("sessionsdoctor", *words, stdout=out)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("mode", ["off", "observe", "enforce"])
def test_nothing_is_lost(doctor: Doctor, engine: str, mode: str) -> None:
    """Bound, refreshed and over: also before the site is switched to it."""
    with override_settings(SESSIONS_PLUS_DEVICE_BINDING=mode):
        code, found = doctor(Gateway())

    assert found["problems"] == []
    assert found["steps"] == {
        "check": 200,
        "registration": 200,
        "first refresh": 403,
        "refresh": 200,
        "end": 200,
    }
    is_cached = engine.endswith("cached_db")
    assert code == is_cached  # a cache in local memory is a problem of its own
    session = Session.objects.get()
    assert session.revoked_at is not None
    assert DeviceKey.objects.get().last_proved_at is not None
    seen = SessionEvent.objects.order_by("pk").values_list("event", flat=True)
    assert list(seen) == ["session.started", "device_key.registered", "session.revoked"]


LOST = [
    *("Secure-Session-Registration", "Secure-Session-Challenge", "Refresh"),
    *("Secure-Session-Response", "Sec-Secure-Session-Id", "Secure-Session-Skipped"),
    *("Sec-Fetch-Site", "Sec-Fetch-Mode"),
]


@pytest.mark.parametrize("name", LOST)
def test_a_lost_header_is_named(doctor: Doctor, name: str) -> None:
    """Of requests as of responses: what follows from it, and what to do."""
    code, found = doctor(Gateway(drops=[name], drops_sent=[name]))

    first = found["problems"][0]
    assert (code, first["about"]) == (1, name)
    assert first["text"].startswith(f"The header {name} of re")
    assert "Pass it on" in first["text"]
    others = {problem["about"] for problem in found["problems"][1:]}
    assert others <= {"registration", "refresh"}


def not_secure(cookie: str) -> str:
    return cookie.replace("; Secure", "")


def of_all_hosts(cookie: str) -> str:
    return f"{cookie}; Domain=example.com"


@pytest.mark.parametrize(
    ("passing", "about", "says"),
    [
        (Gateway(drops=["Set-Cookie"]), "Set-Cookie", "Set-Cookie of responses is lost"),
        (Gateway(changes_cookie=not_secure), "Set-Cookie", "changed on the way (secure)"),
        (Gateway(changes_cookie=of_all_hosts), "Set-Cookie", "changed on the way (domain)"),
        (Gateway(drops=["Cache-Control"]), "Cache-Control", "no-store"),
        (Gateway(drops_sent=["Cookie"]), "registration", "pass Cookie, Secure-Session-Response"),
        (
            Gateway(path=REFRESH, replaces={403: 403}),
            "Secure-Session-Challenge",
            "proxy_intercept_errors off",
        ),
        (
            Gateway(path=REFRESH, drops=["Secure-Session-Challenge"]),
            "Secure-Session-Challenge",
            "status 403",
        ),
        (Gateway(path=REFRESH, replaces={403: 200}), "403", "replaced by 200"),
        (Gateway(path=REFRESH, replaces={403: 302}), "first refresh", "at a redirect"),
        (
            Gateway(path=REFRESH, drops_sent=["Secure-Session-Response"]),
            "Secure-Session-Response",
            "lost at this address",
        ),
        (Gateway(path=REGISTER, replaces={200: 200}), "registration", "was replaced"),
        (
            Gateway(path=REGISTER, answers=(429, {"Retry-After": "1"})),
            "registration",
            "Exempt the addresses",
        ),
        (Gateway(path=REFRESH, keeps=True), "end", "was answered with 403"),
        (
            Gateway(answers=(301, {"Location": "https://www.localhost/"})),
            "check",
            "to 'https://www.localhost/': browsers end what is bound",
        ),
        (Gateway(answers=(404, {})), "check", "mount sessions_plus.urls"),
        (Gateway(answers=(403, {})), "check", "something in front of the site refuses it"),
        (Gateway(answers=(200, {})), "check", "is not this site"),
        (Gateway(host="localhost"), "Origin", "Host of the request"),
        (Gateway(scheme="http"), "Origin", "X-Forwarded-Proto"),
        (Gateway(host="elsewhere.example"), "check", "ALLOWED_HOSTS"),
    ],
    ids=lambda value: "" if isinstance(value, Gateway) else None,
)
def test_what_proxies_do_is_named(doctor: Doctor, passing: Gateway, about: str, says: str) -> None:
    """A sentence each, with what to do about it; and no session is left that is signed in to."""
    code, found = doctor(passing)

    assert code == 1
    problems = {problem["about"]: problem["text"] for problem in found["problems"]}
    assert about in problems, problems
    assert says in problems[about]
    assert not Session.objects.filter(revoked_at=None).exists()


def test_a_stranger_is_told_no_key(doctor: Doctor) -> None:
    """What does not have the site's keys is asked once, and is sent no session's key."""
    code, found = doctor(Gateway(answers=(200, {})))

    assert code == 1
    assert found["steps"] == {"check": 200}
    assert not Session.objects.exists()


def test_a_site_with_other_keys_is_none(client: Client) -> None:
    """A question is of one site, and of one minute; so is the answer."""
    now = timezone.now()
    question = self_check.new_question(now)

    with override_settings(SECRET_KEY="of another"):
        assert not self_check.is_question(question, now)
        theirs = self_check.answer_to(question)
    assert not self_check.is_answer(theirs, question)
    assert self_check.is_answer(self_check.answer_to(question), question)
    assert not self_check.is_answer(self_check.answer_to(self_check.new_question(now)), question)
    for age, holds in ((0, True), (60, True), (-60, True), (61, False), (-61, False)):
        assert self_check.is_question(question, now + timedelta(seconds=age)) is holds
    assert client.post(CHECK, {"question": question}, secure=True).status_code == 200


def test_its_session_opens_nothing(staff: User, engine: str) -> None:
    """Django reads nobody from it, whoever gets hold of its key in those seconds."""
    client = Client()
    with session_of_walk(staff) as store:
        client.cookies["__Host-sessionid"] = str(store.session_key)

        assert client.get("/sync/who/", secure=True).content == b"AnonymousUser"
        for path in ("/account/devices/", "/admin/", "/api/sessions/"):
            assert client.get(path, secure=True).status_code in (302, 401, 403)
        assert Session.objects.get().revoked_at is None
        bearer = {"authorization": f"Bearer {store.session_key}"}
        assert Client().get("/api/sessions/", secure=True, headers=bearer).status_code == 401
    assert Session.objects.get().revoked_at is not None


def test_who_may_ask(client: Client) -> None:
    """Whoever does not have the site's keys is told nothing, and nothing is looked up."""
    for question in ("", "x", "é", "A" * 51):
        answer = client.post(CHECK, {"question": question}, secure=True)
        assert (answer.status_code, answer.content) == (404, b"")
    assert client.get(CHECK, secure=True).status_code == 405


def test_nobody_answers(staff: User, certificate: Certificate) -> None:
    """Nothing is done where there is no site; the address is named."""
    out = StringIO()
    address = f"https://localhost:{free_port()}"

    assert run("--url", address, out=out) == 1
    assert f"{address} does not answer (ConnectionRefusedError" in out.getvalue()
    assert not Session.objects.exists()


def test_a_certificate_that_nobody_signed(
    live_server: Any, staff: User, certificate: Certificate
) -> None:
    """Browsers bind nothing there; ``--ca`` names the authority of one's own."""
    out = StringIO()
    passing = Gateway([live_server.thread.port])
    with gateway(certificate, passing) as address:
        assert run("--url", address, out=out) == 1

    assert "is not trusted here" in out.getvalue()
    assert "--ca" in out.getvalue()
    assert passing.seen == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--url", "http://localhost/"), "HTTPS alone"),
        (("--url", "localhost"), "HTTPS alone"),
        (("--url", "https://localhost", "--ca", "/nowhere"), "cannot be read"),
        (("--url", "https://localhost", "--user", "nobody"), "no user 'nobody'"),
        (("--url", "https://localhost"), "Name somebody with --user"),
    ],
    ids=["no https", "no address", "no file", "no user", "no superuser"],
)
def test_what_it_cannot_ask(words: tuple[str, ...], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command("sessionsdoctor", *words)


def test_a_database_that_takes_no_writes(staff: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The doctor says that, and does not set out: no session could be bound."""
    monkeypatch.setattr("sessions_plus.maintenance.diagnosis.database_refusal", lambda: "a replica")
    out = StringIO()

    assert run("--url", "https://localhost:1", out=out) == 1

    assert "takes no writes (a replica)" in out.getvalue()
    assert "localhost" not in out.getvalue()


def test_a_site_without_our_engine(doctor: Doctor) -> None:
    """It is told which engines there are."""
    other = override_settings(SESSION_ENGINE="django.contrib.sessions.backends.db")
    with other, pytest.raises(CommandError, match="SESSION_ENGINE is"):
        doctor(Gateway())


def test_a_site_without_our_pages(staff: User) -> None:
    """It is told what to mount."""
    with (
        override_settings(ROOT_URLCONF="tests.support.sites_without_pages"),
        pytest.raises(CommandError, match="Mount it"),
    ):
        call_command("sessionsdoctor", "--url", "https://localhost", "--user", "root")


def test_an_address_with_a_path() -> None:
    """A site may begin below the host's root; the default port is no part of its origin."""
    site = Site("https://Example.com:443/shop/")

    assert (site.origin, site.before) == ("https://example.com", "/shop")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 503])
def test_each_status_says_what_to_do(status: int) -> None:
    text = findings.wrong_status("refresh", Answer(status))

    assert text.startswith(f"The refresh was answered with {status}: ")
    assert text.endswith(".")
