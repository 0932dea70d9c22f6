"""
OWASP ASVS 5.0, chapter V7 (session management), row by row, from the outside.

Each test is named for its row. What other files show at length is shown here once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.contrib.auth.models import Permission, User
from django.core.cache import caches
from django.core.management import call_command
from django.test import Client, override_settings
from django.urls import reverse

from sessions_plus.admin.users import URL_NAME
from sessions_plus.cache import copies
from sessions_plus.conf import PROFILES, Profile, conf
from sessions_plus.keys import SECRET_BYTES, new_public_id, new_token
from sessions_plus.mfa.totp import open_secret
from sessions_plus.models import Authenticator, Session, SessionEvent
from sessions_plus.policy import Limits, SessionFacts
from tests.support.authenticators import App, enrol, only
from tests.support.moments import START

pytestmark = pytest.mark.django_db(transaction=True)

POLICY = Path(__file__).parents[2] / "docs" / "security" / "session-policy.md"
NIST = {
    "aal1": (timedelta(days=30), None),
    "aal2": (timedelta(hours=24), timedelta(hours=1)),
    "aal3": (timedelta(hours=12), timedelta(minutes=15)),
}
UNITS = {"day": 86400, "hour": 3600, "minute": 60, "second": 1}


@pytest.fixture(autouse=True)
def clock() -> Iterator[Any]:
    caches["default"].clear()
    with time_machine.travel(START, tick=False) as traveller:
        yield traveller
    copies.reset()  # it noted when it began


class Person:
    """A browser that signs in at our page and asks our devices page who it is."""

    def __init__(self, name: str = "ann") -> None:
        self.client = Client()
        self.name = name

    def sign_in(self, password: str) -> Person:
        given = {"username": self.name, "password": password, "keep_signed_in": "on"}
        self.response = self.client.post(reverse("sessions_plus:login"), given)
        return self

    @property
    def is_signed_in(self) -> bool:
        return self.client.get(reverse("sessions_plus:session_list")).status_code == 200

    @property
    def key(self) -> str:
        return str(self.client.cookies["sessionid"].value)

    def with_key(self, key: str) -> Person:
        twin = Person(self.name)
        for name, morsel in self.client.cookies.items():
            twin.client.cookies[name] = morsel.value
        twin.client.cookies["sessionid"] = key
        return twin


@pytest.fixture
def ann(engine: str, user: User, password: str) -> Person:
    return Person().sign_in(password)


def table(heading: str) -> dict[str, list[str]]:
    """Return the rows of the first table below a heading of the policy, by their first cell."""
    section = POLICY.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {row[0].strip().strip("`"): [cell.strip() for cell in row[1:]] for row in rows}


def duration(text: str) -> timedelta | None:
    found = re.fullmatch(r"(\d+) (day|hour|minute|second)s?", text)
    return timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else None


class TestDocumentation:
    def test_asvs_7_1_1_figures_are_the_codes(self) -> None:
        """The policy's figures are those in force."""
        rows = table("Limits by profile")

        for position, profile in enumerate(PROFILES.values()):
            for name, field in (
                ("IDLE_TIMEOUT", "idle_timeout"),
                ("ABSOLUTE_LIFETIME", "absolute_lifetime"),
                ("ROTATION_INTERVAL", "rotation_interval"),
                ("REFRESH_LIFETIME", "refresh_lifetime"),
            ):
                written = rows[f"SESSIONS_PLUS_{name}"][position]
                assert duration(written) == getattr(profile, field), (name, written)

    @pytest.mark.parametrize("name", NIST)
    def test_asvs_7_1_1_no_profile_exceeds_nist(self, name: str) -> None:
        """Each profile keeps to the figures of its assurance level, as the page quotes them."""
        overall, pause = NIST[name]
        quoted = table("What NIST SP 800-63B-4 asks")[name]
        profile: Profile = PROFILES[name]

        assert (duration(quoted[0]), duration(quoted[1])) == (overall, pause)
        assert profile.absolute_lifetime <= overall
        assert profile.refresh_lifetime <= overall
        if pause is not None:
            assert profile.idle_timeout is not None
            assert max(profile.idle_timeout, profile.refresh_idle_timeout) <= pause

    def test_asvs_7_1_1_deviations_are_named(self) -> None:
        """What a profile allows against the standard stands on the page."""
        deviations = re.findall(r"deviation: (.*)", POLICY.read_text())

        persistent = [name for name, profile in PROFILES.items() if profile.persistent_cookie]
        trusting = [name for name, p in PROFILES.items() if p.trusted_device_lifetime]
        assert persistent == trusting == ["aal1"]
        assert len(deviations) == 2

    def test_asvs_7_1_2_parallel_sessions_are_documented(self) -> None:
        """How many sessions a user may hold, and what happens beyond, is written down."""
        text = POLICY.read_text()

        for word in ("MAX_SESSIONS_PER_USER", "MAX_API_SESSIONS_PER_USER", "revoke_oldest"):
            assert word in text

    def test_asvs_7_1_3_other_sign_in_services_are_documented(self) -> None:
        """What single sign-on means for a session is written down."""
        assert "## Sessions from another sign-in service" in POLICY.read_text()


