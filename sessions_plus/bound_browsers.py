"""
What responses tell a browser that can bind its session to a key of its device (DBSC).

The offer, the nonce it signs next, and to come again with a proof. Other browsers ignore all
of it, and of sites that bind no sessions none is told anything.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, HttpResponseRedirectBase
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import patch_cache_control
from django.utils.html import format_html
from django.utils.translation import gettext as _

from sessions_plus.conf import conf
from sessions_plus.cookies import proof_cookie_attributes
from sessions_plus.device_proof import headers
from sessions_plus.device_proof.names import identifier_of
from sessions_plus.device_proof.nonces import new_nonce
from sessions_plus.device_proof.proof_cookie import name_of
from sessions_plus.devices.device_keys.registration import can_be_bound, offer_nonce
from sessions_plus.rows.session_row import Row
from sessions_plus.store.session_store import SessionStore


def tell(request: HttpRequest, response: HttpResponseBase, session: SessionStore) -> None:
    """Offer the browser to bind its session, or tell it what to sign next. No I/O."""
    if session.may_be_bound:
        _offer(request, response, session.row)
    if session.has_shown_key:
        _send_nonce(response, session.row)


def _offer(request: HttpRequest, response: HttpResponseBase, row: Row | None) -> None:
    """
    Let the browser of who just signed in, or proved something, bind the session.

    On no other page: whoever holds a stolen cookie would ask for one, and bind it first.
    """
    if row is None or not can_be_bound(row) or not request.is_secure():
        return
    path = _registration_path()
    if path is not None and response.status_code < 400:
        response.headers[headers.OFFER] = headers.offer(path, offer_nonce(row, timezone.now()))


def _registration_path() -> str | None:
    try:
        return reverse("sessions_plus:device_key_register")
    except NoReverseMatch:
        return None


def _send_nonce(response: HttpResponseBase, row: Row | None) -> None:
    """
    Tell the browser what to sign next, on an ordinary page: the first proof came with it.

    Some proxies replace the page of a 403, and its headers with it. Then the browser has
    this one.
    """
    if row is None or row.device_key_id is None:
        return
    nonce = new_nonce(row.public_id, row.device_key_id, timezone.now())
    response.headers[headers.CHALLENGE] = headers.challenge(nonce, identifier_of(row.device_key_id))


class _ToItself(HttpResponseRedirectBase):
    status_code = 307


def answer_without_proof(request: HttpRequest, session: SessionStore) -> HttpResponse | None:
    """
    Let the browser come again with a proof, where it would make one; else None.

    It makes none for a page that another site links to, as it is asked for by that site, nor
    for as long as it has a proof cookie, even one that opens nothing since our keys changed.
    """
    key = session.unproved
    if key is None or request.method not in ("GET", "HEAD"):
        return None
    name = name_of(key.bytes)
    site = request.headers.get("Sec-Fetch-Site")
    answer: HttpResponse | None = None
    if site == "cross-site" and request.headers.get("Sec-Fetch-Mode") == "navigate":
        answer = _page_that_asks_again(request)
    elif site in ("same-origin", "none") and name in request.COOKIES:
        answer = _ToItself(request.get_full_path())
    if answer is not None:
        patch_cache_control(answer, no_store=True, private=True)
        if name in request.COOKIES:
            expire_proof(answer, name)
    return answer


def _page_that_asks_again(request: HttpRequest) -> HttpResponse:
    """Return a page that asks for the same page, as our own: nothing else lets browsers prove."""
    path = request.get_full_path()
    page = format_html(
        '<!doctype html><meta charset="utf-8"><title>{0}</title><p><a href="{1}">{0}</a></p>',
        _("One moment …"),
        path,
    )
    return HttpResponse(page, headers={headers.COME_AGAIN: headers.come_again(path)})


def will_prove_later(request: HttpRequest) -> bool:
    """Say whether the browser holds a key, but could not prove it for this request."""
    return headers.SKIPPED in request.headers


def set_proof(response: HttpResponseBase, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=conf.PROOF_LIFETIME, **proof_cookie_attributes())


def expire_proof(response: HttpResponseBase, name: str) -> None:
    response.set_cookie(name, "", max_age=0, **proof_cookie_attributes())
