"""A session's row as a sign-in writes it: together with its device and its events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

from django.contrib.sessions.exceptions import SessionInterrupted

from sessions_plus import events
from sessions_plus.models import Device, SessionEvent
from sessions_plus.named_types import Values
from sessions_plus.rows import session_row, together
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.table import Table
from sessions_plus.rows.together import DevicePart, EventPart, Outcome, SessionPart

DEVICES = Table(Device)

# Each but the first means that another request stored a device of the same token in between.
RECOGNITION_ATTEMPTS = 3

Drafting = Callable[[UUID], list[SessionEvent]]
"""Returns what happened to the session of that name, not stored yet."""


class RowWithEvents:
    """
    Stores a session's row with its events (a ``store.writing.Beside``).

    ``drafts`` are the events, stored once the session is, or not to be stored yet.
    """

    def __init__(self, drafting: Drafting, *, stores_events: bool = True) -> None:
        self._drafting = drafting
        self._stores_events = stores_events
        self.drafts: list[SessionEvent] = []

    def insert(self, values: Values) -> Mapping[str, object]:
        return self._write(SessionPart(values), values["public_id"]) or {}

    def update(self, row: Row, changes: Mapping[str, object]) -> Mapping[str, object] | None:
        where = session_row.living(row.public_id, version=row.version)
        return self._write(SessionPart(changes, where), row.public_id)

    def tell(self) -> None:
        """Say that it happened, and store it where that had to wait."""
        if self._stores_events:
            events.tell(self.drafts)
        else:
            events.record_all(self.drafts)

    def _write(self, session: SessionPart, public_id: UUID) -> Mapping[str, object] | None:
        return {} if self._try(session, None, public_id).is_written else None

    def _try(self, session: SessionPart, device: DevicePart | None, public_id: UUID) -> Outcome:
        self.drafts = self._drafting(public_id)
        rows = events.values_of(self.drafts) if self._stores_events else []
        outcome = together.write(session, device, EventPart(events.EVENTS, events.database(), rows))
        if outcome.event_ids:
            events.note_stored(self.drafts, outcome.event_ids)
        return outcome


class Recognised(Protocol):
    """The device of a sign-in, and how it is found again where another request changed it."""

    @property
    def device(self) -> Device: ...

    @property
    def news(self) -> Mapping[str, object]:
        """What is written of it where it is known."""

    @property
    def is_certainly_new(self) -> bool:
        """Whether its token was made in this request."""

    def recognise_again(self) -> None: ...


class RowWithDevice(RowWithEvents):
    """Stores the session's device with it, too."""

    def __init__(
        self, recognised: Recognised, drafting: Drafting, *, stores_events: bool = True
    ) -> None:
        super().__init__(drafting, stores_events=stores_events)
        self._recognised = recognised

    def _write(self, session: SessionPart, public_id: UUID) -> Mapping[str, object] | None:
        for _ in range(RECOGNITION_ATTEMPTS):
            device, part = self._recognised.device, self._part()
            outcome = self._try(session, part, public_id)
            if outcome.device_id is not None:
                self._note_stored(device, part, outcome.device_id)
            if outcome.is_written:
                return {"device_id": device.pk}
            if outcome.is_device_there:
                return None
            if part.where is not None:
                break  # removing it wins
            self._recognised.recognise_again()
        raise SessionInterrupted("The device was removed during the sign-in.")

    def _part(self) -> DevicePart:
        known = self._recognised
        if known.device.pk is None:
            return DevicePart(DEVICES, _values_of(known.device), None, known.is_certainly_new)
        return DevicePart(DEVICES, known.news, {"id": known.device.pk, "revoked_at": None})

    def _note_stored(self, device: Device, part: DevicePart, key: int) -> None:
        device.pk = key
        device._state.adding, device._state.db = False, session_row.database()
        for name, value in part.values.items():
            setattr(device, name, value)
        for row in self.drafts:
            row.device = device


def _values_of(device: Device) -> dict[str, object]:
    return {name: getattr(device, name) for name in _COLUMNS}


_COLUMNS: Sequence[str] = tuple(
    field.attname for field in Device._meta.concrete_fields if not field.primary_key
)
