""" "This wasn't me": the link in a mail, which works once and ends what it told of."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from asgiref.sync import sync_to_async

from sessions_plus.backends.keys import read_token
from sessions_plus.backends.rows import database
from sessions_plus.crypto import Purpose, digest, same
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.lifecycle.revocation import Revocation, revoke_all, revoke_selected
from sessions_plus.models import Notice, Reason, Session

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def find_notice(token: str, *, now: datetime) -> Notice | None:
    """Return the notice that a link names, if it is genuine, unused and not expired."""
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

    With ``all_sessions`` every other session of the user ends too. None where the
    link was used in the meantime: of ten clicks one acts.
    """
    unused = Notice.objects.using(database()).filter(pk=notice.pk, used_at=None)
    if not unused.update(used_at=now):
        return None
    result = Revocation(0)
    if notice.session_public_id is not None:
        told_of = Session.objects.using(database()).filter(
            public_id=notice.session_public_id, user_id=notice.user_id, revoked_at=None
        )
        result += revoke_selected(told_of, reason=Reason.REPORTED, client=client, now=now)
    if notice.device is not None:
        result += revoke_device(notice.device, client=client, now=now)
    if all_sessions:
        result += revoke_all(notice.user, reason=Reason.REPORTED, client=client, now=now)
    return result


async def areport(
    notice: Notice, *, all_sessions: bool, client: ClientInfo | None, now: datetime
) -> Revocation | None:
    """See report()."""
    return await sync_to_async(report)(notice, all_sessions=all_sessions, client=client, now=now)
