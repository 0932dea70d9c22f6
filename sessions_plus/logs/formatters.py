"""Formatters for the log ``sessions_plus.security``, for ``LOGGING``."""

from __future__ import annotations

import json
import logging

from sessions_plus.logs.formats import Facts, Record, as_ecs, as_ocsf


class EventFormatter(logging.Formatter):
    """
    Turns a line about an event into one of another format; others stay as they are.

    Still one JSON object on one line of ASCII, whatever a client sent.
    """

    def format(self, record: logging.LogRecord) -> str:
        facts = facts_in(record.getMessage())
        return super().format(record) if facts is None else json.dumps(self.render(facts))

    def render(self, facts: Facts) -> Record:
        raise NotImplementedError


class OcsfFormatter(EventFormatter):
    """Lines of the Open Cybersecurity Schema Framework."""

    def render(self, facts: Facts) -> Record:
        return as_ocsf(facts)


class EcsFormatter(EventFormatter):
    """Lines of the Elastic Common Schema."""

    def render(self, facts: Facts) -> Record:
        return as_ecs(facts)


def facts_in(message: str) -> dict[str, object] | None:
    """Return the facts of a line that ``events`` wrote; None for any other."""
    try:
        facts = json.loads(message)
    except ValueError:
        return None
    is_ours = isinstance(facts, dict) and {"at", "event", "outcome"} <= facts.keys()
    return facts if is_ours else None
