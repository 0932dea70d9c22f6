"""
One event in the words of others: OCSF and ECS.

Pure functions of the facts that a line of the log has (see ``events.facts_of``), with the
event's ``id`` where it is known. Nothing is added to what was stored: what the privacy setting
left out stays out. What has no place of its own stands under ``unmapped`` or ``sessions_plus``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from sessions_plus.mfa.methods import has_second_factor
from sessions_plus.named_types import Json, JsonObject

Facts = Json
Record = JsonObject

OCSF_VERSION = "1.5.0"
ECS_VERSION = "8.17.0"
PRODUCT = "django-sessions-plus"
SERVICE = "sessions_plus"

# OCSF: category Identity & Access Management, and two of its classes.
IAM, ACCOUNT_CHANGE, AUTHENTICATION = 3, 3001, 3002
OTHER = 99
INFORMATIONAL, LOW, MEDIUM, HIGH = 1, 2, 3, 4


class Activity(NamedTuple):
    """What OCSF calls an event: its class, and the number within."""

    class_uid: int
    activity_id: int


LOGON, LOGOFF = Activity(AUTHENTICATION, 1), Activity(AUTHENTICATION, 2)
ANYTHING_ELSE = Activity(AUTHENTICATION, OTHER)

ACTIVITIES: Mapping[str, Activity] = MappingProxyType(
    {
        "session.started": LOGON,
        "sign_in.failed": LOGON,
        "challenge.failed": LOGON,
        "session.signed_out": LOGOFF,
        "session.expired": LOGOFF,
        "session.revoked": LOGOFF,
        "password.changed": Activity(ACCOUNT_CHANGE, 3),
        "authenticator.added": Activity(ACCOUNT_CHANGE, 10),
        "authenticator.removed": Activity(ACCOUNT_CHANGE, 11),
        "authenticator.disabled": Activity(ACCOUNT_CHANGE, 11),
        "recovery_codes.made": Activity(ACCOUNT_CHANGE, OTHER),
    }
)

# Beside these a success is informational, and a failure low: people mistype.
SEVERITIES: Mapping[str, int] = MappingProxyType(
    {
        "key.reused": HIGH,
        "authenticator.disabled": MEDIUM,
        "session.unreadable": MEDIUM,
        "throttle.reached": MEDIUM,
        "access.denied": MEDIUM,
    }
)

# OCSF: auth_factor.factor_type_id. The rest is 99, with our own word for it.
FACTORS: Mapping[str, int] = MappingProxyType({"otp": 7, "pwd": 11})

# ECS: event.category and event.type.
CATEGORIES: Mapping[str, tuple[list[str], list[str]]] = MappingProxyType(
    {
        "session.started": (["authentication", "session"], ["start"]),
        "session.signed_out": (["authentication", "session"], ["end"]),
        "session.expired": (["session"], ["end"]),
        "session.revoked": (["session"], ["end"]),
        "sign_in.failed": (["authentication"], ["start"]),
        "challenge.started": (["authentication"], ["info"]),
        "challenge.failed": (["authentication"], ["start"]),
        "password.changed": (["iam"], ["user", "change"]),
        "authenticator.added": (["iam"], ["user", "change"]),
        "authenticator.removed": (["iam"], ["user", "change"]),
        "authenticator.disabled": (["iam"], ["user", "change"]),
        "recovery_codes.made": (["iam"], ["user", "change"]),
    }
)


def as_json(facts: Facts) -> Record:
    """Return the facts as the log has them."""
    return dict(facts)


def as_ocsf(facts: Facts) -> Record:
    """Return the event as one of OCSF's, of its class Authentication or Account Change."""
    event, failed = str(facts["event"]), facts["outcome"] == "failure"
    class_uid, activity_id = ACTIVITIES.get(event, ANYTHING_ELSE)
    record: Record = {
        "category_uid": IAM,
        "class_uid": class_uid,
        "activity_id": activity_id,
        "activity_name": event if activity_id == OTHER else None,
        "type_uid": class_uid * 100 + activity_id,
        "time": int(datetime.fromisoformat(facts["at"]).timestamp() * 1000),
        "severity_id": SEVERITIES.get(event, LOW if failed else INFORMATIONAL),
        "status_id": 2 if failed else 1,
        "status_detail": facts.get("reason"),
        "count": facts.get("count"),
        "user": _ocsf_user(facts.get("user")),
        "actor": _ocsf_actor(facts.get("actor")),
        "src_endpoint": _without_none({"ip": facts.get("ip_address")}),
        "http_request": _without_none(
            {"user_agent": facts.get("user_agent"), "uid": facts.get("request_id")}
        ),
        "metadata": _without_none(
            {
                "version": OCSF_VERSION,
                "product": {"name": PRODUCT, "vendor_name": PRODUCT},
                "uid": facts.get("id"),
            }
        ),
        "unmapped": _without_none(
            {name: facts.get(name) for name in ("event", "reason", "owasp", "device")}
        ),
    }
    if class_uid == AUTHENTICATION:
        record |= _ocsf_authentication(facts)
    elif facts.get("session"):
        record["unmapped"]["session"] = facts["session"]
    return _without_none(record)


def _ocsf_user(user: str | None) -> Record:
    return {"uid": user} if user is not None else {"name": "Unknown", "type_id": 0}


def _ocsf_actor(actor: str | None) -> Record | None:
    return {"user": {"uid": actor}} if actor is not None else None


def _ocsf_authentication(facts: Facts) -> Record:
    """What only a sign-in, or its end, has."""
    proved = str(facts.get("reason", "")).split() if facts["event"] == "session.started" else []
    return {
        "service": {"name": SERVICE},
        "session": _without_none({"uid": facts.get("session")}),
        "is_mfa": has_second_factor(proved) if proved else None,
        "auth_factors": [_ocsf_factor(method) for method in proved] or None,
    }


def _ocsf_factor(method: str) -> Record:
    if method in FACTORS:
        return {"factor_type_id": FACTORS[method]}
    return {"factor_type_id": OTHER, "factor_type": method}


def as_ecs(facts: Facts) -> Record:
    """Return the event in the fields of the Elastic Common Schema."""
    event = str(facts["event"])
    category, kind = CATEGORIES.get(event, (["session"], ["info"]))
    user, actor = facts.get("user"), facts.get("actor")
    by_another = actor is not None and actor != user
    record = {
        "@timestamp": facts["at"],
        "ecs": {"version": ECS_VERSION},
        "event": _without_none(
            {
                "kind": "event",
                "id": facts.get("id"),
                "action": event,
                "category": category,
                "type": kind,
                "outcome": facts["outcome"],
                "reason": facts.get("reason"),
                "provider": SERVICE,
            }
        ),
        # ECS has who did it in `user`, and whom it happened to in `user.target`.
        "user": _without_none(
            {"id": actor, "target": _without_none({"id": user})} if by_another else {"id": user}
        ),
        "source": _without_none({"ip": facts.get("ip_address")}),
        "user_agent": _without_none({"original": facts.get("user_agent")}),
        "http": {"request": {"id": facts["request_id"]}} if facts.get("request_id") else None,
        "service": {"name": SERVICE},
        SERVICE: _without_none(
            {name: facts.get(name) for name in ("session", "device", "owasp", "count")}
        ),
    }
    return _without_none(record)


def _without_none(record: Record) -> Record:
    """Leave out what is not known, so that no receiver takes it for a value."""
    return {name: value for name, value in record.items() if value not in (None, {})}


FORMATS: Mapping[str, Callable[[Facts], Record]] = MappingProxyType(
    {"jsonl": as_json, "ocsf": as_ocsf, "ecs": as_ecs}
)
