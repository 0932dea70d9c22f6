"""What load balancers ask: is it alive, is it ready?"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings as site_settings
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from sessions_plus.cache import copies
from sessions_plus.events import record
from sessions_plus.maintenance import own_migrations, readiness
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.maintenance.counting import count_events
from sessions_plus.maintenance.exposition import exposition
from sessions_plus.maintenance.readiness import Readiness, State, look, lookout
from sessions_plus.maintenance.site_figures import Figure, Reading, Sample
from sessions_plus.models import Event, Session, SigningKey
from sessions_plus.store.engine import site_tier
from tests.support.caches import core_redis, site_with
from tests.support.pauses import PATIENCE_SECONDS, in_thread
from tests.support.services.process import Server
from tests.views.conftest import SignIn

LIVE, READY, METRICS = "/-/health/live", "/-/health/ready", "/-/metrics"
TOKEN = "a token of more than twenty characters"
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def _no_answer_of_before() -> Iterator[None]:
    lookout._last = None
    yield
    lookout._last = None


@pytest.fixture
def holder(settings: Any) -> Client:
    """Somebody who holds the token."""
    settings.SESSIONS_PLUS_METRICS_TOKEN = TOKEN
    return Client(headers={"authorization": f"Bearer {TOKEN}"})


def test_live_asks_nobody(client: Client) -> None:
    """It answers without a database; these tests have none."""
    response = client.get(LIVE)

    assert (response.status_code, response.content) == (200, b"ok\n")
    assert not response.cookies
    assert "no-store" in response["Cache-Control"]


@pytest.mark.django_db(transaction=True)
class TestReady:
    def test_all_is_well(self, holder: Client) -> None:
        """Each thing that was looked at is told to whoever holds the token."""
        response = holder.get(READY)

        assert response.status_code == 200
        assert response.json() == {
            "status": "ok",
            "checks": dict.fromkeys(["cache", *readiness.CHECKS], "ok"),
        }

    @pytest.mark.parametrize(
        "header",
        [
            pytest.param("", id="none"),
            pytest.param(f"Bearer {TOKEN}x", id="another token"),
            pytest.param(f"Basic {TOKEN}", id="another scheme"),
            pytest.param("Bearer é\xff", id="no ASCII"),
        ],
    )
    def test_others_are_told_no_more_than_they_need(self, settings: Any, header: str) -> None:
        """Without the token there is one word."""
        settings.SESSIONS_PLUS_METRICS_TOKEN = TOKEN

        response = Client(headers={"authorization": header}).get(READY)

        assert response.json() == {"status": "ok"}

    def test_no_token_is_nobodys(self) -> None:
        """Where the site set none, an empty one opens nothing."""
        for header in ("Bearer ", "Bearer None", "Token"):
            response = Client(headers={"authorization": header}).get(READY)
            assert response.json() == {"status": "ok"}

    def test_another_scheme(self, settings: Any) -> None:
        """``Token`` is for sites that take every bearer for one of theirs."""
        settings.SESSIONS_PLUS_METRICS_TOKEN = TOKEN

        response = Client(headers={"authorization": f"Token {TOKEN}"}).get(READY)

        assert "checks" in response.json()

    @pytest.mark.parametrize("path", [LIVE, READY, METRICS])
    def test_whatever_the_site_asks_of_people(
        self, path: str, holder: Client, settings: Any
    ) -> None:
        """No middleware of Django's or ours sends a program to sign in."""
        settings.MIDDLEWARE = [
            *site_settings.MIDDLEWARE,
            "django.contrib.auth.middleware.LoginRequiredMiddleware",
        ]
        settings.SESSIONS_PLUS_MFA_POLICY = "required"

        assert holder.get(path).status_code == 200

    @pytest.mark.parametrize("path", [LIVE, READY])
    def test_no_session_is_touched(self, user: User, sign_in: SignIn, path: str) -> None:
        """Whatever cookie comes, nothing is asked of the session, and none is set."""
        client = sign_in(user)
        Session.objects.update(last_activity=timezone.now() - timedelta(minutes=5))
        before = list(Session.objects.values())

        with CaptureQueriesContext(connection) as captured:
            response = client.get(path)

        assert len(captured) == 0
        assert not response.cookies
        assert not response.has_header("Vary") or "Cookie" not in response["Vary"]
        assert list(Session.objects.values()) == before

    @pytest.mark.parametrize("path", [LIVE, READY])
    def test_only_asking(self, path: str) -> None:
        """There is nothing to post."""
        assert Client().head(path).status_code == 200
        assert Client().post(path).status_code == 405

    def test_a_database_that_is_away(self, holder: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Then nobody should be sent here; why stands in the log, and not in the answer."""

        def fail(now: datetime) -> State:
            raise OperationalError('connection to server at "db.internal", port 5432 failed')

        checks = {"database": fail, "migrations": readiness.check_migrations}
        monkeypatch.setattr(readiness, "CHECKS", checks)

        response = holder.get(READY)

        assert response.status_code == 503
        assert response.json() == {
            "status": "failed",
            "checks": {"cache": "ok", "database": "failed"},
        }

    def test_a_database_that_hangs(self, holder: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """Nobody waits longer than the deadline, and those who ask meanwhile wait for the same."""
        go_on, calls = threading.Event(), list[int]()

        def hang(now: datetime) -> State:
            calls.append(1)
            assert go_on.wait(PATIENCE_SECONDS)
            return State.OK

        monkeypatch.setattr(readiness, "CHECKS", {"database": hang})
        monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.05)
        found = [holder.get(READY) for _ in range(5)]
        stuck = lookout._last
        go_on.set()

        assert [response.status_code for response in found] == [503] * 5
        assert len(calls) == 1
        assert stuck is not None
        assert stuck.is_over.wait(PATIENCE_SECONDS)
        assert holder.get(READY).status_code == 200

    def test_one_look_serves_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Of many who ask within a second one is worth a connection to the database."""
        calls = list[int]()

        def count(now: datetime) -> State:
            calls.append(1)
            return State.OK

        monkeypatch.setattr(readiness, "CHECKS", {"database": count})
        running = [in_thread(lambda: lookout.ask(None)) for _ in range(10)]
        for each in running:
            assert each.result(PATIENCE_SECONDS).is_ready

        assert len(calls) == 1

    def test_a_look_that_was_lost_is_taken_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thread that a fork left behind holds nobody up for good."""
        monkeypatch.setattr(readiness, "DEADLINE_SECONDS", 0.05)
        lost = readiness.Look(None)  # never started
        lookout._last = lost
        assert not lookout.ask(None).is_ready
        monkeypatch.undo()
        lost.begun_at -= 1000

        assert lookout.ask(None).is_ready


Provoke = Callable[[Any, pytest.MonkeyPatch], object]


def lacks_a_migration(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["0001_initial", "0002_of_tomorrow"]
    monkeypatch.setattr(own_migrations, "_names", lambda: names)


def lacks_a_key(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A colleague has sealed a session with a key that this process was not given yet."""
    from django.test import Client

    colleague = base64.b64encode(b"7" * 32).decode()
    with override_settings(SESSIONS_PLUS_ENCRYPTION_KEYS=[colleague]):
        Client().force_login(user)


def has_an_old_signing_key(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    now = timezone.now()
    facts: dict[str, Any] = {"algorithm": "ES256", "public_jwk": {}, "not_before": now - DAY}
    SigningKey.objects.create(number=1, kid="k", not_after=now, **facts)


def has_lost_its_cache(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site_settings, "SESSION_ENGINE", "sessions_plus.backends.cached_db")
    copies.tier().breaker.trip()


def was_never_cleaned(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    Session.objects.create(created_at=timezone.now() - 3 * DAY, expire_date=timezone.now())


def was_cleaned_long_ago(user: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cleanup(timezone.now() - 3 * DAY)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("provoke", "what", "state"),
    [
        (lacks_a_migration, "migrations", State.FAILED),
        (lacks_a_key, "encryption", State.FAILED),
        (has_an_old_signing_key, "signing_key", State.WARNING),
        (has_lost_its_cache, "cache", State.WARNING),
        (was_never_cleaned, "clean_up", State.WARNING),
        (was_cleaned_long_ago, "clean_up", State.WARNING),
    ],
)
def test_each_is_found(
    user: User, monkeypatch: pytest.MonkeyPatch, provoke: Provoke, what: str, state: State
) -> None:
    """What is wrong is found, and nothing else is blamed."""
    copies.reset()
    provoke(user, monkeypatch)

    found = look(timezone.now(), tier=site_tier())
    copies.reset()

    assert {name: value for name, value in found.states.items() if value != State.OK} == {
        what: state
    }
    assert found.is_ready is (state is not State.FAILED)


@pytest.mark.parametrize(
    ("states", "status", "is_ready"),
    [
        ([State.OK, State.OK], "ok", True),
        ([State.OK, State.WARNING], "degraded", True),
        ([State.FAILED, State.WARNING], "failed", False),
    ],
)
def test_status(states: list[State], status: str, is_ready: bool) -> None:
    """The worst that was found decides; a warning still serves."""
    found = Readiness({str(number): state for number, state in enumerate(states)})

    assert (found.status, found.is_ready) == (status, is_ready)


@pytest.mark.django_db(transaction=True)
def test_a_site_that_runs_is_ready(user: User, sign_in: SignIn) -> None:
    """With people signed in and a clean-up behind it, nothing is found."""
    sign_in(user)
    cleanup(timezone.now())

    assert look(timezone.now(), tier=site_tier()).status == "ok"


@pytest.mark.services
@pytest.mark.django_db(transaction=True)
def test_only_the_cache_is_away(
    start_server: Callable[[str], Server], holder: Client, user: User
) -> None:
    """A site whose Redis died serves, and says so: degraded, but 200."""
    redis = start_server("redis")
    with site_with(core_redis(redis.url)):
        assert holder.get(READY).json()["status"] == "ok"
        redis.kill()
        lookout._last = None

        response = holder.get(READY)

    assert response.status_code == 200
    assert (response.json()["status"], response.json()["checks"]["cache"]) == (
        "degraded",
        "warning",
    )


@pytest.mark.parametrize("given", ["x", "nineteen characters", ""])
def test_a_token_that_can_be_guessed_is_told(given: str) -> None:
    """The check refuses a short token, and does not show it."""
    from sessions_plus.checks.values import check_problems

    with override_settings(SESSIONS_PLUS_METRICS_TOKEN=given):
        (found,) = check_problems()

    assert "can be guessed" in found.msg
    assert repr(given) not in found.msg


def figures(response: Any) -> dict[tuple[str, ...], float]:
    """What a page of metrics tells, read as Prometheus does: name and labels, and the number."""
    families = text_string_to_metric_families(response.content.decode())
    return {
        (sample.name.removeprefix("sessions_plus_site_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


@pytest.mark.usefixtures("_nobody_else_writes")
@pytest.mark.django_db(transaction=True)
class TestMetrics:
    def test_off(self, client: Client) -> None:
        """Where the site set no token there is no such page, whatever is sent."""
        for header in ("", "Bearer ", "Bearer None"):
            assert client.get(METRICS, headers={"authorization": header}).status_code == 404

    @pytest.mark.parametrize("header", ["", f"Bearer {TOKEN}x", f"Basic {TOKEN}", "Bearer"])
    def test_only_for_whoever_holds_the_token(self, settings: Any, header: str) -> None:
        """Others read nothing, and are told what is missing."""
        settings.SESSIONS_PLUS_METRICS_TOKEN = TOKEN

        response = Client(headers={"authorization": header}).get(METRICS)

        assert (response.status_code, response["WWW-Authenticate"]) == (401, "Bearer")
        assert b"sessions_plus" not in response.content

    def test_what_it_tells(self, holder: Client, user: User, sign_in: SignIn) -> None:
        """Events in all, who is signed in, and when each task was done, of the whole site."""
        now = timezone.now()
        sign_in(user)
        for reason in ("session_limit", "idle_timeout", "session_limit", 'of a client"\n'):
            record(Event.SESSION_REVOKED, reason=reason)
        SigningKey.objects.create(
            number=1, kid="k", algorithm="ES256", public_jwk={}, not_before=now
        )
        cleanup(now)

        response = holder.get(METRICS)
        found = figures(response)

        assert response["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        revoked = ("events_total", "session.revoked", "success")
        assert found[*revoked, "session_limit"] == 2
        assert found[*revoked, "idle_timeout"] == 1
        assert found[*revoked, "other"] == 1
        assert found["events_total", "session.started", "success", "other"] == 1
        assert found["sessions_active", "browser"] == 1
        assert found["sessions_active", "api"] == 0
        assert found["users_second_factor",] == 0
        assert found["clean_up_timestamp_seconds",] == pytest.approx(now.timestamp())
        assert found["signing_key_due_timestamp_seconds",] == pytest.approx(
            (now + 90 * DAY).timestamp()
        )
        assert 0 <= now.timestamp() - found["counted_timestamp_seconds",] < 3600

    def test_of_a_site_that_just_began(self, holder: Client) -> None:
        """What is not known has no number; events that never happened are none, and say so."""
        found = figures(holder.get(METRICS))

        assert found == {("events_total", event, "", ""): 0 for event in Event}

    def test_a_total_never_falls(self, holder: Client) -> None:
        """Counting again, and years of counts that go, take nothing from it."""
        now = timezone.now()
        record(Event.KEY_REUSED)
        count_events(now)
        before = figures(holder.get(METRICS))["events_total", "key.reused", "success", ""]

        cleanup(now + 4 * 365 * DAY)

        after = figures(holder.get(METRICS))["events_total", "key.reused", "success", ""]
        assert (before, after) == (1, 1)

    def test_it_costs_little(self, holder: Client) -> None:
        """Four short statements, and none of sessions, users or events."""
        count_events(timezone.now())
        holder.get(METRICS)

        with CaptureQueriesContext(connection) as captured:
            holder.get(METRICS)

        tables = {str(query["sql"]).split("FROM")[1].split()[0] for query in captured}
        assert len(captured) == 4
        assert {table.strip('"`') for table in tables} == {
            *("sessions_plus_hourcount", "sessions_plus_cursor", "sessions_plus_signingkey")
        }

    def test_no_session_is_touched(
        self, holder: Client, user: User, sign_in: SignIn, settings: Any
    ) -> None:
        """Whatever cookie comes with it, and no cookie is set."""
        client = sign_in(user)
        before = list(Session.objects.values())

        response = client.get(METRICS, headers={"authorization": f"Bearer {TOKEN}"})

        assert response.status_code == 200
        assert not response.cookies
        assert list(Session.objects.values()) == before
        assert "no-store" in response["Cache-Control"]


def test_text_of_labels() -> None:
    """What would end a label or a line is escaped, as the format has it."""
    samples = [Sample(1.5, {"a": 'x"\\\n', "b": ""}), Sample(2)]
    figure = Figure("odd", "Odd.", lambda reading: samples)

    text = exposition([figure], Reading(timezone.now()))
    (family,) = text_string_to_metric_families(text)

    assert [(sample.labels, sample.value) for sample in family.samples] == [
        ({"a": 'x"\\\n', "b": ""}, 1.5),
        ({}, 2.0),
    ]
