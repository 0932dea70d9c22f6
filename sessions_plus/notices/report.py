""" "This wasn't me": the link in a mail, which works once and ends what it told of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.db import models

from sessions_plus.crypto import Purpose, digest, same
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.keys import read_token
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.revocation import revoke_all, revoke_selected
from sessions_plus.models import Notice, Reason, Session
from sessions_plus.rows.session_row import database

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def find_notice(token: str, *, now: datetime) -> Notice | None:
    """
    Return the notice that a link names, if it is genuine, unused and not expired.

    A link that we never made costs no I/O. At ``expires_at`` it is over.
    """
    public_id = read_token(token, purpose=Purpose.NOTICE_LINK)
    if public_id is None:
        return None
    notices = Notice.objects.using(database()).select_related("device")
    notice = notices.filter(public_id=public_id, used_at=None, expires_at__gt=now).first()
    if notice is None or not same(notice.token_hash, digest(token)):
        return None
    return notice


async def afind_notice(token: str, *, now: datetime) -> Notice | None:
    """See find_notice()."""
    return await sync_to_async(find_notice)(token, now=now)


def report(
    notice: Notice, *, all_sessions: bool, client: ClientInfo | None, now: datetime
) -> Revocation | None:
    """
    End what the notice told of: the session, and its device with its trust.

    With ``all_sessions``, or where the notice names neither, every session of the user
    ends. None where the link was used in the meantime: of ten clicks one acts. Should
    anything fail, the link works again; what is ended stays ended.
    """
    this = Notice.objects.using(database()).filter(pk=notice.pk)
    if not this.filter(used_at=None).update(used_at=now):
        return None
    try:
        result = _end_told_of(notice, client=client, now=now)
        user = _owner_of(notice) if all_sessions or not names_one(notice) else None
        if user is not None:
            result += revoke_all(user, reason=Reason.REPORTED, client=client, now=now)
    except BaseException:
        this.update(used_at=None)
        raise
    return result


async def areport(
    notice: Notice, *, all_sessions: bool, client: ClientInfo | None, now: datetime
) -> Revocation | None:
    """See report()."""
    return await sync_to_async(report)(notice, all_sessions=all_sessions, client=client, now=now)


def names_one(notice: Notice) -> bool:
    """Say whether the notice tells of one session or device, so that the others can be spared."""
    return notice.session_public_id is not None or notice.device is not None


def _end_told_of(notice: Notice, *, client: ClientInfo | None, now: datetime) -> Revocation:
    result = Revocation(0)
    if notice.session_public_id is not None:
        told_of = Session.objects.using(database()).filter(
            public_id=notice.session_public_id, user_id=notice.user_id, revoked_at=None
        )
        result += revoke_selected(
            told_of.select_related("device"), reason=Reason.REPORTED, client=client, now=now
        )
    if notice.device is not None and notice.device.user_id == notice.user_id:
        result += revoke_device(notice.device, client=client, now=now)
    return result


def _owner_of(notice: Notice) -> models.Model | None:
    # Not through the relation: the users may live in another database than the notices.
    return get_user_model()._base_manager.filter(pk=notice.user_id).first()
