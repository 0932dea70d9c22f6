"""The audit: for each thing that happens one row, one line in the log, one signal."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client, override_settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.events import OWASP_WORDS, note, record
from sessions_plus.lifecycle import revoke_all
from sessions_plus.models import Device, Event, Outcome, Session, SessionEvent
from sessions_plus.signals import event_recorded
from tests.conftest import PASSWORD, World
from tests.support.browsers import FIREFOX, SAFARI, Browser
from tests.support.moments import START

pytestmark = [pytest.mark.urls("tests.notices.urls"), pytest.mark.django_db(transaction=True)]

LOGGER = "sessions_plus.security"

# OWASP's Logging Vocabulary Cheat Sheet, as far as it is about people and their sessions.
VOCABULARY = {
    *("authn_login_success", "authn_login_successafterfail", "authn_login_fail"),
    *("authn_login_fail_max", "authn_login_lock", "authn_password_change"),
    *("authn_password_change_fail", "authn_impossible_travel", "authn_token_created"),
    *("authn_token_revoked", "authn_token_reuse", "authn_token_delete"),
    *("authz_fail", "authz_change", "authz_admin", "crypt_decrypt_fail", "crypt_encrypt_fail"),
    *("excess_rate_limit_exceeded", "excess_sessions_exceeded", "malicious_csrf"),
    *("malicious_direct_reference", "sequence_fail", "session_created", "session_renewed"),
    *("session_expired", "session_logout", "session_use_after_expire"),
}

# What a line may hold, and how each looks.
SCHEMA = {
    "at": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00",
    "event": r"[a-z_]+\.[a-z_]+",
    "owasp": r"[a-z_]+",
    "outcome": r"success|failure",
    "reason": r"[\w. ]{1,64}",
    "user": r"[\w-]+",
    "actor": r"[\w-]+",
    "session": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
    "device": r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
    "ip_address": r"[0-9a-f.:]+",
    "user_agent": r"[ -~]{1,512}",
    "request_id": r"[\w.-]{1,64}",
    "count": r"\d+",
}
ALWAYS = {"at", "event", "outcome"}

ZERO = UUID("00000000-0000-7000-8000-000000000000")


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    caches["default"].clear()


def checked(line: str) -> dict[str, str]:
    """Return what a line says, after holding it to the schema."""
    assert line.isascii()
    assert line.isprintable()
    facts: dict[str, str] = json.loads(line)
    assert facts.keys() >= ALWAYS
    for name, value in facts.items():
        assert re.fullmatch(SCHEMA[name], str(value)), (name, value)
    return facts


@dataclass
class Scene:
    """Ann, who signs in by password on HTTP, and a clock."""

    clock: Any
    browsers: list[Browser] = field(default_factory=list)

    def sign_in(self, user_agent: str = FIREFOX, password: str = PASSWORD) -> Browser:
        browser = Browser(World("sync"), user_agent=user_agent)
        self.browsers.append(browser)
        self.post(browser, "login", username="ann", password=password)
        return browser

    def post(self, browser: Browser, page: str, **form: str) -> Any:
        return browser.client.post(
            f"/account/{page}/", form, headers={"user-agent": browser.user_agent}
        )

    def copy_of(self, browser: Browser, user_agent: str = FIREFOX) -> Browser:
        twin = Browser(browser.world, user_agent=user_agent)
        for name, morsel in browser.cookies.items():
            twin.cookies[name] = morsel.value
        return twin


@pytest.fixture
def scene(engine: str, user: User) -> Iterator[Scene]:
    with time_machine.travel(START, tick=False) as clock:
        yield Scene(clock)


def fails(scene: Scene) -> None:
    scene.sign_in(password="wrong")


def fails_as_nobody(scene: Scene) -> None:
    scene.post(Browser(World("sync")), "login", username="nobody", password="wrong")


def signs_in(scene: Scene) -> None:
    scene.sign_in()


def signs_in_elsewhere(scene: Scene) -> None:
    scene.sign_in()
    scene.sign_in(SAFARI)


def signs_out(scene: Scene) -> None:
    scene.post(scene.sign_in(), "logout")


def comes_too_late(scene: Scene) -> None:
    browser = scene.sign_in()
    scene.clock.shift(timedelta(days=15))
    browser.get("who")


def uses_an_old_key(scene: Scene) -> None:
    browser = scene.sign_in()
    scene.clock.shift(conf.ROTATION_INTERVAL or timedelta())
    thief = scene.copy_of(browser)
    browser.get("who")
    browser.get("who")
    scene.clock.shift(conf.ROTATION_GRACE_PERIOD + timedelta(seconds=1))
    thief.get("who")


def changes_browser(scene: Scene) -> None:
    scene.copy_of(scene.sign_in(), SAFARI).get("who")


def reaches_the_limit(scene: Scene) -> None:
    with override_settings(SESSIONS_PLUS_MAX_SESSIONS_PER_USER=1):
        scene.sign_in()
        scene.sign_in(SAFARI)


def ends_all(scene: Scene) -> None:
    scene.sign_in()
    revoke_all(User.objects.get())


def renames_a_device(scene: Scene) -> None:
    browser = scene.sign_in()
    scene.post(browser, f"devices/{Device.objects.get().public_id}/rename", name="Desk")


def removes_a_device(scene: Scene) -> None:
    scene.sign_in(SAFARI)
    browser = scene.sign_in()
    device = Device.objects.get(system="iOS")
    scene.post(browser, f"devices/{device.public_id}/revoke")


def changes_password(scene: Scene) -> None:
    scene.sign_in()
    user = User.objects.get()
    user.set_password("another long and secret sentence")
    user.save()


def password_is_changed_past_the_model(scene: Scene) -> None:
    """Django's own session hash ends it, with a ``flush()``."""
    browser = scene.sign_in()
    User.objects.update(password="md5$salt$of another one")
    browser.get("who")


