"""
OWASP ASVS 5.0, chapter V6 (authentication): the rows that no other file is named for.

Each test is named for its row. What other files show at length is shown here once.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import get_resolver, include, path
from django.utils import timezone

import sessions_plus
from sessions_plus.conf import PROFILES
from sessions_plus.events import record
from sessions_plus.exceptions import InvalidCode, TooManyAttempts
from sessions_plus.mfa import enrolment, methods, recovery_codes, totp
from sessions_plus.mfa.throttle import FIRST_WAIT, LONGEST_WAIT, NETWORK_FACTOR
from sessions_plus.mfa.verification import verify_code
from sessions_plus.models import Event, Scope, Session, SessionEvent
from tests.security.test_second_factor_at_every_door import every_path, through_a_reset
from tests.support import doors
from tests.support.authenticators import App, enrol, only
from tests.support.browsers import FIREFOX, SAFARI

pytestmark = pytest.mark.django_db(transaction=True)

PACKAGE = Path(sessions_plus.__file__).parent
DOCS = PACKAGE.parent / "docs"

urlpatterns = [*doors.urlpatterns, path("api/", include("sessions_plus.api.urls"))]

# Each address at which a password becomes a session, and the row of the guide it belongs to.
PATHWAYS = {
    "/account/login/": "`sessions_plus:login`, `django.contrib.auth.urls`",
    "/django/login/": "`sessions_plus:login`, `django.contrib.auth.urls`",
    "/admin/login/": "the admin's own login",
    "/reset/…/": "password reset with `post_reset_login=True`",
    "/program/": "social or other backends, `login()` and `alogin()` in your own views",
    "/sync/sign-in/": "social or other backends, `login()` and `alogin()` in your own views",
    "/async/sign-in/": "social or other backends, `login()` and `alogin()` in your own views",
    "/api/login/": "the API",
    "/api/tokens/": "the API",
}
# They begin at another one, and stand in the guide as well.
NO_ADDRESS_OF_THEIR_OWN = {
    "`force_login()` in tests",
    "a trusted device",
    "a socket of Channels",
    "a help desk with django-hijack or django-loginas",
}


@pytest.fixture(autouse=True)
def site(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    settings.LOGIN_URL = "/account/login/"
    settings.LOGIN_REDIRECT_URL = "/"
    cache.clear()  # the API's rates


def section(heading: str, page: str = "mfa.md") -> str:
    guide = (DOCS / page).read_text(encoding="utf-8")
    return guide.split(f"## {heading}\n")[1].split("\n## ")[0]


def counters() -> str:
    return section("What is counted", "security/guessing.md")


def first_cells(text: str) -> list[str]:
    rows = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return [row[0].strip() for row in rows[2:]]


def begin(client: Client, user: User, password: str) -> None:
    """Give the password; with a second factor, a challenge waits then."""
    given = {"username": user.username, "password": password}
    assert client.post("/account/login/", given).status_code == 302


def try_code(client: Client, code: str, **more: str) -> None:
    client.post("/account/challenge/", {"code": code, **more})


def signed_in(client: Client) -> bool:
    return client.get("/sync/who/").content != b"AnonymousUser"


class TestDocumentation:
    @pytest.mark.parametrize("name", PROFILES)
    def test_asvs_6_1_1_figures_are_the_codes(self, name: str) -> None:
        """The guide says how many codes each profile lets through, as the code has it."""
        profile, text = PROFILES[name], counters()
        pattern = {
            "aal1": r"default profile allows (\d+) in a row and (\d+) in all",
            "aal2": r"`aal2` (\d+) and (\d+)",
            "aal3": r"`aal3` (\d+) and (\d+)",
        }[name]

        found = re.search(pattern, text)

        assert found is not None
        assert [int(number) for number in found.groups()] == [
            profile.throttle_attempts,
            profile.throttle_hard_limit,
        ]

    def test_asvs_6_1_1_each_counter_is_listed(self) -> None:
        """Each counter has its row, and the waits are those of the ladder."""
        text = counters()
        words = {
            Scope.ACCOUNT: "codes of one account",
            Scope.AUTHENTICATOR: "codes of one authenticator",
            Scope.RECOVERY: "recovery codes of one account",
            Scope.PASSWORD: "passwords typed to re-authenticate",
            Scope.ADDRESS: "codes from one network (IPv6: a /64)",
            Scope.NAME: "passwords for one user name, on unknown devices",
            Scope.DEVICE: "passwords for one user name, on one known device",
            Scope.RESET: "links for a forgotten password to one e-mail address",
            Scope.NETWORK: "passwords from one network (IPv6: a /64), on unknown devices",
        }

        assert set(words) == set(Scope)
        assert set(first_cells(text)) == set(words.values())
        assert (timedelta(seconds=30), timedelta(hours=1)) == (FIRST_WAIT, LONGEST_WAIT)
        assert "30 s, 60 s … one hour" in text
        assert (NETWORK_FACTOR, "ten times as many" in text) == (10, True)

    def test_asvs_6_1_1_a_stranger_locks_nobody_out(self, user: User, password: str) -> None:
        """As the guide says, a stranger's wrong passwords leave the owner and their codes alone."""
        text = section("Whom nobody locks out", "security/guessing.md")
        assert "**The owner, on a device of theirs.**" in text
        assert "Without the password: nobody." in section(
            "Whom an attacker can lock out", "security/guessing.md"
        )
        stranger, owner = Client(), Client()
        begin(owner, user, password)
        app = enrol(user)
        for _ in range(PROFILES["aal1"].throttle_attempts + 5):
            stranger.post("/account/login/", {"username": "ann", "password": "a wrong one"})
            try_code(stranger, app.wrong_code())

        begin(owner, user, password)
        try_code(owner, app.code())

        assert signed_in(owner)


