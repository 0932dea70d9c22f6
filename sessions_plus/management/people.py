"""Whom a command means."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError


def get_user(name: str) -> Any:
    """
    Return who signs in by that name.

    Raises:
        CommandError: nobody does.
    """
    model: Any = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None
