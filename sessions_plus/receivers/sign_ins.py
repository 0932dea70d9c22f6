"""What follows a sign-in and a sign-out, whatever code made them."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import models
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.cookies import trust_token_of
from sessions_plus.mfa.sign_in import complete_or_challenge
from sessions_plus.models import Reason
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