def tries(user: User, password: str) -> dict[str, Callable[[Client], object]]:
    """Return what to do at each address of the site to get in with the password alone."""
    body = {"username": user.username, "password": password}
    kept = {"program", "sign-in"}

    def attempt(address: str) -> Callable[[Client], object]:
        if kept & set(address.strip("/").split("/")):
            return lambda client: client.get(address, {"name": user.username})
        kind = {"content_type": "application/json"} if address.startswith("/api/") else {}
        return lambda client: client.post(address, body, **kind)  # type: ignore[arg-type]

    found = {address: attempt(address) for address in every_path(get_resolver().url_patterns)}
    return found | {"/reset/…/": lambda client: through_a_reset(client, user, password)}


def ways_in(user: User, password: str) -> set[str]:
    """Try every address as a stranger who knows the password; return those that let them in."""
    entered: set[str] = set()
    for address, attempt in tries(user, password).items():
        cache.clear()
        Session.objects.all().delete()
        attempt(Client(raise_request_exception=False))
        if Session.objects.filter(user=user, revoked_at=None).exists():
            entered.add(address)
        user.set_password(password)
        user.save()
    return entered


class TestPathways:
    def test_asvs_6_1_3_each_pathway_is_listed(self, staff: User, password: str) -> None:
        """The addresses at which somebody gets in are those of the guide's table, and no other."""
        assert ways_in(staff, password) == set(PATHWAYS)
        assert set(first_cells(section("Every way to sign in"))) == (
            set(PATHWAYS.values()) | NO_ADDRESS_OF_THEIR_OWN
        )

    def test_asvs_6_3_4_all_are_as_strong(self, staff: User, password: str) -> None:
        """With a second factor, the password alone opens none of them."""
        enrol(staff)

        assert ways_in(staff, password) == set()

    def test_asvs_6_3_4_a_sign_in_is_announced_by_django(self, user: User, password: str) -> None:
        """Somebody is signed in through Django's signal, where the second factor is asked for."""
        heard: list[object] = []

        def listen(sender: object, **kwargs: object) -> None:
            heard.append(sender)

        user_logged_in.connect(listen)
        try:
            begin(Client(), user, password)
        finally:
            user_logged_in.disconnect(listen)

        assert heard == [User]


