"""Whom a command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldError
from django.core.management.base import CommandError

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def get_user(name: str) -> AbstractBaseUser:
    """
    Return who signs in by that name.

    Raises:
        CommandError: nobody does.
    """
    model = get_user_model()
    try:
        return model._default_manager.get_by_natural_key(name)
    except model.DoesNotExist:
        raise CommandError(f"There is no user {name!r}.") from None


def first_superuser() -> AbstractBaseUser:
    """
    Return whoever first could do everything, for a command that needs somebody.

    Raises:
        CommandError: nobody can, or the site's users are told apart otherwise.
    """
    users = get_user_model()._default_manager
    try:
        found = users.filter(is_superuser=True, is_active=True).order_by("pk").first()
    except FieldError:
        found = None
    if found is None:
        raise CommandError("There is no superuser who is active. Name somebody with --user.")
    return found