def proves_again(scene: Scene) -> None:
    scene.post(scene.sign_in(), "reauthenticate", password=PASSWORD)


def fails_to_prove(scene: Scene) -> None:
    scene.post(scene.sign_in(), "reauthenticate", password="wrong")


def cannot_be_read(scene: Scene) -> None:
    browser = scene.sign_in()
    Session.objects.update(data=b"\x01damaged")
    caches["default"].clear()
    browser.get("who")


def is_not_mailed(scene: Scene) -> None:
    with override_settings(SESSIONS_PLUS_NOTICE_SENDER="tests.notices.senders.fail"):
        signs_in_elsewhere(scene)


Story = Callable[[Scene], None]

# What is recorded, after a sign-in that is the story's own beginning: the event, whether it
# went well, and why; then what the row names: u(ser), s(ession), d(evice), i(p address).
STARTED = ("session.started", "success", "pwd", "usdi")
FIRST_SEEN = ("device.first_seen", "success", "first_device", "usdi")
SEEN = ("device.first_seen", "success", "", "usdi")

STORIES: dict[Story, list[tuple[str, str, str, str]]] = {
    fails: [("sign_in.failed", "failure", "", "ui")],
    fails_as_nobody: [("sign_in.failed", "failure", "", "i")],
    signs_in: [STARTED, FIRST_SEEN],
    signs_in_elsewhere: [STARTED, FIRST_SEEN, STARTED, SEEN],
    signs_out: [STARTED, FIRST_SEEN, ("session.signed_out", "success", "", "usdi")],
    comes_too_late: [STARTED, FIRST_SEEN, ("session.expired", "success", "idle_timeout", "usdi")],
    uses_an_old_key: [
        *(STARTED, FIRST_SEEN),
        ("session.revoked", "success", "key_reused", "usdi"),
        ("key.reused", "failure", "", "usdi"),
    ],
    changes_browser: [
        *(STARTED, FIRST_SEEN),
        ("session.client_changed", "success", "browser system", "usdi"),
    ],
    reaches_the_limit: [
        *(STARTED, FIRST_SEEN, STARTED, SEEN),
        ("session.revoked", "success", "session_limit", "usdi"),
        ("session_limit.reached", "success", "revoke_oldest", "usi"),
    ],
    ends_all: [STARTED, FIRST_SEEN, ("session.revoked", "success", "revoked", "usd")],
    renames_a_device: [STARTED, FIRST_SEEN, ("device.renamed", "success", "", "udi")],
    removes_a_device: [
        *(STARTED, FIRST_SEEN, STARTED, SEEN),
        ("device.revoked", "success", "", "udi"),
        ("session.revoked", "success", "device_revoked", "usdi"),
    ],
    changes_password: [
        *(STARTED, FIRST_SEEN),
        ("session.revoked", "success", "password_changed", "usd"),
        ("password.changed", "success", "", "u"),
    ],
    password_is_changed_past_the_model: [
        *(STARTED, FIRST_SEEN),
        ("session.revoked", "success", "flushed", "usdi"),
    ],
    proves_again: [STARTED, FIRST_SEEN, ("session.reauthenticated", "success", "pwd", "usi")],
    fails_to_prove: [
        *(STARTED, FIRST_SEEN),
        ("reauthentication.failed", "failure", "wrong_password", "ui"),
    ],
    cannot_be_read: [STARTED, FIRST_SEEN, ("session.unreadable", "failure", "", "usi")],
    is_not_mailed: [
        *(STARTED, FIRST_SEEN, STARTED, SEEN),
        ("notice.failed", "failure", "device.first_seen", "usd"),
    ],
}


