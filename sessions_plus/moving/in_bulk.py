"""
Taking over what a table of the old engine holds, before its owners come.

Beside traffic, in short statements, and begun again wherever it was interrupted: what was
taken over is gone there, or known by its key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connections, transaction

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.crypto import digest
from sessions_plus.devices.recognition import usable_token
from sessions_plus.events import draft, record_all
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.lifecycle.adoption_bars import barred_since, is_over
from sessions_plus.lifecycle.alone import alone_for_many
from sessions_plus.models import AdoptedKey, Device, Event, Session, SessionEvent
from sessions_plus.moving.adoption import SessionAdopter, moved_data, proof_columns
from sessions_plus.moving.claims import Refusal, signed_in_at
from sessions_plus.moving.judging import Fate, Judge, Plan, read_all
from sessions_plus.named_types import OthersRow, UserId
from sessions_plus.rows import payload as payloads
from sessions_plus.rows import session_row
from sessions_plus.rows.columns import agent_columns
from sessions_plus.store import old_engine, old_tables
from sessions_plus.store.adoption import Outcome, adopted_key, key_columns
from sessions_plus.store.old_engine import OldSession
from sessions_plus.store.presentation import SESSION_KEY, Caller, KeyState
from sessions_plus.store.writing import values_of_new


def batches(size: int, now: datetime) -> Iterator[Sequence[OthersRow]]:
    """Yield the old engine's live rows, ``size`` at a time."""
    rows, last = old_tables.own_rows(), ""
    while rows is not None:
        live = rows.filter(expire_date__gt=now, session_key__gt=last).order_by("session_key")
        chunk = list(live[:size])
        yield chunk
        if len(chunk) < size:
            return
        last = chunk[-1].session_key


def take_over(rows: Sequence[OthersRow], *, now: datetime) -> Counter[str]:
    """Take over the sessions of some rows of the old engine; return what became of them."""
    judge = Judge(read_all(rows), now=now)
    if not judge.plans:
        return judge.fates
    try:
        moved = _store(judge.plans, now)
    except IntegrityError:
        # Somebody came meanwhile: one after the other then, as when each comes by itself.
        return judge.fates + Counter(_take_over_alone(plan, now) for plan in judge.plans)
    if not conf.ADOPT_KEEP_OLD:
        old_engine.end_in_table([plan.old.key for plan in moved])
    ended = Counter({Refusal.ENDED: len(judge.plans) - len(moved)})
    return judge.fates + Counter(fate_of(plan) for plan in moved) + ended


def _take_over_alone(plan: Plan, now: datetime) -> str:
    client = client_of(plan.old)
    outcome = SessionAdopter().adopt(plan.old, client=client, device_token=None, now=now)
    return fate_of(plan) if outcome is Outcome.ADOPTED else Refusal.ENDED


def fate_of(plan: Plan) -> str:
    """Return what a plan makes of its session."""
    return Fate.VISIT if plan.user is None else Fate.SIGNED_IN


def client_of(old: OldSession) -> ClientInfo | None:
    """
    Return who used a session last, as far as that is known well enough to compare others with.

    What was cut off is taken for unknown, and so is the address where another would end the
    session: it may have been a proxy's.
    """
    told = old.details
    agent = told.user_agent if len(told.user_agent) < old_tables.LONGEST_AGENT else ""
    address = told.ip_address if conf.NETWORK_CHANGE == "ignore" else None
    return ClientInfo.of(ip_address=address, user_agent=agent) if agent or address else None


def _store(plans: Sequence[Plan], now: datetime) -> list[Plan]:
    """
    Store what sessions become, all or none; return those that were not over by now.

    Raises:
        IntegrityError: one of them was taken over meanwhile.
    """
    people = [plan.user.pk for plan in plans if plan.user is not None]
    with transaction.atomic(using=session_row.database()), alone_for_many(people):
        bars = barred_since(people)
        going = [plan for plan in plans if not _is_barred(plan, bars)]
        made = [_made(plan, now) for plan in going]
        devices = _store_devices([each.device for each in made if each.device is not None])
        alias = session_row.database()
        AdoptedKey.objects.using(alias).bulk_create(each.adopted for each in made)
        sessions = [each.session(devices, now) for each in made]
        Session._base_manager.using(alias).bulk_create(sessions)
        record_all([each.event() for each in made if each.plan.user is not None])
    return going


def _is_barred(plan: Plan, bars: dict[UserId, datetime]) -> bool:
    user = plan.user
    return user is not None and is_over(bars, user.pk, began_at=signed_in_at(plan.old))


@dataclass(frozen=True, slots=True)
class _Made:
    """What one session becomes, not stored yet."""

    plan: Plan
    key: str
    public_id: UUID
    adopted: AdoptedKey
    device: Device | None
    client: ClientInfo | None

    def session(self, devices: dict[str, int], now: datetime) -> Session:
        plan, claim = self.plan, self.plan.claim
        columns = key_columns(plan.old.key, self.key, self.public_id, now)
        columns["created_at"] = plan.old.details.created_at or now
        if claim is not None and self.device is not None:
            columns |= proof_columns(claim)
            columns["device_id"] = devices[self.device.token_hash or ""]
        data = moved_data(plan.old, plan.user)
        values, _ = values_of_new(
            data,
            payloads.encode(data),
            columns,
            public_id=self.public_id,
            caller=Caller(SESSION_KEY, self.key, KeyState.FRESH, self.client, None, False),
            now=now,
            active_at=plan.last_activity,
        )
        return Session(**values)

    def event(self) -> SessionEvent:
        return draft(
            Event.SESSION_ADOPTED,
            user=self.plan.user,
            session_public_id=self.public_id,
            device=self.device,
            reason=" ".join(self.plan.claim.methods) if self.plan.claim is not None else "",
        )


def _made(plan: Plan, now: datetime) -> _Made:
    public_id, client = new_public_id(), client_of(plan.old)
    token = usable_token(None) if plan.user is not None else None
    device = None
    if plan.user is not None and token is not None:
        seen_at = plan.old.details.created_at or now
        agent = agent_columns(client) if client is not None else {}
        device = Device(
            user_id=plan.user.pk,
            token_hash=digest(token),
            first_seen_at=seen_at,
            last_seen_at=plan.last_activity,
            **agent,
        )
    adopted = adopted_key(plan.old, public_id, device_token=token, now=now)
    return _Made(plan, new_token(public_id), public_id, adopted, device, client)


def _store_devices(devices: Sequence[Device]) -> dict[str, int]:
    """Store devices; return their primary keys by the digests of their tokens."""
    alias = session_row.database()
    rows = Device.objects.using(alias)
    rows.bulk_create(devices)
    if not connections[alias].features.can_return_rows_from_bulk_insert:
        hashes = [device.token_hash for device in devices]
        devices = list(rows.filter(token_hash__in=hashes))
    return {device.token_hash or "": device.pk for device in devices}
