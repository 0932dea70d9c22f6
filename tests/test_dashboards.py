"""The dashboard and the alert rules in the documentation: they name what there is."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.utils import timezone
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import REGISTRY, generate_latest

from sessions_plus.cache import copies
from sessions_plus.events import record
from sessions_plus.maintenance.cleanup import cleanup
from sessions_plus.maintenance.exposition import exposition
from sessions_plus.maintenance.site_figures import FIGURES, Reading
from sessions_plus.metrics import Metrics
from sessions_plus.models import Event, SigningKey
from sessions_plus.store.measured import ServedBy

PAGES = Path(__file__).resolve().parents[1] / "docs" / "operating"
NAME = re.compile(r"\bsessions_plus_\w+")

Box = dict[str, int]


def dashboard() -> dict[str, Any]:
    return dict(json.loads((PAGES / "dashboard.json").read_text()))


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((PAGES / "alerts.yml").read_text())["groups"]
    return list(group["rules"])


def expressions() -> list[str]:
    panels = dashboard()["panels"]
    shown = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    return [*shown, *(rule["expr"] for rule in rules())]


def exported() -> set[str]:
    """The names that Prometheus reads of a process which did a little of everything."""
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    measure_everything(Metrics(provider.get_meter("sessions_plus")))
    try:
        return names_in(generate_latest(REGISTRY).decode())
    finally:
        provider.shutdown()


def measure_everything(metrics: Metrics) -> None:
    copies.tier()
    metrics.on_event(record(Event.KEY_REUSED))
    metrics.on_revoked(cache_reached=True, seconds=0.01)
    metrics.on_cache_unavailable("default", "read")
    metrics.on_cleaned_up({"sessions": 1})
    metrics.loaded(ServedBy.ROW, 0.01)
    metrics.rotated()
    metrics.replayed()
    metrics.conflicted()


def names_in(text: str) -> set[str]:
    return {name for line in text.splitlines() if line[:1] != "#" for name in NAME.findall(line)}


@pytest.mark.django_db(transaction=True)
def test_every_name_is_exported() -> None:
    """What is asked for on the dashboard and in the rules is what there is, and all of it."""
    now = timezone.now()
    SigningKey.objects.create(number=1, kid="k", algorithm="ES256", public_jwk={}, not_before=now)
    cleanup(now)

    there = exported() | names_in(exposition(FIGURES, Reading(now)))
    asked = {name for text in expressions() for name in NAME.findall(text)}

    assert asked <= there
    # What each process tells of the site the page tells, too.
    left = {name for name in there - asked if not name.endswith(("_sum", "_count"))}
    assert left == {
        "sessions_plus_events_total",
        "sessions_plus_sessions_active",
        "sessions_plus_users_second_factor",
        "sessions_plus_cleanup_age_seconds",
        "sessions_plus_signing_key_remaining_seconds",
    }


def test_events_are_known() -> None:
    """Each event that is asked for by name is one."""
    named = re.findall(r'event=~?"([^"]+)"', " ".join(expressions()))
    asked = {event for text in named for event in text.split("|")}

    assert asked
    assert asked <= set(Event.values)


def test_panels_do_not_overlap() -> None:
    """Each panel has its place and its number."""
    panels = dashboard()["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        assert not overlap(one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def overlap(one: Box, other: Box) -> bool:
    return all(
        one[start] < other[start] + other[length] and other[start] < one[start] + one[length]
        for start, length in (("x", "w"), ("y", "h"))
    )


def test_every_alert_is_explained() -> None:
    """Each says in the documentation what it means and what to do, and in itself what happened."""
    written = (PAGES / "metrics.md").read_text()
    alerts = {rule["alert"] for rule in rules()}

    assert len(alerts) == len(rules())
    assert set(re.findall(r"`(SessionsPlus\w+)`", written)) == alerts
    for rule in rules():
        assert set(rule["annotations"]) == {"summary", "description"}
        assert rule["labels"]["severity"] in ("warning", "critical")