class TestNoDefaults:
    def test_asvs_6_3_2_migrating_makes_nobody(self) -> None:
        """A fresh installation has no account."""
        call_command("migrate", verbosity=0)

        assert not User.objects.exists()

    def test_asvs_6_3_2_no_fixture(self) -> None:
        """The package ships no data that could be an account: no fixture, no data migration."""
        operations = "".join(file.read_text() for file in PACKAGE.glob("migrations/0*.py"))

        assert not [*PACKAGE.rglob("fixtures"), *PACKAGE.rglob("initial_data*")]
        assert not [file for kind in ("json", "yaml", "sql") for file in PACKAGE.rglob(f"*.{kind}")]
        assert "CreateModel" in operations
        assert not re.search(r"create_user|create_superuser|\bpassword\s*=", operations)


class TestMailOfAttempts:
    """The person is told of what looks like somebody else's attempt."""

    def test_asvs_6_3_5_new_device(self, user: User, password: str) -> None:
        """A sign-in on a device that was never seen before is told of."""
        for agent in (FIREFOX, SAFARI):
            begin(Client(headers={"user-agent": agent}), user, password)

        assert [m.subject for m in mail.outbox] == ["New sign-in to your account"]

    def test_asvs_6_3_5_password_right_codes_wrong(self, user: User, password: str) -> None:
        """Wrong codes after the right password are told of when the first wait begins."""
        app, client = enrol(user), Client()
        mail.outbox.clear()
        begin(client, user, password)

        for _ in range(PROFILES["aal1"].throttle_attempts - 1):
            try_code(client, app.wrong_code())
        before = len(mail.outbox)
        try_code(client, app.wrong_code())

        assert before == 0
        (message,) = mail.outbox
        assert message.subject == "Wrong codes were entered for your account"
        assert "Somebody who knows your password" in message.body
        assert app.wrong_code() not in message.body
        assert password not in message.body

    def test_asvs_6_3_5_attempts_do_not_flood(self, user: User) -> None:
        """Guesses for twelve hours bring one mail; after a quiet day the next run brings one."""
        app = enrol(user)
        mail.outbox.clear()
        start = timezone.now()

        for hour in (*range(12), *range(60, 63)):
            with time_machine.travel(start + timedelta(hours=hour), tick=False):
                guess_until_throttled(user, app)

        waits = SessionEvent.objects.filter(event=Event.THROTTLED, reason=Scope.ACCOUNT)
        assert waits.count() == 15
        assert [m.subject for m in mail.outbox] == ["Wrong codes were entered for your account"] * 2

    @pytest.mark.parametrize("scope", [Scope.PASSWORD, Scope.ADDRESS])
    def test_asvs_6_3_5_other_waits_are_no_news(self, user: User, scope: Scope) -> None:
        """A shared address, or a password typed again, is not told of, and silences nothing."""
        record(Event.THROTTLED, user=user, reason=scope.value)
        assert mail.outbox == []

        record(Event.THROTTLED, user=user, reason=Scope.RECOVERY.value)

        assert len(mail.outbox) == 1

    def test_asvs_6_3_5_two_people_are_both_told(self, user: User, other_user: User) -> None:
        """The mail to one person silences none to another."""
        for person in (user, other_user):
            record(Event.THROTTLED, user=person, reason=Scope.ACCOUNT.value)

        assert [m.to for m in mail.outbox] == [["ann@example.com"], ["ben@example.com"]]

    def test_asvs_6_3_5_recovery_code_used(self, user: User, password: str) -> None:
        """A sign-in with a recovery code is told of, without the code."""
        app, client = enrol(user), Client()
        mail.outbox.clear()
        begin(client, user, password)

        try_code(client, app.recovery_codes[0])

        (message,) = [m for m in mail.outbox if m.subject == "A recovery code was used"]
        assert app.recovery_codes[0] not in message.body
        assert signed_in(client)


