"""How staff end sessions, and how they are told what became of it."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import models, router
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions_plus.admin.listing import COUNTED_ROWS
from sessions_plus.authority import acting_user, authority_of
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.lifecycle import Revocation, revoke_others, revoke_selected
from sessions_plus.models import Device, Reason, Session
from sessions_plus.named_types import Arguments, OthersRows, UserId

PERMISSION = "sessions_plus.revoke_any_session"


def may_revoke(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def current_public_id(request: HttpRequest) -> UUID | None:
    """The session that staff work in: no button here ends it, "Log out" does."""
    authority = authority_of(request)
    return authority.session_public_id if authority is not None else None


def holds_own(request: HttpRequest, sessions: models.QuerySet[Session]) -> bool:
    """Say whether the session that staff work in is among these."""
    mine = current_public_id(request)
    return mine is not None and sessions.filter(public_id=mine, revoked_at=None).exists()


def current_device_id(request: HttpRequest) -> int:
    """The device that staff work on; 0, which is no device's, where that is not known."""
    mine = current_public_id(request)
    own = Session.objects.filter(public_id=mine) if mine is not None else Session.objects.none()
    return own.values_list("device_id", flat=True).first() or 0


def facts_of(request: HttpRequest) -> Arguments:
    """What each revocation by staff records beside its reason."""
    return {
        "actor": acting_user(request),
        "client": getattr(request, "client_info", None),
    }


def those_to_end(
    request: HttpRequest, sessions: models.QuerySet[Session]
) -> models.QuerySet[Session]:
    """Those of ``sessions`` that have not ended, but not the one that staff work in."""
    live = sessions.filter(revoked_at=None)
    mine = current_public_id(request)
    if mine is not None:
        live = live.exclude(public_id=mine)
    # "Select all" means what the list counted, and a request must come to an end.
    return live.prefetch_related(None).order_by("-pk")[:COUNTED_ROWS]


def revoke_these(request: HttpRequest, sessions: models.QuerySet[Session]) -> Revocation:
    """End those of ``sessions`` that live, but not the one that staff work in."""
    chosen = those_to_end(request, sessions.select_related("device"))
    return revoke_selected(
        chosen.iterator(chunk_size=500), reason=Reason.REVOKED_BY_STAFF, **facts_of(request)
    )


def owners(rows: OthersRows) -> set[UserId]:
    """The keys of the users whose sessions, or authenticators, these are."""
    known = rows.prefetch_related(None).exclude(user=None).order_by("-pk")
    return set(known.values_list("user_id", flat=True)[:COUNTED_ROWS])


def revoke_all_of(request: HttpRequest, user_ids: set[UserId]) -> Revocation:
    """End every session of these users, but not the one that staff work in."""
    model = get_user_model()
    users = model._base_manager.using(router.db_for_read(model)).filter(pk__in=user_ids)
    total = Revocation(0)
    for user in users.order_by("pk"):
        total += revoke_others(
            user,
            keep=current_public_id(request),
            reason=Reason.REVOKED_BY_STAFF,
            **facts_of(request),
        )
    return total


def those_to_remove(
    request: HttpRequest, devices: models.QuerySet[Device]
) -> models.QuerySet[Device]:
    """Those of ``devices`` that are not removed yet, but not the one that staff work on."""
    live = devices.filter(revoked_at=None).exclude(pk=current_device_id(request))
    return live.prefetch_related(None).order_by("-pk")[:COUNTED_ROWS]


def revoke_these_devices(
    request: HttpRequest, devices: models.QuerySet[Device]
) -> tuple[int, Revocation]:
    """
    End those of ``devices`` that are in use, but not the one that staff work on.

    Return how many devices, and what became of their sessions.
    """
    count, total = 0, Revocation(0)
    for device in those_to_remove(request, devices).iterator(chunk_size=500):
        total += revoke_device(device, **facts_of(request))
        count += 1
    return count, total


def tell(request: HttpRequest, revocation: Revocation, *, spared: bool = False) -> None:
    """Say how many sessions ended, and what else staff need to know."""
    count = revocation.count
    ended = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", count)
    level = messages.SUCCESS if count else messages.WARNING
    messages.add_message(request, level, ended % {"count": count})
    if spared:
        messages.info(request, _("Your own session goes on. To end it, log out."))
    if not revocation.cache_reached:
        messages.warning(
            request,
            _("The cache could not be reached: some may go on for a moment before they end."),
        )
