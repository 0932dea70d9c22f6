"""What allauth knows of how somebody proved themselves, in our words."""

from __future__ import annotations

from collections.abc import Mapping
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
from sessions_plus.types import Json

# By the type of its authenticator; what is not named here proves nothing to us.
FACTORS: Mapping[str, str] = MappingProxyType(
    {"totp": TOTP_CODE, "recovery_codes": RECOVERY_CODE, "webauthn": SECURITY_KEY}
)


def is_asked_for_factor(user: models.Model) -> bool:
    """Say whether allauth asks ``user`` for a second factor: recovery codes alone are none."""
    from allauth.mfa.utils import is_mfa_enabled

    return bool(is_mfa_enabled(user, ["totp", "webauthn"]))


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
    """Let what somebody proved again with allauth, inside their session, be one for it."""
    authority = proof_of(request) if facts.get("reauthenticated") else None
    proved = PASSWORD if method == "password" else FACTORS.get(facts.get("type", ""))
    if authority is None or proved is None:
        return
    if authority.user_id == user.pk and authority.may_bind:
        client = getattr(request, "client_info", None)
        authority.bind(Proved(user.pk, [proved]), client=client, now=timezone.now())