def shape(row: SessionEvent) -> tuple[str, str, str, str]:
    named = {"u": row.user_id, "s": row.session_public_id, "d": row.device_id, "i": row.ip_address}
    letters = "".join(letter for letter, value in named.items() if value is not None)
    return row.event, row.outcome, row.reason, letters


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_asvs_16_3_exactly_these(
    scene: Scene, caplog: pytest.LogCaptureFixture, story: Story
) -> None:
    """What happens is recorded, each thing once: the row, the same as a line, and a signal."""
    heard: list[SessionEvent] = []

    def hear(event: SessionEvent, **_: object) -> None:
        heard.append(event)

    event_recorded.connect(hear)
    try:
        with caplog.at_level(logging.INFO, logger=LOGGER):
            story(scene)
    finally:
        event_recorded.disconnect(hear)

    rows = list(SessionEvent.objects.order_by("pk").select_related("device"))
    lines = [checked(entry.getMessage()) for entry in caplog.records if entry.name == LOGGER]
    assert sorted(map(shape, rows)) == sorted(STORIES[story])
    assert sorted(row.pk for row in heard) == [row.pk for row in rows]
    assert sorted(said(line) for line in lines) == sorted(said(as_line(row)) for row in rows)
    assert not any(secret in str(lines) for secret in secrets_of(scene))


def as_line(row: SessionEvent) -> dict[str, str]:
    facts = {
        "event": row.event,
        "outcome": row.outcome,
        "reason": row.reason,
        "user": row.user_id,
        "session": row.session_public_id,
        "device": row.device.public_id if row.device is not None else None,
        "ip_address": row.ip_address,
    }
    return {name: str(value) for name, value in facts.items() if value}