def test_asvs_7_1_2(engine: str, user: User, password: str) -> None:
    """At the limit the oldest session ends, or the newest is refused, as the site chose."""
    with override_settings(SESSIONS_PLUS_MAX_SESSIONS_PER_USER=3):
        people = [Person().sign_in(password) for _ in range(4)]
        assert [person.is_signed_in for person in people] == [False, True, True, True]

        with override_settings(SESSIONS_PLUS_ON_SESSION_LIMIT="refuse"):
            fifth = Person().sign_in(password)
        assert fifth.response.status_code == 403
        assert [person.is_signed_in for person in [*people, fifth]] == [
            *(False, True, True, True),
            False,
        ]
    assert SessionEvent.objects.filter(event="session_limit.reached").count() == 2


def shorter_for_external(session: SessionFacts) -> Limits | None:
    return Limits(timedelta(hours=1), timedelta(hours=8)) if "ext" in session.auth_methods else None


def test_asvs_7_1_3(engine: str, user: User, clock: Any) -> None:
    """A session through another service has its method recorded, and limits of its own."""
    person = Person()
    backends = [
        "django.contrib.auth.backends.ModelBackend",
        "django.contrib.auth.backends.RemoteUserBackend",
    ]
    with override_settings(
        AUTHENTICATION_BACKENDS=backends, SESSIONS_PLUS_LIMITS=shorter_for_external
    ):
        person.client.force_login(user, backend=backends[1])
        assert Session.objects.get().auth_methods == "ext"
        assert person.is_signed_in

        clock.shift(timedelta(hours=1))
        assert not person.is_signed_in


def test_asvs_7_2_1(ann: Person) -> None:
    """Nothing that a client can write but the key itself decides who it is."""
    for position in range(0, len(ann.key), 5):
        changed = "B" if ann.key[position] == "A" else "A"
        key = ann.key[:position] + changed + ann.key[position + 1 :]
        assert not ann.with_key(key).is_signed_in
    stranger = Person()
    for name in ("user", "user_id", "_auth_user_id", "is_staff", "device"):
        stranger.client.cookies[name] = "1"
    assert not stranger.is_signed_in
    assert ann.is_signed_in


def test_asvs_7_2_2(settings: Any) -> None:
    """Static keys of an API are reported."""
    from django.core.checks import run_checks

    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]
    }

    found = [message.id for message in run_checks(include_deployment_checks=True)]

    assert "sessions_plus.W208" in found


def test_asvs_7_2_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are unique, from the system's generator, with 256 secret bits."""
    public_id = new_public_id()
    assert len({new_token(public_id) for _ in range(100_000)}) == 100_000
    assert SECRET_BYTES * 8 == 256

    asked: list[int] = []

    def generate(size: int) -> bytes:
        asked.append(size)
        return bytes(size)

    monkeypatch.setattr("sessions_plus.keys.secrets.token_bytes", generate)
    new_token(public_id)
    assert asked == [SECRET_BYTES]


def test_asvs_7_2_4(ann: Person, password: str, user: User, clock: Any) -> None:
    """Signing in, again too, and proving oneself again make a new key; the old one is dead."""
    reauthentication = reverse("sessions_plus:reauthenticate")
    acts = [
        lambda: ann.sign_in(password),
        lambda: ann.client.post(reauthentication, {"password": password}),
    ]
    for act in acts:
        old = ann.key
        act()
        assert ann.key != old
        assert not ann.with_key(old).is_signed_in
        assert ann.is_signed_in
        clock.shift(timedelta(minutes=1))


def in_with(ann: Person, user: User, password: str, *, by_recovery_code: bool) -> str:
    """Sign in with two factors; return the key from between them."""
    app = enrol(user)
    ann.client.post(reverse("sessions_plus:logout"))
    ann.sign_in(password)
    waiting = ann.key
    code = app.recovery_codes[0] if by_recovery_code else app.code()
    ann.client.post(reverse("sessions_plus:challenge"), {"code": code})
    return waiting


def second_factor(ann: Person, user: User, password: str) -> str:
    return in_with(ann, user, password, by_recovery_code=False)


def recovery(ann: Person, user: User, password: str) -> str:
    return in_with(ann, user, password, by_recovery_code=True)


