"""
The two addresses that browsers ask for by themselves to bind a session and to prove it (DBSC).

No redirect, no 429, and no 400 for anything that passes: browsers then end what is bound.
Whoever asks is no person, so there is no form, no page, and nothing to sign in to. A third is
for ``sessionsdoctor``, which finds out what becomes of the headers on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from sessions_plus.bound_browsers import expire_proof, set_proof
from sessions_plus.cookies import ProofCookieAttributes, proof_cookie_attributes
from sessions_plus.decorators import mfa_exempt
from sessions_plus.device_proof import headers
from sessions_plus.device_proof.instructions import instructions, the_end
from sessions_plus.device_proof.names import identifier_of, read_identifier
from sessions_plus.device_proof.nonces import new_nonce
from sessions_plus.device_proof.proof_cookie import name_of, new_value
from sessions_plus.device_proof.self_check import answer_to, is_question
from sessions_plus.devices.device_keys.refresh import (
    Answer,
    Refreshed,
    find_key,
    find_key_of,
    refresh,
)
from sessions_plus.devices.device_keys.registration import Bound, register
from sessions_plus.keys import new_public_id, read_token
from sessions_plus.models import DeviceKey
from sessions_plus.store.of_request import find_store
from sessions_plus.views.protection import private

View = Callable[[HttpRequest], HttpResponseBase]


def for_browsers(view: View) -> View:
    """Open a view to browsers that ask by themselves, and to no page of another site."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        if is_foreign(request):
            return HttpResponse(status=403)
        try:
            return view(request)
        except DatabaseError:
            return HttpResponse(status=503)  # the browser keeps its key, and tries again

    return open_to_programs(guarded)


def open_to_programs(view: View) -> View:
    """Open a view to whoever asks without a page, a form, or anybody signed in."""
    return csrf_exempt(login_not_required(mfa_exempt(private(require_POST(view)))))


def is_foreign(request: HttpRequest) -> bool:
    """Say whether another site's page made the browser ask."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    is_ours = origin in (None, f"{request.scheme}://{request.get_host()}")
    return site not in (None, "same-origin") or not is_ours


@for_browsers
def device_key_register(request: HttpRequest) -> HttpResponseBase:
    """Bind the session whose cookie came along to the key that the browser made for it."""
    store = find_store(request)
    if store is None:
        return HttpResponse(status=404)
    store.get(SESSION_KEY)
    here = request.build_absolute_uri()
    found = register(store, headers.proof_in(request), audience=here, now=timezone.now())
    if not isinstance(found, Bound):
        return HttpResponse(status=403)
    return _bound(request, found.session, found.device_key)


@for_browsers
def device_key_refresh(request: HttpRequest) -> HttpResponseBase:
    """Take a proof of the key that the browser names, or say what it has to sign."""
    key = _key_that_is_meant(request)
    if key is None:
        return HttpResponse(status=404)
    here = request.build_absolute_uri()
    found = refresh(key, headers.proof_in(request), audience=here, now=timezone.now())
    return _answer(request, found)


@open_to_programs
def device_key_check(request: HttpRequest) -> HttpResponseBase:
    """
    Tell the site's own doctor what arrived of its question, with the headers that browsers get.

    Nobody else can ask, and there is nothing in it but what they sent. It touches no session.
    """
    question, now = request.POST.get("question", ""), timezone.now()
    if not is_question(question, now):
        return HttpResponse(status=404)
    nobody = new_public_id()
    nonce = new_nonce(nobody, None, now)
    response = JsonResponse(
        {
            "answer": answer_to(question),
            "origin": f"{request.scheme}://{request.get_host()}",
            "arrived": {name: request.headers.get(name) for name in headers.OF_REQUESTS},
        }
    )
    register_at = reverse("sessions_plus:device_key_register")
    response.headers[headers.OFFER] = headers.offer(register_at, nonce)
    response.headers[headers.CHALLENGE] = headers.challenge(nonce, identifier_of(nobody))
    response.headers[headers.COME_AGAIN] = headers.come_again(request.get_full_path())
    return response


def _key_that_is_meant(request: HttpRequest) -> DeviceKey | None:
    """Return the key that the browser names, unless it came with another session's cookie."""
    session = read_token(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
    if headers.IDENTIFIER not in request.headers:  # a proxy ate it
        return find_key_of(session) if session is not None else None
    name = read_identifier(headers.identifier_in(request))
    key = find_key(name) if name is not None else None
    if key is None or session not in (None, key.session.public_id):
        return None
    return key


def _answer(request: HttpRequest, found: Refreshed) -> HttpResponseBase:
    identifier = identifier_of(found.device_key)
    if found.answer is Answer.OVER:
        response: HttpResponseBase = JsonResponse(the_end(identifier))
        expire_proof(response, name_of(found.device_key.bytes))
    elif found.answer is Answer.PROVED:
        response = _bound(request, found.session, found.device_key)
    else:
        response = HttpResponse(status=401 if found.answer is Answer.WRONG else 403)
    if found.nonce is not None:
        response.headers[headers.CHALLENGE] = headers.challenge(found.nonce, identifier)
    return response


def _bound(request: HttpRequest, session: UUID, device_key: UUID) -> HttpResponse:
    """Give the browser a proof cookie, and tell it when to prove its key again."""
    now, name = timezone.now(), name_of(device_key.bytes)
    told = instructions(
        identifier=identifier_of(device_key),
        refresh_path=reverse("sessions_plus:device_key_refresh"),
        origin=f"{request.scheme}://{request.get_host()}",
        cookie=name,
        attributes=_spelled(proof_cookie_attributes()),
        left_out=_paths_of_files(),
    )
    response = JsonResponse(told)
    value = new_value(session.bytes, device_key.bytes, now=now.timestamp())
    set_proof(response, name, value)
    return response


def _spelled(attributes: ProofCookieAttributes) -> str:
    """``Path=/; Secure; HttpOnly; SameSite=Lax``"""
    return f"Path={attributes['path']}; Secure; HttpOnly; SameSite={attributes['samesite']}"


def _paths_of_files() -> list[str]:
    """Return the paths of files that everybody gets: browsers need not wait for a proof there."""
    urls = (settings.STATIC_URL, settings.MEDIA_URL)
    paths = (urlsplit(url) for url in urls if url)
    return [parts.path for parts in paths if not parts.netloc and parts.path.strip("/")]
