"""
The devices page and what its buttons do.

Another person's device or session answers exactly as one that does not exist.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions_plus.decorators import reauthentication_required
from sessions_plus.devices.activity import acts_of, in_rows
from sessions_plus.devices.naming import rename
from sessions_plus.devices.overview import NOT_SHOWN, overview
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.devices.trust import distrust
from sessions_plus.forms import DeviceNameForm
from sessions_plus.lifecycle import revoke, revoke_others
from sessions_plus.lifecycle.in_force import is_live
from sessions_plus.models import Device, Session
from sessions_plus.named_types import PersonRequest
from sessions_plus.rows import session_row
from sessions_plus.views.destinations import login_url
from sessions_plus.views.notices import tell, tell_if_late
from sessions_plus.views.protection import (
    act,
    ask,
    current_device_pk,
    current_public_id,
    page,
)

EVENTS_SHOWN = 20


@page
def session_list(request: PersonRequest) -> HttpResponse:
    """Show where one is signed in, and where one was."""
    current = current_public_id(request)
    found = overview(request.user, current=current, now=timezone.now())
    context = {"overview": found, "current": current, "user": request.user, "tab": "devices"}
    return render(request, "sessions_plus/session_list.html", context)


@page
def account(request: PersonRequest) -> HttpResponse:
    """Where the pages are mounted: it leads to the first of them."""
    return redirect("sessions_plus:session_list")


@page
def session_detail(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Show all there is to know of one session, and what happened in it."""
    session = _own_session(request, public_id)
    events = acts_of(request.user).filter(session_public_id=public_id)[:EVENTS_SHOWN]
    context = {
        "session": session,
        "is_current": public_id == current_public_id(request),
        "is_live": is_live(session, now=timezone.now()),
        "acts": in_rows(request.user, list(events)),
        "user": request.user,
        "tab": "devices",
    }
    return render(request, "sessions_plus/session_detail.html", context)


@act
@reauthentication_required
def session_revoke(request: PersonRequest, public_id: UUID) -> HttpResponse:
    session = _own_session(request, public_id)
    name = session.device.label if session.device is not None else session.agent_label
    revocation = revoke(session, client=request.client_info, now=timezone.now())
    if revocation:
        tell(request, _("%(device)s is signed out.") % {"device": name})
    else:
        tell(request, _("%(device)s was signed out already.") % {"device": name})
    tell_if_late(request, revocation)
    return _back(request, ended_itself=public_id == current_public_id(request))


@ask
@reauthentication_required
def session_revoke_others(request: PersonRequest) -> HttpResponse:
    """Ask whether to, and end every session but the one that asks."""
    if request.method != "POST":
        context = {"user": request.user, "tab": "devices"}
        return render(request, "sessions_plus/session_revoke_others.html", context)
    revocation = revoke_others(
        request.user,
        keep=current_public_id(request),
        client=request.client_info,
        now=timezone.now(),
    )
    tell(request, _others_ended(revocation.count))
    tell_if_late(request, revocation)
    return _back(request)


def _others_ended(count: int) -> str:
    if not count:
        return _("You were not signed in anywhere else.")
    return ngettext(
        "You are signed out of one other place, and still signed in here.",
        "You are signed out of %(count)d other places, and still signed in here.",
        count,
    ) % {"count": count}


@act
@reauthentication_required
def device_revoke(request: PersonRequest, public_id: UUID) -> HttpResponse:
    # Also one that was removed before: an interrupted removal can so be finished.
    device = _own_device(request, public_id)
    ended_itself = device.pk == current_device_pk(request)
    revocation = revoke_device(device, client=request.client_info, now=timezone.now())
    tell(request, _("%(device)s is removed and signed out.") % {"device": device.label})
    tell_if_late(request, revocation)
    return _back(request, ended_itself=ended_itself)


@act
def device_rename(request: PersonRequest, public_id: UUID) -> HttpResponse:
    device = _own_device(request, public_id)
    form = DeviceNameForm(request.POST)
    if not form.is_valid():
        tell(request, str(form.errors["name"][0]), level=messages.ERROR)
    elif rename(device, form.cleaned_data["name"], client=request.client_info):
        tell(request, _("The device is now called %(device)s.") % {"device": device.label})
    return _back(request)


@act
def device_distrust(request: PersonRequest, public_id: UUID) -> HttpResponse:
    device = _own_device(request, public_id)
    if distrust(device, client=request.client_info):
        text = _("%(device)s is no longer trusted: it will be asked for a code.")
        tell(request, text % {"device": device.label})
    return _back(request)


def _own_session(request: PersonRequest, public_id: UUID) -> Session:
    own = Session.objects.using(session_row.database()).for_user(request.user)
    return get_object_or_404(own.select_related("device").defer(*NOT_SHOWN), public_id=public_id)


def _own_device(request: PersonRequest, public_id: UUID) -> Device:
    own = Device.objects.using(session_row.database()).for_user(request.user)
    return get_object_or_404(own, public_id=public_id)


def _back(request: PersonRequest, *, ended_itself: bool = False) -> HttpResponse:
    """Return to the page, or to the sign-in if the session that asked is the one that ended."""
    if not ended_itself:
        return redirect("sessions_plus:session_list")
    request.session.flush()  # a later save would find the session gone, and fail
    return HttpResponseRedirect(login_url())
