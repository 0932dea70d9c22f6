"""Events in the words of OCSF and ECS."""

from __future__ import annotations

import json
import logging
import logging.config
from functools import lru_cache
from typing import Any

import pytest
from django.contrib.auth.models import User

from sessions_plus.client_info import ClientInfo
from sessions_plus.events import facts_of, record
from sessions_plus.keys import new_public_id
from sessions_plus.logs import EcsFormatter, OcsfFormatter
from sessions_plus.logs.formats import ACTIVITIES, CATEGORIES, FORMATS, SEVERITIES, as_ecs, as_ocsf
from sessions_plus.models import Device, Event, Outcome, SessionEvent
from tests.security.test_odd_requests import NASTY

jsonschema = pytest.importorskip("jsonschema")
ocsf_json_schema = pytest.importorskip("ocsf_json_schema")

CLIENT = ClientInfo.of(ip_address="203.0.113.24", user_agent="Mozilla/5.0 (X11; Linux x86_64)")

# The allowed values of the Elastic Common Schema 8.17.
ECS_CATEGORIES = {
    *("api", "authentication", "configuration", "database", "driver", "email", "file", "host"),
    *("iam", "intrusion_detection", "library", "malware", "network", "package", "process"),
    *("registry", "session", "threat", "vulnerability", "web"),
}
ECS_TYPES = {
    "authentication": {"start", "end", "info"},
    "session": {"start", "end", "info"},
    "iam": {"admin", "change", "creation", "deletion", "group", "info", "user"},
}


@lru_cache
def validator(class_uid: int) -> Any:
    """The schema of one of OCSF's classes, as OCSF publishes it, made into a JSON Schema."""
    schema = ocsf_json_schema.OcsfJsonSchemaEmbedded(
        ocsf_json_schema.get_ocsf_schema(version="1.5.0")
    )
    name = schema.lookup_class_name_from_uid(class_uid)
    return jsonschema.Draft202012Validator(schema.get_class_schema(name))


def errors_of(found: dict[str, Any]) -> list[str]:
    return [f"{e.json_path}: {e.message}" for e in validator(found["class_uid"]).iter_errors(found)]


@pytest.fixture
def full(user: User, staff: User) -> dict[str, Any]:
    """An event with all that one can have."""
    device = Device.objects.create(user=user)
    row = record(
        Event.SESSION_STARTED,
        user=user,
        actor=staff,
        session_public_id=new_public_id(),
        device=device,
        reason="pwd otp",
        client=CLIENT,
    )
    row.request_id, row.count = "b7f1c2", 3
    return {"id": str(row.pk), **facts_of(row)}


def bare(event: str, outcome: str = "success") -> dict[str, Any]:
    """An event of which only the least is known."""
    return {"at": "2030-01-02T03:04:05.678901+00:00", "event": event, "outcome": outcome}


@pytest.mark.django_db
@pytest.mark.parametrize("outcome", Outcome.values)
@pytest.mark.parametrize("event", Event.values)
def test_ocsf_is_valid(full: dict[str, Any], event: str, outcome: str) -> None:
    """Each event, with all facts and with none, is valid by OCSF's own schema."""
    for facts in (bare(event, outcome), full | {"event": event, "outcome": outcome}):
        assert errors_of(as_ocsf(facts)) == []


def test_the_schema_finds_mistakes() -> None:
    """What is not valid is found: an unknown field, a wrong type, a missing one."""
    found = as_ocsf(bare("session.started"))

    assert errors_of(found | {"colour": "red"})
    assert errors_of(found | {"time": "yesterday"})
    assert errors_of({k: v for k, v in found.items() if k != "user"})
    assert errors_of(found | {"activity_id": 77})


@pytest.mark.django_db
def test_ocsf_keeps_every_fact(full: dict[str, Any]) -> None:
    """Nothing that is known of an event is lost, whatever class it becomes."""
    for event in Event.values:
        text = json.dumps(as_ocsf(full | {"event": event}))
        known = [value for name, value in full.items() if name not in ("at", "event", "count")]
        assert all(str(value) in text or value == "success" for value in known), event


@pytest.mark.django_db
def test_ocsf_of_a_sign_in(full: dict[str, Any]) -> None:
    """A sign-in says who, where from, in what session, with which factors."""
    found = as_ocsf(full)

    assert (found["class_uid"], found["activity_id"], found["type_uid"]) == (3002, 1, 300201)
    assert (found["status_id"], found["severity_id"], found["is_mfa"]) == (1, 1, True)
    assert found["auth_factors"] == [{"factor_type_id": 11}, {"factor_type_id": 7}]
    assert found["session"] == {"uid": full["session"]}
    assert found["user"] == {"uid": full["user"]}
    assert found["metadata"]["uid"] == full["id"]
    assert found["count"] == 3


