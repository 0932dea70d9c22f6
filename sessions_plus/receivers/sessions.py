"""What follows what the store noticed, and what happened to rows past it."""

from __future__ import annotations

from uuid import UUID

from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from sessions_plus.client_info import ClientInfo
from sessions_plus.devices.device_keys.missing import note_missing
from sessions_plus.events import note, record
from sessions_plus.lifecycle.revocation import revoke, revoke_matching
from sessions_plus.models import (
    Device,
    Event,
    Outcome,
    Reason,
    Session,
    SessionEvent,
)
from sessions_plus.named_types import Arguments
from sessions_plus.policy import Verdict
from sessions_plus.rows.session_row import Row, database
from sessions_plus.signals import (
    client_changed,
    data_unreadable,
    device_key_missing,
    key_reused,
    rows_changed,
    session_ended,
    session_expired,
    sessions_over,
)
from sessions_plus.store.client_change import ClientChange, Reaction
from sessions_plus.store.engine import site_copies


@receiver(session_ended, dispatch_uid="sessions_plus.ended")
def note_end(row: Row, reason: str, client: ClientInfo | None, **_: object) -> None:
    """A sign-out, or a ``flush()`` by the site: Django's own when a password hash changed."""
    is_sign_out = reason == Reason.SIGNED_OUT
    record(
        Event.SESSION_SIGNED_OUT if is_sign_out else Event.SESSION_REVOKED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=_device_of(row),
        reason="" if is_sign_out else reason,
        client=client,
    )


@receiver(session_expired, dispatch_uid="sessions_plus.expired")
def note_expiry(row: Row, verdict: Verdict, client: ClientInfo | None, **_: object) -> None:
    record(
        Event.SESSION_EXPIRED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=_device_of(row),
        reason=verdict.value,
        client=client,
    )


def _device_of(row: Row) -> Device | None:
    if row.device_id is None:
        return None
    return Device.objects.using(database()).filter(pk=row.device_id).first()


@receiver(key_reused, dispatch_uid="sessions_plus.key_reused")
def end_after_reuse(row: Row, client: ClientInfo | None, **_: object) -> None:
    """An old key came back: this session, and only this one, ends."""
    session = Session.objects.named(row.public_id)
    if session is None or not revoke(session, reason=Reason.KEY_REUSED, client=client):
        return
    record(
        Event.KEY_REUSED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=session.device,
        outcome=Outcome.FAILURE,
        client=client,
    )


@receiver(device_key_missing, dispatch_uid="sessions_plus.device_key_missing")
def note_missing_proof(row: Row, is_refused: bool, client: ClientInfo | None, **_: object) -> None:
    note_missing(row, is_refused=is_refused, client=client, now=timezone.now())


@receiver(client_changed, dispatch_uid="sessions_plus.client_changed")
def note_client_change(
    row: Row, change: ClientChange, client: ClientInfo | None, **_: object
) -> None:
    """Another browser, system or network: written down, and the session ended where it has to."""
    session = Session.objects.named(row.public_id)
    is_ended = change.reaction is Reaction.REVOKE
    if session is None:
        return
    if is_ended and not revoke(session, reason=Reason.CLIENT_CHANGED, client=client):
        return
    record(
        Event.SESSION_CLIENT_CHANGED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=session.device,
        outcome=Outcome.SUCCESS if change.reaction is Reaction.RECORD else Outcome.FAILURE,
        reason=" ".join(change.what),
        client=client,
    )


@receiver(data_unreadable, dispatch_uid="sessions_plus.unreadable")
def note_unreadable(row: Row, client: ClientInfo | None, **_: object) -> None:
    """Once a session: with a lost key there would be a row for each of its requests."""
    facts: Arguments = {"user_id": row.user_id, "session_public_id": row.public_id}
    if SessionEvent.objects.filter(event=Event.SESSION_UNREADABLE, **facts).exists():
        note(Event.SESSION_UNREADABLE, reason="again", client=client)
        return
    record(Event.SESSION_UNREADABLE, outcome=Outcome.FAILURE, client=client, **facts)


@receiver(rows_changed, dispatch_uid="sessions_plus.rows_changed")
def tell_cache(public_ids: list[UUID], ended: bool, **_: object) -> None:
    copies = site_copies()
    if ended:
        copies.forget_many(public_ids)
        sessions_over.send_robust(sender=Session, public_ids=public_ids)
        return
    for public_id in public_ids:
        copies.outdate(public_id)


@receiver(pre_delete, sender=Device, dispatch_uid="sessions_plus.device_deleting")
def end_sessions_of_deleted_device(instance: Device, **_: object) -> None:
    revoke_matching(Session.objects.filter(device_id=instance.pk), reason=Reason.DEVICE_REVOKED)


@receiver(pre_delete, sender=Session, dispatch_uid="sessions_plus.session_deleting")
def end_before_delete(instance: Session, **_: object) -> None:
    """Deleting a session's row, one or many, ends it the same way as everywhere else."""
    if instance.revoked_at is None and instance.user_id is not None:
        revoke(instance, reason=Reason.DELETED)
    else:
        site_copies().forget(instance.public_id)
        sessions_over.send_robust(sender=Session, public_ids=[instance.public_id])