def first_factor_set_up(ann: Person, user: User, password: str) -> str:
    old = ann.key
    ann.client.post(reverse("sessions_plus:totp_begin"))
    app = App(open_secret(Authenticator.objects.get()))
    ann.client.post(reverse("sessions_plus:totp_enrol"), {"code": app.code()})
    return old


def factor_removed(ann: Person, user: User, password: str) -> str:
    app = enrol(user)
    given = {"password": password, "code": app.code()}
    ann.client.post(reverse("sessions_plus:reauthenticate"), given)
    old = ann.key
    ann.client.post(reverse("sessions_plus:authenticator_remove", args=[only(user).public_id]))
    return old


def password_change(ann: Person, user: User, password: str) -> str:
    old, new = ann.key, "another one entirely"
    given = {"old_password": password, "new_password1": new, "new_password2": new}
    ann.client.post("/django/password_change/", given)
    user.refresh_from_db()
    assert user.check_password(new)
    return old


@pytest.mark.urls("tests.support.doors")
@pytest.mark.parametrize(
    "act", [second_factor, recovery, first_factor_set_up, factor_removed, password_change]
)
def test_asvs_7_2_4_when_privilege_changes(
    ann: Person, user: User, password: str, act: Callable[[Person, User, str], str]
) -> None:
    """A factor that is proved, set up or removed, and a new password, make a new key at once."""
    old = act(ann, user, password)

    assert ann.key != old
    assert not ann.with_key(old).is_signed_in
    assert ann.is_signed_in


def test_asvs_7_3_1(ann: Person, clock: Any) -> None:
    """The idle timeout is held by the server, and activity moves it."""
    idle = timedelta(days=14)
    clock.shift(idle - timedelta(seconds=1))
    assert ann.is_signed_in
    clock.shift(idle - timedelta(seconds=1))
    assert ann.is_signed_in

    clock.shift(idle)
    assert not ann.is_signed_in


def test_asvs_7_3_1_polling_does_not_count(ann: Person, clock: Any) -> None:
    """A passive path prolongs nothing."""
    with override_settings(SESSIONS_PLUS_PASSIVE_PATHS=[reverse("sessions_plus:session_list")]):
        for _ in range(13):
            clock.shift(timedelta(days=1))
            assert ann.is_signed_in
        clock.shift(timedelta(days=1))
        assert not ann.is_signed_in


def test_asvs_7_3_2(ann: Person, clock: Any) -> None:
    """Neither activity nor new keys move the absolute end."""
    keys = set()
    for _ in range(30):
        assert ann.is_signed_in
        keys.add(ann.key)
        clock.shift(timedelta(days=1))

    assert not ann.is_signed_in
    assert len(keys) > 20


def test_asvs_7_4_1(ann: Person) -> None:
    """After signing out, the copied key opens nothing."""
    key = ann.key

    ann.client.post(reverse("sessions_plus:logout"))

    assert not ann.with_key(key).is_signed_in


@pytest.mark.parametrize("how", ["save", "update", "delete"])
def test_asvs_7_4_2(ann: Person, user: User, how: str) -> None:
    """Disabling or deleting an account ends its sessions; enabling it again revives none."""
    key = ann.key
    if how == "delete":
        user.delete()
    elif how == "update":
        User.objects.update(is_active=False)
    else:
        user.is_active = False
        user.save()

    assert not ann.with_key(key).is_signed_in
    User.objects.update(is_active=True)
    assert not ann.with_key(key).is_signed_in


def new_password(person: Person, password: str, **form: str) -> None:
    new = "another one entirely"
    given = {"old_password": password, "new_password1": new, "new_password2": new, **form}
    person.client.post(reverse("sessions_plus:password_change"), given)


def test_asvs_7_4_3_a_new_password_ends_the_others(ann: Person, user: User, password: str) -> None:
    """Whatever sets a password, no session from before it stays alive."""
    other = Person().sign_in(password)

    user.set_password("another one entirely")
    user.save()

    assert not other.is_signed_in
    assert not ann.is_signed_in


@pytest.mark.parametrize("is_wanted", [True, False], ids=["ended", "kept"])
def test_asvs_7_4_3_it_is_offered(
    ann: Person, user: User, password: str, *, is_wanted: bool
) -> None:
    """Who changes their password here chooses whether the others end; it is ticked at first."""
    other = Person().sign_in(password)
    page = ann.client.get(reverse("sessions_plus:password_change")).content.decode()
    assert re.search(r'name="sign_out_others"[^>]* checked', page)

    new_password(ann, password, **({"sign_out_others": "on"} if is_wanted else {}))

    user.refresh_from_db()
    assert not user.check_password(password)
    assert other.is_signed_in is not is_wanted
    assert ann.is_signed_in


