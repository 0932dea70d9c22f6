"""The second factor of one's account: what is on, adding, removing, recovery codes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBadRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from sessions_plus.authority import Authority
from sessions_plus.conf import conf
from sessions_plus.decorators import mfa_exempt, reauthentication_required
from sessions_plus.exceptions import EnrolmentOver, InvalidCode, LastWayIn
from sessions_plus.lifecycle import revoke_others
from sessions_plus.masked import Secret
from sessions_plus.mfa import elsewhere, enrolment, qr_code, recovery_codes, totp
from sessions_plus.mfa.passkeys.accepted import accepted_of, unknown
from sessions_plus.mfa.passkeys.only_factor import check_not_last, has_given_up, may_do_without
from sessions_plus.mfa.passkeys.relying_party import find_relying_party
from sessions_plus.mfa.passkeys.upgrade import may_upgrade
from sessions_plus.mfa.policy import has_authenticator, must_have_factor
from sessions_plus.mfa.recovery_codes import is_ours
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.models import Authenticator, Reason
from sessions_plus.models.authenticator import AuthenticatorQuerySet
from sessions_plus.named_types import Fields, PersonRequest
from sessions_plus.redirects import with_next
from sessions_plus.rows import session_row
from sessions_plus.views.code_forms import EnrolForm
from sessions_plus.views.notices import tell, tell_if_late
from sessions_plus.views.onward import onward
from sessions_plus.views.protection import (
    act_on_security,
    ask,
    current_public_id,
    own_authority,
    page,
)

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


REMOVED_KEY = "_sessions_plus_passkey_removed"
"""Where the session's data keeps what the authenticator of a removed passkey is to be told."""

for_changes = reauthentication_required(factors="all")
"""Changing a factor needs all of them, a short while ago (OWASP ASVS 7.5.1)."""


def _own(request: PersonRequest) -> AuthenticatorQuerySet:
    return Authenticator.objects.using(session_row.database()).for_user(request.user).confirmed()


@page
def security(request: PersonRequest) -> HttpResponse:
    """Show what is on, since when, and when it was last used."""
    authenticators = list(_own(request))
    codes = recovery_codes.sources(request.user) if authenticators else []
    left = len(codes)
    apps = [found for found in authenticators if not found.is_passkey]
    passkeys = [found for found in authenticators if found.is_passkey]
    party = find_relying_party(request)
    is_kept_elsewhere = not authenticators and elsewhere.has_factor(request.user)
    context = {
        "user": request.user,
        "tab": "security",
        "authenticators": authenticators,
        "apps": apps,
        "may_add": len(apps) < enrolment.MAX_AUTHENTICATORS,
        "passkeys": passkeys,
        "has_passkeys": party is not None,
        "may_add_passkey": party is not None and len(passkeys) < conf.MAX_PASSKEYS,
        "accepted": _as_json(accepted_of(request.user, passkeys, party) if party else None),
        "unknown": _as_json(request.session.pop(REMOVED_KEY, None)),
        "may_give_up_password": may_do_without(
            request.user, passkeys, codes_left=left, party=party
        ),
        "gave_up_password": has_given_up(request.user, passkeys),
        "may_upgrade": may_upgrade(request, own=passkeys, codes_left=left, now=timezone.now()),
        "codes_left": left,
        "codes_made": max(recovery_codes.COUNT, left),
        "codes_are_imported": any(codes),
        "codes_are_low": left <= recovery_codes.LOW,
        "must_have_factor": must_have_factor(request.user),
        "is_kept_elsewhere": is_kept_elsewhere,
        "kept_at": elsewhere.page_of(request.user) if is_kept_elsewhere else "",
    }
    return render(request, "sessions_plus/security.html", context)


@act_on_security
@mfa_exempt
@for_changes
def totp_begin(request: PersonRequest) -> HttpResponse:
    """Make a secret, and lead to the page that shows it."""
    session = current_public_id(request)
    if session is not None and enrolment.may_add(request.user):
        enrolment.begin(request.user, session_public_id=session, now=timezone.now())
    return HttpResponseRedirect(_with_next(request, "sessions_plus:totp_enrol"))


@sensitive_post_parameters("code")
@ask
@mfa_exempt
@for_changes
def totp_enrol(request: PersonRequest) -> HttpResponseBase:
    """Show the secret that waits, if one does, and take its first code."""
    if not enrolment.may_add(request.user):
        return redirect("sessions_plus:security")
    pending = enrolment.find_pending(
        request.user, session_public_id=current_public_id(request), now=timezone.now()
    )
    if pending is None:
        if request.method == "POST":
            tell(request, EnrolmentOver.message, level=messages.WARNING)
        return render(request, "sessions_plus/totp_begin.html", _context(request))
    form = EnrolForm(
        request.POST if request.method == "POST" else None,
        is_first=not has_authenticator(request.user),
    )
    if request.method == "POST" and form.is_valid():
        try:
            return _confirm(request, form.cleaned_data)
        except InvalidCode as refusal:
            form.add_error("code", str(refusal.message))
        except EnrolmentOver as refusal:
            tell(request, refusal.message, level=messages.WARNING)
            return HttpResponseRedirect(_with_next(request, "sessions_plus:totp_enrol"))
    return render(
        request,
        "sessions_plus/totp_enrol.html",
        _context(request) | _shown_secret(request, pending) | {"form": form},
    )


