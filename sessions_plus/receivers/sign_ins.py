"""What follows a sign-in, a sign-out and a failed sign-in, whatever code made them."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.cookies import trust_token_of
from sessions_plus.events import record
from sessions_plus.mfa.sign_in import complete_or_challenge
from sessions_plus.models import (
    Event,
    Outcome,
    Reason,
)
from sessions_plus.store.of_request import find_store


@receiver(user_logged_in, dispatch_uid="sessions_plus.signed_in")
def bind_sign_in(request: HttpRequest, user: AbstractBaseUser, **_: object) -> None:
    """
    Whatever called login(): the session gets its device, methods and a new key.

    Or waits, anonymous, for the second factor.
    """
    store = find_store(request)
    if store is None:
        return
    complete_or_challenge(
        request, store, user, trust_token=trust_token_of(request), now=timezone.now()
    )


@receiver(user_logged_out, dispatch_uid="sessions_plus.signed_out")
def note_sign_out(request: HttpRequest, user: models.Model | None, **_: object) -> None:
    store = find_store(request)
    if store is None:
        return
    store.ending_reason = Reason.SIGNED_OUT


@receiver(user_login_failed, dispatch_uid="sessions_plus.sign_in_failed")
def note_failed_sign_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: object
) -> None:
    store = find_store(request)
    model = get_user_model()
    name = credentials.get(model.USERNAME_FIELD) or credentials.get("username")
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first() if name else None
    record(
        Event.SIGN_IN_FAILED,
        user=user,
        outcome=Outcome.FAILURE,
        client=store.client if store is not None else None,
    )
