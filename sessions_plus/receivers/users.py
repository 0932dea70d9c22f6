"""What follows where a user is disabled or deleted."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import receiver

from sessions_plus.client_info import ClientInfo
from sessions_plus.lifecycle.users import end_access, end_access_if_gone
from sessions_plus.models import Reason
from sessions_plus.named_types import UserId
from sessions_plus.privacy.erasure import erase
from sessions_plus.rows.user_state import may_have_been_disabled
from sessions_plus.signals import user_gone


def user_models() -> Iterator[type[models.Model]]:
    """
    Yield each model of users, those that a site derived from its own too.

    Receivers are connected by sender: one for every model would slow down each delete of
    the whole site.
    """
    return (model for model in apps.get_models() if issubclass(model, get_user_model()))


@receiver(user_gone, dispatch_uid="sessions_plus.user_gone")
def end_after_user_went(
    user_id: UserId, reason: Reason, client: ClientInfo | None, **_: object
) -> None:
    """
    A user was disabled or deleted in a way that sends no signal.

    Nothing is erased for it: where a site has lost sight of its users for a moment, they
    come back with their second factors.
    """
    end_access(user_id, reason=reason, client=client)


def end_sessions_of_disabled_user(
    instance: models.Model,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None,
    **_: object,
) -> None:
    """Costs nothing for a user who may sign in, where a column says so."""
    if not created and not raw and may_have_been_disabled(instance, update_fields):
        end_access_if_gone(instance.pk)


def end_sessions_of_deleted_user(instance: models.Model, **_: object) -> None:
    end_access(instance.pk, reason=Reason.USER_DELETED)


def erase_deleted_user(instance: models.Model, **_: object) -> None:
    """Nothing that is kept names a deleted user; what they did to others stays on record."""
    erase(instance.pk)


for model in user_models():
    post_save.connect(end_sessions_of_disabled_user, sender=model)
    pre_delete.connect(end_sessions_of_deleted_user, sender=model)
    post_delete.connect(erase_deleted_user, sender=model)
