"""
Metrics by OpenTelemetry's API: what this process did, fed by our own signals.

Without an SDK all of it comes to nothing, as the API has it. Every attribute has a closed set of
values (``ATTRIBUTES``; a test holds it): nothing that a client sends makes a series, and no
user, address, browser, path or session is ever told. What is true of the whole site is read from
the hourly counts instead: ``maintenance.site_figures``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from django.conf import settings
from django.db import connections
from django.dispatch import Signal
from django.utils import timezone
from opentelemetry.metrics import CallbackOptions, Meter, Observation, get_meter

from sessions_plus import __version__
from sessions_plus.cache import copies
from sessions_plus.maintenance import site_figures
from sessions_plus.maintenance.cleanup import REMOVED
from sessions_plus.maintenance.site_figures import OTHER, Reading, Sample, known_reason
from sessions_plus.models import Event, Kind, Outcome, Reason, SessionEvent
from sessions_plus.rows.session_row import database
from sessions_plus.signals import cache_unavailable, cleaned_up, event_recorded, session_revoked
from sessions_plus.store.engine import measure_with
from sessions_plus.store.measured import ServedBy

NAME = "sessions_plus"

ATTRIBUTES: Mapping[str, Callable[[], Collection[object]]] = MappingProxyType(
    {
        "event": lambda: Event.values,
        "outcome": lambda: Outcome.values,
        "reason": lambda: [*Reason.values, OTHER],
        "served_by": lambda: list(ServedBy),
        "reached": lambda: [False, True],
        "alias": lambda: settings.CACHES,
        "operation": lambda: ["read", "write"],
        "kind": lambda: Kind.values,
        "model": lambda: REMOVED,
    }
)
"""Every attribute there is, and what it may be."""

# A copy that is judged in full takes a tenth of a millisecond, so not each is measured.
COPIES_PER_MEASURED = 16

# From a copy that lies beside to a server that hangs.
SECONDS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 1)


@dataclass(frozen=True, slots=True)
class Instrument:
    """What is measured: its name below ``sessions_plus``, its unit, and what tells series apart."""

    name: str
    unit: str
    meaning: str
    attributes: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return f"{NAME}.{self.name}"


COUNTERS = (
    Instrument("events", "{event}", "Events that were recorded.", ("event", "outcome", "reason")),
    Instrument(
        "cache.errors", "{error}", "How often the cache stopped answering.", ("alias", "operation")
    ),
    Instrument("save.conflicts", "{save}", "Saves that met a row which was written to meanwhile."),
    Instrument("rotations", "{key}", "Keys in use that were replaced."),
    Instrument(
        "grace_replays", "{key}", "Replaced keys that came in time and were told the newest."
    ),
    Instrument("cleanup.removed", "{row}", "Rows that `clearsessions` removed.", ("model",)),
)
HISTOGRAMS = (
    Instrument(
        "session.load.duration",
        "s",
        "How long a session took to load where the fast path did not do. Of copies one in "
        f"{COPIES_PER_MEASURED} is measured.",
        ("served_by",),
    ),
    Instrument(
        "revocation.duration",
        "s",
        "How long it took to end a session in the database and to tell the cache, which was or "
        "was not reached.",
        ("reached",),
    ),
)
LOADS = Instrument("session.loads", "{load}", "Sessions that were loaded.", ("served_by",))


class Loads:
    """How many loads were served by what. A number under a lock: a tenth of a microsecond."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = dict.fromkeys(ServedBy, 0)

    def add(self, served_by: ServedBy) -> int:
        """Count one; return how many there are of its kind."""
        with self._lock:
            self._counts[served_by] += 1
            return self._counts[served_by]

    def observe(self, options: CallbackOptions) -> Iterator[Observation]:
        for served_by, count in self._counts.items():
            yield Observation(count, {"served_by": served_by.value})


