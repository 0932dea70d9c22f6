"""What whoever runs the site is told, and who may ask."""

from __future__ import annotations

from sessions_plus.conf.problems import guessable
from sessions_plus.conf.setting import Setting


class OperatingSettings:
    """What whoever runs the site is told, and who may ask."""

    # Operating

    METRICS = Setting[bool](
        bool,
        False,
        "Measure what this process does, for OpenTelemetry (needs the extra `metrics`). Off: "
        "nothing of it is imported.",
    )
    METRICS_TOKEN = Setting[str | None](
        str,
        None,
        "What opens `metrics`, and the details of `health/ready`, as "
        "`Authorization: Bearer …`. None: nobody sees them.",
        optional=True,
        problem=guessable,
    )
