"""
By what names people sign in: text of a stranger until it was seen that a user can have it.

A user's name need not be text, and a database cannot be asked for every text: looking for what
nobody can be called is an error in some, where it should find nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.db import models, router
from django.http import HttpRequest

from sessions_plus.models.text import can_hold

CLEANSED = "********************"


def as_user_name(typed: object) -> Any:  # of the type that the site's users have
    """Return a name as users have it, of their type; None: nobody can be called so."""
    model = get_user_model()
    field: Any = model._meta.get_field(model.USERNAME_FIELD)  # a column, and no relation
    try:
        name = field.to_python(typed)
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return None
    if isinstance(name, str) and not can_hold(field, router.db_for_read(model), name):
        return None
    return name


def find_user(credentials: Mapping[str, object]) -> models.Model | None:
    """Return whose name it is that ``authenticate()`` was given, whatever else it was given."""
    model = get_user_model()
    given = credentials.get(model.USERNAME_FIELD) or credentials.get("username")
    name = as_user_name(given) if given is not None else None
    if name is None:
        return None
    return model._default_manager.filter(**{model.USERNAME_FIELD: name}).first()


def is_nobodys(request: HttpRequest | None, typed: str) -> bool:
    """
    Say whether nobody can be called so. Then it is recorded as any sign-in that failed.

    To be asked before ``authenticate()``: its backends look for whatever was typed.
    """
    if as_user_name(typed) is not None:
        return False
    credentials = {"username": typed, "password": CLEANSED}
    user_login_failed.send(sender=__name__, credentials=credentials, request=request)
    return True
