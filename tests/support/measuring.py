"""What OpenTelemetry's SDK reads of our metrics, for tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from sessions_plus import metrics, signals

ENGINES = ("sessions_plus.backends.db", "sessions_plus.backends.cached_db")
FED_BY = (
    signals.event_recorded,
    signals.cache_unavailable,
    signals.cleaned_up,
    signals.session_revoked,
)


class Meters:
    """Reads what was measured so far."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.provider = MeterProvider([self._reader])

    def points(self, name: str = "") -> list[tuple[str, dict[str, Any], Any]]:
        """Each series: name of the instrument, attributes, and the point; of one, or of all."""
        found = self._reader.get_metrics_data()
        return [
            (metric.name, dict(point.attributes or {}), point)
            for resource in (found.resource_metrics if found is not None else [])
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
            if not name or metric.name == f"sessions_plus.{name}"
        ]

    def value(self, name: str, **attributes: Any) -> Any:
        """The value of the one series of that name with these attributes; 0 where there is none."""
        found = [point for _, given, point in self.points(name) if given == attributes]
        return getattr(found[0], "value", None) if found else 0

    def count(self, name: str, **attributes: Any) -> int:
        """How many values a histogram took."""
        return sum(
            point.count
            for _, given, point in self.points(name)
            if attributes.items() <= given.items()
        )


@contextmanager
def measured() -> Iterator[Meters]:
    """Switch metrics on, for the engine of now."""
    modules = [import_module(path) for path in ENGINES]
    stores = [module.SessionStore for module in modules]
    meters = Meters()
    metrics.begin(meters.provider.get_meter("sessions_plus"))
    try:
        yield meters
    finally:
        for module, store in zip(modules, stores, strict=True):
            module.SessionStore = store  # type: ignore[attr-defined]
        for signal in FED_BY:
            signal.disconnect(dispatch_uid=metrics.NAME)
        meters.provider.shutdown()
