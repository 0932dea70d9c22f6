"""How long the session goes on, and going on with it: what ``session-warning.js`` asks."""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST, require_safe

from sessions_plus.lifecycle.remaining import remaining_of
from sessions_plus.store.session_store import SessionStore
from sessions_plus.views.protection import private


@private
@require_safe
@login_not_required
def session_remaining(request: HttpRequest) -> HttpResponseBase:
    """
    Say how long the session goes on, without prolonging it.

    ``{"ends_at": "…", "seconds": 840, "can_stay": true}``, or 401. Its path is passive:
    see ``policy.is_passive``.
    """
    return _answer(request)


@private
@require_POST
@csrf_protect
@login_not_required
def session_stay(request: HttpRequest) -> HttpResponseBase:
    """Count as activity, and say how long the session goes on now."""
    if request.user.is_authenticated and isinstance(request.session, SessionStore):
        request.session.renew(timezone.now())
    return _answer(request)


def _answer(request: HttpRequest) -> JsonResponse:
    found = remaining_of(request.session, now=timezone.now())
    if found is None or not request.user.is_authenticated:
        facts = {"code": "not_authenticated", "detail": _("Your session has ended.")}
        return JsonResponse(facts, status=401)
    return JsonResponse(found.as_dict())
