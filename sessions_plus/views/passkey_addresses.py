"""What browsers and password managers look for at the root of a site that takes passkeys."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, JsonResponse
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from sessions_plus.decorators import mfa_exempt
from sessions_plus.mfa.passkeys.relying_party import are_on, find_relying_party, related_origins
from sessions_plus.notices.links import site_url
from sessions_plus.views.protection import private

ENDPOINTS = {"enroll": "sessions_plus:passkey_enrol", "manage": "sessions_plus:security"}


@private
@login_not_required
@mfa_exempt
@require_safe
def related(request: HttpRequest) -> JsonResponse:
    """
    Name the pages on other domains where the site's passkeys work (WebAuthn §5.11).

    ``{"origins": ["https://shop.example.de"]}``; 404 where there are none.
    """
    party = find_relying_party(request)
    origins = related_origins(party) if party is not None else []
    if not origins:
        raise Http404
    return JsonResponse({"origins": origins})


@private
@login_not_required
@mfa_exempt
@require_safe
def endpoints(request: HttpRequest) -> JsonResponse:
    """
    Say where passkeys are added and managed (W3C, Passkey Endpoints).

    ``{"enroll": "https://…", "manage": "https://…"}``; 404 where they are off.
    """
    base = site_url(request)
    if not are_on() or not base:
        raise Http404
    return JsonResponse(_addresses(base))


def _addresses(base: str) -> Mapping[str, str]:
    try:
        return {name: base + reverse(page) for name, page in ENDPOINTS.items()}
    except NoReverseMatch:
        raise Http404 from None
