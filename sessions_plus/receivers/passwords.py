"""What follows a new password, whoever set it."""

from __future__ import annotations

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models
from django.db.models.signals import post_save
from django.http import HttpRequest

from sessions_plus.authority import acting_user
from sessions_plus.current import current_request
from sessions_plus.devices.trust import distrust_all
from sessions_plus.events import record
from sessions_plus.lifecycle.passwords import end_or_keep_others, is_new_password
from sessions_plus.mfa import guesses
from sessions_plus.mfa.passkeys.only_factor import forget_that_it_was_given_up
from sessions_plus.models import (
    Device,
    Event,
    Reason,
)
from sessions_plus.named_types import Arguments
from sessions_plus.receivers.users import user_models
from sessions_plus.store.of_request import find_store


def act_on_new_password(
    instance: AbstractBaseUser,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None,
    **_: object,
) -> None:
    """
    A new password ends every session but the one in which it was chosen, and all trust.

    The other sessions go on where that was chosen too (``keep_other_sessions``). A reset is
    done signed out, so that it ends all of them. What is changed past ``save()`` Django's own
    session hash ends, without a word from us.
    """
    if not is_new_password(instance, created=created, raw=raw, update_fields=update_fields):
        return
    request = current_request()
    store = find_store(request)
    row = store.row if store is not None else None
    own = row if row is not None and row.user_id == instance.pk else None
    facts: Arguments = {
        "client": store.client if store is not None else None,
        "actor": _somebody_else(request, instance) if own is None else None,
    }
    here = own.public_id if own is not None else None
    reason = end_or_keep_others(instance, own=here, **facts)
    distrust_all(instance, reason=Reason.PASSWORD_CHANGED, **facts)
    guesses.forget(instance)
    forget_that_it_was_given_up(instance)
    device_id = own.device_id if own is not None else None
    device = Device.objects.filter(pk=device_id).first() if device_id is not None else None
    record(
        Event.PASSWORD_CHANGED,
        user=instance,
        session_public_id=here,
        device=device,
        reason=reason,
        **facts,
    )


def _somebody_else(request: HttpRequest | None, user: AbstractBaseUser) -> models.Model | None:
    """Who is signed in and changes another person's account: an administrator."""
    acting = acting_user(request)
    return acting if acting is not None and acting.pk != user.pk else None


for model in user_models():
    post_save.connect(act_on_new_password, sender=model)
