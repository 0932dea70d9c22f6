"""What follows at the old engine where a session ends that goes on there, too."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from django.db import transaction
from django.dispatch import receiver

from sessions_plus.conf import conf
from sessions_plus.models import Session
from sessions_plus.rows.session_row import Row, database
from sessions_plus.signals import session_ended, session_expired, session_revoked
from sessions_plus.store.kept_old_keys import kept_old_key
from sessions_plus.store.old_engine import end


@receiver(session_ended, dispatch_uid="sessions_plus.moving.ended")
@receiver(session_expired, dispatch_uid="sessions_plus.moving.expired")
def end_old_with_row(row: Row, **_: object) -> None:
    end_old(row.public_id)


@receiver(session_revoked, dispatch_uid="sessions_plus.moving.revoked")
def end_old_with_session(session: Session, **_: object) -> None:
    end_old(session.public_id)


def end_old(public_id: UUID) -> None:
    """End the old session that one was taken over from. Nothing where none was kept."""
    if not conf.ADOPT_KEEP_OLD or conf.ADOPT_FROM is None:
        return
    key = kept_old_key(public_id)
    if key is not None:
        transaction.on_commit(partial(end, [key]), using=database(), robust=True)
