"""
What the script of the passkey pages talks to: JSON in and out, with the page's CSRF token.

A refusal is ``{"code": "passkey_refused", "detail": "…"}``, as everywhere; the script shows what
``detail`` says.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_variables
from django.views.decorators.http import require_POST

from sessions_plus.authority import Authority, proof_of, why_nothing_is_proved
from sessions_plus.exceptions import (
    NotSignedIn,
    PasskeyRefused,
    PasskeyUnknown,
    ReauthenticationRequired,
    SessionsPlusError,
    TooManyAttempts,
)
from sessions_plus.masked import Secret
from sessions_plus.mfa.answers import LACKS_PROOF, refusal
from sessions_plus.mfa.passkeys.accepted import unknown
from sessions_plus.mfa.passkeys.sent import MAX_BYTES, parse
from sessions_plus.mfa.refusals import in_words, refused_status
from sessions_plus.views.protection import private

Scripted = Callable[[Any], dict[str, object]]  # of a PersonRequest, too


def scripted(view: Scripted) -> Callable[..., HttpResponseBase]:
    """
    Let a script POST something, and answer with what ``view`` returns, or with what it raises.

    Outside the transaction that ``ATOMIC_REQUESTS`` would put around it: what a refused request
    leaves must not be rolled back. Whether somebody has to be signed in is for ``view`` to say.
    """

    @wraps(view)
    def answering(request: HttpRequest) -> HttpResponseBase:
        try:
            return JsonResponse(view(request))
        except LACKS_PROOF as error:
            return refusal(error)
        except SessionsPlusError as error:
            return _refused(error)

    return private(require_POST(csrf_protect(login_not_required(non_atomic_requests(answering)))))


def _refused(error: SessionsPlusError) -> JsonResponse:
    facts: dict[str, object] = {"code": error.code, "detail": in_words(error)}
    if isinstance(error, NotSignedIn):
        return JsonResponse(facts, status=401)
    if not isinstance(error, PasskeyUnknown):
        response = JsonResponse(facts, status=400)
        refused_status(response, error if isinstance(error, TooManyAttempts) else None)
        return response
    facts["unknown"] = unknown(credential_id=error.credential_id, rp_id=error.rp_id)
    return JsonResponse(facts, status=401)


def own_proof(request: HttpRequest) -> Authority:
    """
    Return the session in which somebody changes what is theirs.

    Raises:
        NotSignedIn: nobody is, or no more. The page, loaded again, leads to the sign-in.
        ActingForAnother, ConflictingSessions: it is not theirs.
        ReauthenticationRequired: another engine keeps it.
    """
    if not request.user.is_authenticated:
        raise NotSignedIn
    found = proof_of(request)
    if found is None:
        raise why_nothing_is_proved(request) or ReauthenticationRequired()
    return found


@sensitive_variables()
def body_of(request: HttpRequest) -> dict[str, object]:
    """
    Return what a script sent.

    Raises:
        PasskeyRefused: it is no JSON object, or is larger than any passkey's.
    """
    length = request.META.get("CONTENT_LENGTH") or "0"
    if request.content_type != "application/json":
        raise PasskeyRefused("malformed")
    if not length.isdecimal() or int(length) > MAX_BYTES:
        raise PasskeyRefused("oversize")
    found = parse(request.body)
    if not isinstance(found, dict):
        raise PasskeyRefused("malformed")
    return found


@sensitive_variables()
def secret_in(body: dict[str, object], name: str, *, at_most: int) -> Secret | None:
    """
    Return a secret text that may be missing, or empty.

    Raises:
        PasskeyRefused: it is none, or longer.
    """
    text = body.get(name) or None
    if text is not None and (not isinstance(text, str) or len(text) > at_most):
        raise PasskeyRefused("malformed")
    return Secret(text) if text is not None else None
