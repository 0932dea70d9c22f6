"""Whether a user's sessions are bound to keys of their devices: ``DEVICE_BINDING``."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import router
from django.utils.module_loading import import_string

from sessions_plus.conf import conf
from sessions_plus.named_types import SiteUser, UserId


class DeviceBinding(StrEnum):
    """What follows where a browser can bind its session."""

    OFF = "off"
    OBSERVE = "observe"
    """It is bound, and what would be refused is written down."""
    ENFORCE = "enforce"
    """It is bound, and nothing opens it without a proof."""


def binding_for(user: SiteUser) -> DeviceBinding:
    """
    Return what holds for a user.

    Raises:
        ImproperlyConfigured: the site's function returned something else.
    """
    decide = conf.derived("device binding", _decision)
    value = decide(user) if callable(decide) else decide
    try:
        return DeviceBinding(value)
    except ValueError:
        raise ImproperlyConfigured(
            f"SESSIONS_PLUS_DEVICE_BINDING gave {value!r} for a user. It must return "
            "'off', 'observe' or 'enforce'."
        ) from None


def binding_of(user_id: UserId) -> DeviceBinding:
    """Return what holds for whoever has that primary key: one query where a function says it."""
    decide = conf.derived("device binding", _decision)
    if not callable(decide):
        return binding_for(None)
    model = get_user_model()
    users = model._base_manager.using(router.db_for_read(model))
    user = users.filter(pk=user_id).first()
    return binding_for(user) if user is not None else DeviceBinding.ENFORCE


def may_be_bound(user_id: UserId) -> bool:
    """Say whether browsers are to bind the sessions of a user."""
    return user_id is not None and binding_of(user_id) is not DeviceBinding.OFF


def _decision() -> Any:  # a function, or one of the three words, or neither
    value = conf.DEVICE_BINDING
    return import_string(value) if isinstance(value, str) and "." in value else value
