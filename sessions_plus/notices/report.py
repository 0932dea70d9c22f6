""" "This wasn't me": the link in a mail, which works once and ends what it told of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from sessions_plus.crypto import Purpose, digest, same
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.events import password_changed_after
from sessions_plus.keys import read_token
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.revocation import revoke_matching, revoke_selected
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
    ends. What began after a change of the password stays: whoever has an old mail must not
    end what its reader has put in order since. None where the link was used in the meantime:
    of ten clicks one acts. Should anything fail, the link works again; what is ended stays
    ended.
    """
    this = Notice.objects.using(database()).filter(pk=notice.pk)
    if not this.filter(used_at=None).update(used_at=now):
        return None
    try:
        changed_at = password_changed_after(notice.user_id, notice.created_at)
        result = _end_told_of(notice, before=changed_at, client=client, now=now)
        if all_sessions or not names_one(notice):
            every = begun_before(Session.objects.filter(user_id=notice.user_id), changed_at)
            result += revoke_matching(every, reason=Reason.REPORTED, client=client, now=now)
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


def owner_of(notice: Notice) -> AbstractBaseUser | None:
    """Return whom it was sent to, unless they are gone."""
    # Not through the relation: the users may live in another database than the notices.
    users: models.Manager[AbstractBaseUser] = get_user_model()._base_manager
    return users.filter(pk=notice.user_id).first()


def begun_before(
    sessions: models.QuerySet[Session], moment: datetime | None
) -> models.QuerySet[Session]:
    """Those that were signed in to before ``moment``; None: all."""
    return sessions if moment is None else sessions.exclude(authenticated_at__gte=moment)


def _end_told_of(
    notice: Notice, *, before: datetime | None, client: ClientInfo | None, now: datetime
) -> Revocation:
    result = Revocation(0)
    if notice.session_public_id is not None:
        told_of = Session.objects.using(database()).filter(
            public_id=notice.session_public_id, user_id=notice.user_id, revoked_at=None
        )
        result += revoke_selected(
            begun_before(told_of, before).select_related("device"),
            reason=Reason.REPORTED,
            client=client,
            now=now,
        )
    device = notice.device
    if device is None or device.user_id != notice.user_id:
        return result
    if before is None or device.last_seen_at < before:
        return result + revoke_device(device, client=client, now=now)
    of_device = begun_before(Session.objects.filter(device_id=device.pk), before)
    reason = Reason.DEVICE_REVOKED
    return result + revoke_matching(of_device, reason=reason, client=client, now=now)
