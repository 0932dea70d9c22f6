"""What came of a guess at a password, as Django's signals tell it."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_login_failed
from django.db import models
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.after_view import after_view
from sessions_plus.auth_backends import name_in
from sessions_plus.client_info import ClientInfo
from sessions_plus.lifecycle.user_names import find_user
from sessions_plus.mfa import failed_sign_ins, guesses
from sessions_plus.signals import counting_events

logger = logging.getLogger("sessions_plus")

ALL_AT_ONCE = 10_000


@receiver(user_logged_in, dispatch_uid="sessions_plus.guessed_right")
def note_right_guess(request: HttpRequest, user: AbstractBaseUser, **_: object) -> None:
    """Where another backend looked at the password, this says that it was right."""
    guesses.was_right(request, user)


@receiver(user_login_failed, dispatch_uid="sessions_plus.sign_in_failed")
def note_failed_sign_in(
    credentials: dict[str, object], request: HttpRequest | None = None, **_: object
) -> None:
    """Record it after the view, so that it stays on record where the view is rolled back."""
    name = name_in(credentials)
    guess = guesses.was_wrong(request, name)
    if guess is None:
        user = find_user(credentials)
        digest = guesses.digest_of(name or "", user)
        client = getattr(guesses.request_of(request), "client_info", None)
        after_view(partial(_record, digest, user, client))
    else:
        after_view(partial(_record, guess.digest, guess.user, guess.client))


@receiver(counting_events, dispatch_uid="sessions_plus.failures_due")
def write_failures_down(now: datetime, **_: object) -> None:
    """Charts and metrics know of an attack once its minute is over, also of the last one."""
    failed_sign_ins.write_due(now, at_most=ALL_AT_ONCE)


def _record(
    name: str, user: models.Model | None, client: ClientInfo | None, _response: object
) -> None:
    """The refusal is not ours to turn into a fault: what cannot be written is logged."""
    try:
        failed_sign_ins.record_failure(name, user, client=client, now=timezone.now())
    except Exception as error:
        logger.error("A failed sign-in was not recorded.", exc_info=error)