@pytest.mark.parametrize("is_wanted", [True, False], ids=["ended", "kept"])
def test_asvs_7_4_3_for_a_second_factor(
    ann: Person, user: User, password: str, *, is_wanted: bool
) -> None:
    """So does who removes an authenticator; who set up their first has a button for it."""
    other = Person().sign_in(password)
    ann.client.post(reverse("sessions_plus:totp_begin"))
    app = App(open_secret(Authenticator.objects.get()))
    page = ann.client.post(reverse("sessions_plus:totp_enrol"), {"code": app.code()})
    assert reverse("sessions_plus:session_revoke_others") in page.content.decode()
    removal = reverse("sessions_plus:authenticator_remove", args=[only(user).public_id])

    ann.client.post(removal, {"others": "1"} if is_wanted else {})

    assert not Authenticator.objects.exists()
    assert other.is_signed_in is not is_wanted
    assert ann.is_signed_in


def test_asvs_7_4_4(ann: Person) -> None:
    """Each page of a signed-in person has a form that signs out."""
    for name in ("session_list", "event_list", "security"):
        page = ann.client.get(reverse(f"sessions_plus:{name}")).content.decode()
        form = re.search(rf'<form[^>]*action="{reverse("sessions_plus:logout")}"[^>]*>', page)
        assert form is not None
        assert 'method="post"' in form[0]
        assert "csrfmiddlewaretoken" in page


def end_by_api(client: Client, whom: User) -> Any:
    return client.post(
        reverse("sessions_plus_api:staff_revoke_all", args=[whom.pk]),
        "{}",
        content_type="application/json",
    )


def end_in_the_admin(client: Client, whom: User) -> Any:
    address = reverse(f"admin:{URL_NAME}", args=[whom.pk])
    return client.post(address, {"revoke_all_sessions": "", "answered": ""})


@pytest.mark.parametrize("end_all", [end_by_api, end_in_the_admin])
def test_asvs_7_4_5(
    ann: Person, user: User, other_user: User, password: str, end_all: Callable[..., Any]
) -> None:
    """Whoever has the permission ends all sessions of a user, and nobody else does."""
    other_user.is_staff = True
    other_user.save()
    other_user.user_permissions.set(Permission.objects.filter(codename="change_user"))
    ben = Person("ben").sign_in(password)

    assert end_all(ben.client, user).status_code == 403
    assert ann.is_signed_in

    wanted = ["change_user", "view_session", "revoke_any_session"]
    other_user.user_permissions.set(Permission.objects.filter(codename__in=wanted))
    assert end_all(ben.client, user).status_code < 400
    assert not ann.is_signed_in
    assert ben.is_signed_in
    event = SessionEvent.objects.get(event="session.revoked")
    assert (event.user, event.actor) == (user, other_user)


def test_asvs_7_4_5_everybody(ann: Person, other_user: User, password: str) -> None:
    """Whoever runs the site ends everybody's sessions with one command."""
    ben = Person("ben").sign_in(password)

    call_command("revoke_sessions", "--all", "--noinput", stdout=StringIO())

    assert not ann.is_signed_in
    assert not ben.is_signed_in


def test_asvs_7_5_2(ann: Person, user: User, password: str, clock: Any) -> None:
    """People see their sessions, and end any after proving themselves afresh."""
    other = Person().sign_in(password)
    public_id = Session.objects.exclude(public_id=public_id_of(ann)).get().public_id
    revoking = reverse("sessions_plus:session_revoke", args=[public_id])
    assert str(public_id) in ann.client.get(reverse("sessions_plus:session_list")).content.decode()

    clock.shift(conf.FRESH_FACTOR_AGE + timedelta(seconds=1))
    ann.client.post(revoking)
    assert other.is_signed_in

    ann.client.post(reverse("sessions_plus:reauthenticate"), {"password": password})
    ann.client.post(revoking)
    assert not other.is_signed_in
    assert ann.is_signed_in


def public_id_of(person: Person) -> Any:
    from sessions_plus.keys import read_token

    return read_token(person.key)


@pytest.mark.urls("tests.support.doors")
def test_asvs_7_6_1(engine: str, user: User, clock: Any) -> None:
    """A sign-in at another service is a proof as long as one here; the policy says what is not."""
    client = Client()
    backend = "django.contrib.auth.backends.RemoteUserBackend"
    with override_settings(AUTHENTICATION_BACKENDS=[backend]):
        client.force_login(user, backend=backend)
        assert client.get(reverse("one_fresh")).status_code == 200

        clock.shift(conf.FRESH_FACTOR_AGE)
        assert client.get(reverse("one_fresh")).status_code == 302
    assert "ASVS 7.6.1" in POLICY.read_text()


def test_asvs_7_6_2(engine: str) -> None:
    """No GET signs anybody in, and a thousand of them leave no row."""
    for _ in range(1000):
        Client().get(reverse("sessions_plus:session_list"))

    assert not Session.objects.exists()