def guess_until_throttled(user: User, app: App) -> None:
    for _ in range(200):
        try:
            verify_code(user, app.wrong_code(), client=None, now=timezone.now())
        except TooManyAttempts:
            return
        except InvalidCode:
            continue
    pytest.fail("never throttled")


def methods_offered() -> set[str]:
    """What a session may say about how somebody signed in."""
    return {v for k, v in vars(methods).items() if k.isupper() and isinstance(v, str)}


class TestFactors:
    def test_asvs_6_3_6_no_mail_is_a_factor(self) -> None:
        """
        The ways to prove oneself are seven; none comes by mail.

        ``imp`` proves nothing, ``hwk`` and ``swk`` say where a passkey's key is.
        """
        known = {"pwd", "otp", "rcv", "ext", "dev", "pky", "sec"}
        assert methods_offered() - {"imp", "hwk", "swk"} == known

    def test_asvs_6_3_6_a_sign_in_sends_no_code(self, user: User, password: str) -> None:
        """A challenge that waits brings no mail from which it could be passed."""
        enrol(user)
        mail.outbox.clear()

        begin(Client(), user, password)

        assert mail.outbox == []

    def test_asvs_6_3_6_a_mailed_link_signs_nobody_in(self, user: User, password: str) -> None:
        """The link in a mail ends things; whoever follows it stays a stranger."""
        for agent in (FIREFOX, SAFARI):
            begin(Client(headers={"user-agent": agent}), user, password)
        found = re.search(r"https?://[^/\s]+(/\S+)", str(mail.outbox[-1].body))
        assert found is not None
        reader = Client()

        assert reader.get(found[1]).status_code == 200
        reader.post(found[1], {"all_sessions": "on"})

        assert not signed_in(reader)


class TestMailOfChanges:
    """The person is told of each change to how they sign in."""

    def test_asvs_6_3_7_factor_added_and_codes_made(self, user: User) -> None:
        """A new authenticator and its recovery codes are told of."""
        enrol(user)

        assert {m.subject for m in mail.outbox} == {
            "Two-factor sign-in: an authenticator was added",
            "New recovery codes were made",
        }

    def test_asvs_6_3_7_factor_removed(self, user: User) -> None:
        """A removed authenticator is told of."""
        enrol(user)
        mail.outbox.clear()

        enrolment.remove(only(user), user)

        assert [m.subject for m in mail.outbox] == [
            "Two-factor sign-in: an authenticator was removed"
        ]

    def test_asvs_6_3_7_password_changed(self, user: User) -> None:
        """A new password is told of."""
        user.set_password("a-new-and-long-one")
        user.save()

        assert [m.subject for m in mail.outbox] == ["Your password was changed"]

    def test_asvs_6_3_7_device_trusted(self, user: User, password: str) -> None:
        """A device that needs no code from now on is told of."""
        app, client = enrol(user), Client()
        mail.outbox.clear()
        begin(client, user, password)

        try_code(client, app.code(), trust="on")

        assert "A device was trusted" in [m.subject for m in mail.outbox]