def _context(request: PersonRequest) -> dict[str, object]:
    return {
        "user": request.user,
        "tab": "security",
        "next": onward(request, default=""),
        "is_wanted": must_have_factor(request.user) and not has_authenticator(request.user),
        "has_passkeys": find_relying_party(request) is not None,
    }


@sensitive_variables()
def _shown_secret(request: PersonRequest, pending: Authenticator) -> dict[str, object]:
    link = totp.provisioning_uri(
        pending,
        account=str(request.user.get_username()),
        issuer=totp.issuer_at(request.get_host()),
    )
    spelled = totp.in_base32(totp.open_secret(pending))
    return {
        "link": Secret(link),
        "qr_code": Secret(qr_code.as_svg(link, label=_("QR code. Its content is the key below."))),
        "secret": Secret(" ".join(spelled[at : at + 4] for at in range(0, len(spelled), 4))),
        "pending": pending,
    }


def _confirm(request: PersonRequest, given: Fields) -> HttpResponse:
    enrolled = enrolment.confirm(
        request.user,
        given["code"],
        authority=own_authority(request),
        name=given["name"],
        client=request.client_info,
        now=timezone.now(),
    )
    text = _("%(name)s is set up. You will be asked for a code when you sign in.")
    tell(request, text % {"name": enrolled.authenticator.label})
    if given.get("others"):
        end_others(request)
    if enrolled.recovery_codes:
        return show_codes(request, list(enrolled.recovery_codes))
    return HttpResponseRedirect(onward(request, default=reverse("sessions_plus:security")))


def show_codes(request: PersonRequest, codes: list[Secret]) -> HttpResponse:
    """Show codes, this once: they are in this answer and nowhere else."""
    context = _context(request) | {"codes": codes}
    return render(request, "sessions_plus/recovery_codes.html", context)


@act_on_security
@for_changes
def recovery_codes_make(request: PersonRequest) -> HttpResponse:
    if not has_authenticator(request.user):
        return redirect("sessions_plus:security")
    codes = recovery_codes.make(request.user, client=request.client_info, now=timezone.now())
    return show_codes(request, codes)


@sensitive_post_parameters("code")
@act_on_security
@mfa_exempt
def recovery_codes_download(request: PersonRequest) -> HttpResponse:
    """
    Return the codes that the page holds as a text file.

    They come back from the page, as nothing here remembers them; what isn't a code is
    refused, so that nobody can be handed a file of somebody else's words.
    """
    read = [read_code(code) for code in request.POST.getlist("code")[: recovery_codes.COUNT]]
    codes = [code.text for code in read if code is not None and is_ours(code.text)]
    if not codes or len(codes) != len(read):
        return HttpResponseBadRequest()
    host = request.get_host()
    lines = [_("Recovery codes for %(site)s") % {"site": host}, _("Each works once."), ""]
    lines += [recovery_codes.in_groups(code) for code in codes]
    response = HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="recovery-codes.txt"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@ask
@for_changes
def authenticator_remove(request: PersonRequest, public_id: UUID) -> HttpResponse:
    """Ask whether to, and remove it; with other sessions, on offer."""
    authenticator = get_object_or_404(_own(request), public_id=public_id)
    own = own_authority(request)
    is_last = _own(request).count() == 1
    must_end_others = is_last and must_have_factor(request.user)
    is_last_way_in = _is_last_way_in(authenticator, request.user, own)
    if request.method != "POST" or is_last_way_in:
        context = _context(request) | {
            "authenticator": authenticator,
            "is_last": is_last,
            "must_end_others": must_end_others,
            "is_last_way_in": is_last_way_in,
        }
        return render(request, "sessions_plus/authenticator_remove.html", context)
    if enrolment.remove(authenticator, request.user, authority=own, client=request.client_info):
        tell(request, _("%(name)s is removed.") % {"name": authenticator.label})
        _note_unknown(request, authenticator)
    if must_end_others or "others" in request.POST:
        end_others(request)
    return redirect("sessions_plus:security")


def _is_last_way_in(
    authenticator: Authenticator, user: AbstractBaseUser, authority: Authority
) -> bool:
    try:
        check_not_last(authenticator, user, authority.methods)
    except LastWayIn:
        return True
    return False


def _note_unknown(request: PersonRequest, authenticator: Authenticator) -> None:
    """Let the next page tell the authenticator that a passkey counts no more."""
    if authenticator.is_passkey:
        request.session[REMOVED_KEY] = unknown(
            credential_id=bytes(authenticator.credential_id or b""),
            rp_id=str(authenticator.rp_id),
        )


def _as_json(signal: object) -> str:
    return json.dumps(signal) if signal else ""


def end_others(request: PersonRequest) -> None:
    revocation = revoke_others(
        request.user,
        keep=current_public_id(request),
        reason=Reason.FACTOR_CHANGED,
        client=request.client_info,
        now=timezone.now(),
    )
    if revocation:
        tell(request, _("You are signed out everywhere else."))
    tell_if_late(request, revocation)


def _with_next(request: PersonRequest, name: str) -> str:
    return with_next(name, onward(request, default=""))