def said(line: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(
        (name, value)
        for name, value in line.items()
        if name not in ("at", "owasp", "user_agent", "request_id")
    )


def secrets_of(scene: Scene) -> set[str]:
    cookies = (morsel.value for browser in scene.browsers for morsel in browser.cookies.values())
    return {value for value in cookies if len(value) > 20} | {PASSWORD, "wrong-password"}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("outcome", Outcome)
def test_asvs_16_2_1_each_event_has_a_line(
    user: User, caplog: pytest.LogCaptureFixture, event: Event, outcome: Outcome
) -> None:
    """Each event's line says when, what, whose, where from and how it went; failures warn."""
    client = ClientInfo.of(ip_address="203.0.113.7", user_agent=FIREFOX)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        record(event, user=user, session_public_id=ZERO, outcome=outcome, client=client)

    entry = next(entry for entry in caplog.records if entry.name == LOGGER)
    line = checked(entry.getMessage())
    assert (line["event"], line["user"], line["session"]) == (event.value, str(user.pk), str(ZERO))
    assert line.get("owasp") == OWASP_WORDS.get(event)
    assert entry.levelno == (logging.INFO if outcome is Outcome.SUCCESS else logging.WARNING)


def test_asvs_16_2_4_owasps_words() -> None:
    """Whatever stands as OWASP's word is one of its words."""
    assert set(OWASP_WORDS.values()) <= VOCABULARY
    assert set(OWASP_WORDS) <= set(Event)


def test_events_are_noun_and_past() -> None:
    """Each event is named `noun.past`."""
    for event in Event:
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+", event.value)
        assert len(event.value) <= 32


@override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo")
def test_asvs_16_2_2_utc(user: User, caplog: pytest.LogCaptureFixture) -> None:
    """A line tells the time in UTC, also on a site whose own times are local."""
    before = datetime.now(UTC) - timedelta(seconds=1)
    with caplog.at_level(logging.INFO, logger=LOGGER):
        note(Event.TOKEN_REFUSED, reason="forged", client=None)

    (line,) = (checked(entry.getMessage()) for entry in caplog.records if entry.name == LOGGER)
    assert before <= datetime.fromisoformat(line["at"]) <= datetime.now(UTC)


NASTY = [
    pytest.param('x\r\n{"event": "session.started"}\r\n', id="forged line"),
    pytest.param("x\x1b[2J\x1b]0;owned\x07", id="terminal escapes"),
    pytest.param("x\u202etxt.exe\u2066", id="bidirectional"),
    pytest.param("x\u2028{}\u2029\x85", id="line separators"),
    pytest.param("%s %d %(levelname)s {0} {event} ${jndi:ldap://x}", id="templates"),
    pytest.param('"},{"event":"session.started', id="JSON"),
    pytest.param("x\x00y", id="NUL"),
    pytest.param("é漢字😀\ud800", id="beyond ASCII"),
    pytest.param("A" * 1_000_000, id="1 MB"),
]


@pytest.mark.parametrize("text", NASTY)
def test_asvs_16_4_1_no_line_is_forged(
    user: User, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    """Whatever a client sends, an event is one line of bounded length, and says nothing else."""
    meta = {"HTTP_USER_AGENT": text, "HTTP_X_REQUEST_ID": text, "REMOTE_ADDR": text}
    with caplog.at_level(logging.INFO, logger=LOGGER):
        record(Event.SIGN_IN_FAILED, user=user, reason="bad", client=ClientInfo(meta))

    (entry,) = (entry for entry in caplog.records if entry.name == LOGGER)
    line = json.loads(entry.getMessage())
    assert entry.getMessage().isascii()
    assert entry.getMessage().isprintable()
    assert len(entry.getMessage()) < 8000
    assert line["event"] == "sign_in.failed"
    assert "ip_address" not in line
    assert len(line.get("request_id", "")) <= 64


@pytest.mark.parametrize("header", ["user-agent", "x-request-id"])
def test_headers_of_a_real_request(
    user: User, caplog: pytest.LogCaptureFixture, header: str
) -> None:
    """The same through the whole handler."""
    client = Client(headers={header: 'x {"event": "forged"} %s\x1b[31m'})
    with caplog.at_level(logging.INFO, logger=LOGGER):
        client.post("/account/login/", {"username": "ann", "password": "wrong"})

    (entry,) = (entry for entry in caplog.records if entry.name == LOGGER)
    assert json.loads(entry.getMessage())["event"] == "sign_in.failed"
    assert "\x1b" not in entry.getMessage()


def test_names_are_not_logged(user: User, caplog: pytest.LogCaptureFixture) -> None:
    """What people type as their name may be their password: it stands in no line and no row."""
    with caplog.at_level(logging.DEBUG):
        Client().post("/account/login/", {"username": "hunter2-oops", "password": "ann"})

    assert "hunter2-oops" not in caplog.text
    assert "hunter2-oops" not in str(list(SessionEvent.objects.values()))


def test_note_makes_no_row(db: None, caplog: pytest.LogCaptureFixture) -> None:
    """What anybody can cause without end is a line only."""
    with caplog.at_level(logging.INFO, logger=LOGGER):
        note(Event.TOKEN_REFUSED, reason="forged", client=None)

    assert len(caplog.records) == 1
    assert not SessionEvent.objects.exists()


def test_failing_receiver_breaks_nothing(scene: Scene) -> None:
    """Whoever listens and fails changes nothing about what happened."""

    def fail(**_: object) -> None:
        raise RuntimeError

    event_recorded.connect(fail)
    try:
        browser = scene.sign_in()
    finally:
        event_recorded.disconnect(fail)

    assert browser.text("who") == "ann"