class TestGenerators:
    def test_asvs_6_5_3_shared_secrets(self, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
        """An authenticator's secret is what the system's generator gave."""
        given: list[bytes] = []
        real = secrets.token_bytes

        def watched(nbytes: int | None = None) -> bytes:
            given.append(real(nbytes))
            return given[-1]

        monkeypatch.setattr(secrets, "token_bytes", watched)

        enrol(user)

        assert totp.open_secret(only(user)) in given

    def test_asvs_6_5_3_recovery_codes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Each sign of a recovery code is what the system's generator gave."""
        given: list[int] = []
        real = secrets.randbelow

        def watched(bound: int) -> int:
            given.append(real(bound))
            return given[-1]

        monkeypatch.setattr(secrets, "randbelow", watched)

        code = recovery_codes.new_code()

        assert code == "".join(recovery_codes.ALPHABET[number] for number in given)

    def test_asvs_6_5_4_entropy(self, user: User) -> None:
        """A recovery code, as people get it, has 112 bits and more: far beyond 20, or NIST's 64."""
        alphabet = recovery_codes.ALPHABET
        codes = [code.replace("-", "") for code in enrol(user).recovery_codes]

        bits = min(map(len, codes)) * math.log2(len(set(alphabet)))

        assert len(set(alphabet)) == len(alphabet)
        assert set("".join(codes)) <= set(alphabet)
        assert len(set(codes)) == recovery_codes.COUNT
        assert bits >= 112  # ASVS 6.5.2: from there on a digest without salt and work will do

    def test_asvs_6_5_4_every_sign_is_used(self) -> None:
        """No sign of the alphabet is left out, at no place."""
        codes = [recovery_codes.new_code() for _ in range(1000)]

        for place in range(recovery_codes.LENGTH):
            assert {code[place] for code in codes} == set(recovery_codes.ALPHABET)


class TestTime:
    @pytest.mark.parametrize("steps", [-20, 20], ids=["old", "early"])
    def test_asvs_6_5_8_clients_do_not_tell_the_time(
        self, user: User, password: str, steps: int
    ) -> None:
        """A code of another time stays wrong, whatever time its sender claims it is."""
        app, client = enrol(user), Client()
        begin(client, user, password)
        claimed = timezone.now() + timedelta(seconds=30 * steps)
        stamp = str(int(claimed.timestamp()))
        code = app.code(claimed)
        assert code not in {app.code(steps=near) for near in range(-2, 3)}

        for name in ("t", "time", "timestamp", "now", "step", "counter"):
            client.post(
                f"/account/challenge/?{name}={stamp}",
                {"code": code, name: stamp},
                headers={"date": claimed.strftime("%a, %d %b %Y %H:%M:%S GMT"), "x-time": stamp},
            )
            assert not signed_in(client)

    def test_asvs_6_5_8_a_right_code_stays_right(self, user: User, password: str) -> None:
        """Nor does a wrong time that somebody claims spoil the right code."""
        app, client = enrol(user), Client()
        begin(client, user, password)

        client.post(
            "/account/challenge/?t=1",
            {"code": app.code(), "t": "1"},
            headers={"date": "Thu, 01 Jan 1970 00:00:01 GMT"},
        )

        assert signed_in(client)


class TestGuessing:
    @pytest.mark.parametrize("kind", ["codes", "recovery codes"])
    @override_settings(SESSIONS_PLUS_PROFILE="aal2")
    def test_asvs_6_6_3_guesses_are_throttled(self, user: User, password: str, kind: str) -> None:
        """After five wrong ones the right one waits too, in another browser as well."""
        app, guesser, other = enrol(user), Client(), Client()
        wrong, right = app.wrong_code(), app.code()
        if kind == "recovery codes":
            wrong, right = recovery_codes.new_code(), app.recovery_codes[0]
        begin(guesser, user, password)
        for _ in range(5):
            try_code(guesser, wrong)

        try_code(guesser, right)
        begin(other, user, password)
        try_code(other, right)

        assert not signed_in(guesser)
        assert not signed_in(other)

    @override_settings(SESSIONS_PLUS_PROFILE="aal2")
    def test_asvs_6_6_3_at_the_api_too(self, user: User, password: str) -> None:
        """The API's challenge shares the counter: five guesses there are five here."""
        app, page = enrol(user), Client()
        given = {"username": "ann", "password": password}
        asked = Client().post("/api/tokens/", given, content_type="application/json").json()
        answer = {"challenge": asked["challenge"], "code": app.wrong_code()}

        statuses = [
            Client()
            .post("/api/tokens/challenge/", answer, content_type="application/json")
            .status_code
            for _ in range(6)
        ]
        begin(page, user, password)
        try_code(page, app.code())

        assert statuses == [400] * 5 + [429]
        assert not signed_in(page)