class Metrics:
    """The instruments, and what feeds them. One in a process."""

    def __init__(self, meter: Meter) -> None:
        self.loads = Loads()
        self.counters = {
            one.name: meter.create_counter(one.full_name, one.unit, one.meaning) for one in COUNTERS
        }
        self.histograms = {
            one.name: meter.create_histogram(
                one.full_name,
                one.unit,
                one.meaning,
                explicit_bucket_boundaries_advisory=SECONDS,
            )
            for one in HISTOGRAMS
        }
        meter.create_observable_counter(
            LOADS.full_name, [self.loads.observe], LOADS.unit, LOADS.meaning
        )
        for one, observe in GAUGES.items():
            meter.create_observable_gauge(one.full_name, [observe], one.unit, one.meaning)

    # What the signals tell. They are sent with send_robust, so a fault here harms nobody.

    def on_event(self, event: SessionEvent, **_: object) -> None:
        attributes = {"event": str(event.event), "outcome": str(event.outcome)}
        if reason := known_reason(str(event.reason)):
            attributes["reason"] = reason
        self.counters["events"].add(event.count, attributes)

    def on_revoked(self, cache_reached: bool, seconds: float, **_: object) -> None:
        self.histograms["revocation.duration"].record(seconds, {"reached": cache_reached})

    def on_cache_unavailable(self, alias: str, operation: str, **_: object) -> None:
        self.counters["cache.errors"].add(1, {"alias": alias, "operation": operation})

    def on_cleaned_up(self, removed: Mapping[str, int], **_: object) -> None:
        for name, count in removed.items():
            self.counters["cleanup.removed"].add(count, {"model": name})

    # What a measured store tells

    def loaded(self, served_by: ServedBy, seconds: float) -> None:
        """See StoreObserver."""
        number = self.loads.add(served_by)
        if served_by is ServedBy.FAST_PATH:
            return
        if served_by is not ServedBy.COPY or number % COPIES_PER_MEASURED == 1:
            attributes = {"served_by": served_by.value}
            self.histograms["session.load.duration"].record(seconds, attributes)

    def replayed(self) -> None:
        """See StoreObserver."""
        self.counters["grace_replays"].add(1)

    def rotated(self) -> None:
        """See StoreObserver."""
        self.counters["rotations"].add(1)

    def conflicted(self) -> None:
        """See StoreObserver."""
        self.counters["save.conflicts"].add(1)


# Gauges. They are read in threads of exporters.

Observe = Callable[[CallbackOptions], Collection[Observation]]


def breakers(options: CallbackOptions) -> list[Observation]:
    return [
        Observation(int(tier.breaker.is_open), {"alias": tier.alias}) for tier in copies.known()
    ]


def pending(options: CallbackOptions) -> list[Observation]:
    return [
        Observation(len(tier.pending.outstanding()), {"alias": tier.alias})
        for tier in copies.known()
    ]


def of_the_site(read: Callable[[Reading], list[Sample]]) -> Observe:
    """Return what observes a figure of the whole site: the same in each of its processes."""

    def observe(options: CallbackOptions) -> list[Observation]:
        with own_connection():
            samples = read(Reading(timezone.now()))
        return [Observation(sample.value, dict(sample.labels)) for sample in samples]

    return observe


@contextmanager
def own_connection() -> Iterator[None]:
    """Close the connection that was opened meanwhile: an exporter's thread serves no request."""
    connection = connections[database()]
    is_opened_here = connection.connection is None
    try:
        yield
    finally:
        if is_opened_here:
            connection.close()


def clean_up_age(reading: Reading) -> list[Sample]:
    now = reading.now.timestamp()
    return [Sample(now - sample.value) for sample in site_figures.cleaned_up_at(reading)]


def signing_key_remaining(reading: Reading) -> list[Sample]:
    now = reading.now.timestamp()
    return [Sample(sample.value - now) for sample in site_figures.signing_key_due_at(reading)]


GAUGES: Mapping[Instrument, Observe] = MappingProxyType(
    {
        Instrument(
            "cache.breaker.open", "", "1 while a cache that failed is left alone.", ("alias",)
        ): breakers,
        Instrument(
            "revocation.pending",
            "{session}",
            "What a cache was not told yet, as it could not be reached.",
            ("alias",),
        ): pending,
        Instrument(
            "sessions.active",
            "{session}",
            "Sessions of the whole site that somebody is signed in to, hourly.",
            ("kind",),
        ): of_the_site(site_figures.active_sessions),
        Instrument(
            "users.second_factor",
            "{user}",
            "Users of the whole site with a second factor, hourly.",
        ): of_the_site(site_figures.second_factors),
        Instrument(
            "cleanup.age", "s", "How long ago a clean-up last came to its end."
        ): of_the_site(clean_up_age),
        Instrument(
            "signing_key.remaining",
            "s",
            "How long until the key that signs is to be followed; below zero: it was not.",
        ): of_the_site(signing_key_remaining),
    }
)


def begin(meter: Meter | None = None) -> Metrics:
    """
    Measure from now on. ``apps.ready()`` calls it where ``SESSIONS_PLUS_METRICS`` is on.

    The instruments of the API wait for whatever SDK is set up later, also after a fork.
    """
    found = Metrics(meter or get_meter(NAME, __version__))
    feeds: list[tuple[Signal, Callable[..., None]]] = [
        (event_recorded, found.on_event),
        (session_revoked, found.on_revoked),
        (cache_unavailable, found.on_cache_unavailable),
        (cleaned_up, found.on_cleaned_up),
    ]
    for signal, receiver in feeds:
        signal.disconnect(dispatch_uid=NAME)
        signal.connect(receiver, weak=False, dispatch_uid=NAME)
    measure_with(found)
    return found