@pytest.mark.parametrize(
    ("event", "outcome", "kind", "severity"),
    [
        ("session.started", "success", 300201, 1),
        ("sign_in.failed", "failure", 300201, 2),
        ("session.signed_out", "success", 300202, 1),
        ("session.revoked", "success", 300202, 1),
        ("key.reused", "failure", 300299, 4),
        ("password.changed", "success", 300103, 1),
        ("authenticator.added", "success", 300110, 1),
        ("authenticator.removed", "success", 300111, 1),
        ("device.renamed", "success", 300299, 1),
        ("an event of tomorrow", "success", 300299, 1),
    ],
)
def test_ocsf_kinds(event: str, outcome: str, kind: int, severity: int) -> None:
    """What is no sign-in, sign-out or change of an account is another authentication event."""
    found = as_ocsf(bare(event, outcome))

    assert (found["type_uid"], found["severity_id"]) == (kind, severity)
    assert ("activity_name" in found) is (kind % 100 == 99)


def test_methods_that_are_no_factor_of_ocsfs() -> None:
    """A recovery code is a factor of another kind, named as we name it."""
    found = as_ocsf(bare("session.started") | {"reason": "ext rcv"})

    assert found["is_mfa"] is True
    assert found["auth_factors"] == [
        {"factor_type_id": 99, "factor_type": "ext"},
        {"factor_type_id": 99, "factor_type": "rcv"},
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("event", Event.values)
def test_ecs_uses_ecs_words(full: dict[str, Any], event: str) -> None:
    """Categories are those of the schema, and types those that a category expects."""
    found = as_ecs(full | {"event": event})["event"]

    assert set(found["category"]) <= ECS_CATEGORIES
    expected = set().union(*(ECS_TYPES[category] for category in found["category"]))
    assert set(found["type"]) <= expected
    assert found["outcome"] in ("success", "failure", "unknown")


@pytest.mark.django_db
def test_ecs_tells_the_actor_from_the_target(full: dict[str, Any]) -> None:
    """Who did it is the user; whom it happened to is the target, where that is another."""
    found = as_ecs(full)
    own = as_ecs({name: value for name, value in full.items() if name != "actor"})

    assert found["user"] == {"id": full["actor"], "target": {"id": full["user"]}}
    assert own["user"] == {"id": full["user"]}
    assert found["source"] == {"ip": "203.0.113.24"}
    assert "user" not in as_ecs(bare("sign_in.failed"))


def test_mappings_name_real_events() -> None:
    """No mapping is of an event that there is not."""
    assert {*ACTIVITIES, *SEVERITIES, *CATEGORIES} <= set(Event.values)


@pytest.mark.django_db
@pytest.mark.parametrize("formatter", [OcsfFormatter, EcsFormatter])
def test_the_log_in_another_format(
    user: User, formatter: type[logging.Formatter], caplog: pytest.LogCaptureFixture
) -> None:
    """A handler with the formatter writes each event in that format, on one line."""
    with caplog.at_level(logging.INFO, logger="sessions_plus.security"):
        record(Event.SESSION_STARTED, user=user, client=CLIENT)
    (entry,) = caplog.records

    line = formatter().format(entry)

    assert "\n" not in line
    assert line.isascii()
    found = json.loads(line)
    assert str(user.pk) in json.dumps(found["user"])
    if formatter is OcsfFormatter:
        assert errors_of(found) == []


@pytest.mark.parametrize("message", ["hello", "{}", "[1]", '{"event": "x"}'])
def test_other_lines_stay(message: str) -> None:
    """What is none of our events is written as it is."""
    entry = logging.LogRecord("x", logging.INFO, "", 0, message, None, None)

    assert OcsfFormatter().format(entry) == message


def test_formatters_are_named_before_models_are_there() -> None:
    """``LOGGING`` is read before any app is loaded."""
    import subprocess
    import sys

    code = (
        "import logging.config, sys\n"
        "logging.config.dictConfig({'version': 1, 'formatters': {'ocsf': {"
        "'()': 'sessions_plus.logs.OcsfFormatter'}}})\n"
        "assert 'sessions_plus.models' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.django_db
@pytest.mark.parametrize("agent", NASTY)
@pytest.mark.parametrize("form", FORMATS)
def test_no_client_writes_its_own_line(user: User, agent: str, form: str) -> None:
    """Whatever a browser calls itself, an event is one short line of ASCII in each format."""
    client = ClientInfo.of(ip_address="203.0.113.24", user_agent=agent)
    row = record(Event.SESSION_STARTED, user=user, client=client)

    line = json.dumps(FORMATS[form](facts_of(SessionEvent.objects.get(pk=row.pk))))

    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 8_000
