"""What allauth knows of how somebody proved themselves, in our words."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from allauth.account.authentication import get_authentication_records
from allauth.account.models import Login
from allauth.mfa.internal.constants import LoginStageKey
from django.apps import apps
from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.authority import proof_of
from sessions_plus.mfa.methods import (
    EXTERNAL,
    PASSKEY,
    PASSWORD,
    RECOVERY_CODE,
    SECURITY_KEY,
    TOTP_CODE,
    TRUSTED_DEVICE,
)
from sessions_plus.mfa.reauthentication import Proved
from sessions_plus.named_types import Json

SESSION_TOKEN = "X-Session-Token"  # noqa: S105 - the header in which an app sends its session's key

# By the type of its authenticator; what is not named here proves nothing to us.
FACTORS: Mapping[str, str] = MappingProxyType(
    {"totp": TOTP_CODE, "recovery_codes": RECOVERY_CODE, "webauthn": SECURITY_KEY}
)


def is_asked_for_factor(user: models.Model) -> bool:
    """Say whether allauth asks ``user`` for a second factor: recovery codes alone are none."""
    from allauth.mfa.utils import is_mfa_enabled

    return bool(is_mfa_enabled(user, ["totp", "webauthn"]))


def proved_before(user: models.Model, factors: Collection[str]) -> tuple[str, ...]:
    """Return what an authenticator of ``user`` proves that is still there, of these names."""
    from allauth.mfa.models import Authenticator

    kinds = Authenticator.objects.filter(user_id=user.pk).values_list("pk", "type")
    named = [FACTORS.get(kind) for pk, kind in kinds if f"mfa.authenticator/{pk}" in factors]
    return next(((method,) for method in named if method is not None), ())


def methods_of(request: HttpRequest, login: Login) -> tuple[str, ...]:
    """
    Return how somebody proved themselves in a sign-in that passed allauth's own stages.

    Only what was proved since it began counts: the records outlive a sign-in that was given up.
    """
    records = [
        record
        for record in get_authentication_records(request, login.user)
        if record["at"] >= login.initiated_at
    ]
    if any(record.get("passwordless") for record in records):
        return (PASSKEY,)
    first = PASSWORD if any(record["method"] == "password" for record in records) else EXTERNAL
    if not apps.is_installed("allauth.mfa"):
        return (first,)
    factors = [FACTORS.get(record.get("type", "")) for record in records if _is_factor(record)]
    if _was_asked_for_factor(login) and factors and factors[-1] is not None:
        return (first, factors[-1])
    # It asks everybody who has a factor, but on a browser that it was told to trust.
    return (first, TRUSTED_DEVICE) if is_asked_for_factor(login.user) else (first,)


def _is_factor(record: Mapping[str, object]) -> bool:
    return bool(record["method"] == "mfa")


def _was_asked_for_factor(login: Login) -> bool:
    stage: Json = login.state.get("stages", {}).get(LoginStageKey.MFA_AUTHENTICATE.value, {})
    return bool(stage.get("data", {}).get("authentication_required"))


def note_proof(
    request: HttpRequest,
    method: str,
    user: models.Model,
    **facts: Any,  # what allauth tells of a proof by that method
) -> None:
    """
    Let what somebody proved again with allauth, inside their session, be one for it.

    The session gets a new key with it. A program whose JWT names the old one could not be told,
    so its proof is one for allauth alone.
    """
    authority = proof_of(request) if facts.get("reauthenticated") else None
    proved = PASSWORD if method == "password" else FACTORS.get(facts.get("type", ""))
    if authority is None or proved is None:
        return
    is_app = _is_app(request)
    if is_app and SESSION_TOKEN not in request.headers:
        return
    if authority.user_id == user.pk and authority.may_bind:
        client = getattr(request, "client_info", None)
        authority.bind(Proved(user.pk, [proved]), client=client, now=timezone.now())
        if is_app:
            _store_before_answer(request)


def _is_app(request: HttpRequest) -> bool:
    """Say whether an app asks by ``allauth.headless``, without cookies."""
    headless = getattr(getattr(request, "allauth", None), "headless", None)
    return getattr(headless, "client", None) == "app"


def _store_before_answer(request: HttpRequest) -> None:
    """Have the new key while the answer is made, which tells it; allauth stores only after it."""
    request.session.save()
    request.session.modified = True  # it tells the key of no other
