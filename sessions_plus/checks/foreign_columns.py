"""Checks of other apps' columns for session keys, which were made for keys shorter than ours."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.core.checks import CheckMessage, register
from django.db import models

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.keys import TOKEN_LENGTH

WRITERS = ("allauth.usersessions",)
"""Apps that write the key of each sign-in, whatever engine it is of."""


@register(TAG)
def check_key_columns(**_: object) -> list[CheckMessage]:
    return messages_about(apps.get_models())


def messages_about(found: Iterable[type[models.Model]]) -> list[CheckMessage]:
    return [_message_about(column) for column in map(short_key_column, found) if column is not None]


def short_key_column(model: type[models.Model]) -> models.CharField[str, str] | None:
    """
    Return the model's column for session keys if ours do not fit; else None.

    An engine's own table is none: Django's, and those of django-user-sessions and
    django-qsessions, hold keys that their engine makes, and may stay while a site moves.
    """
    fields = {field.name: field for field in model._meta.local_fields}
    column = fields.get("session_key")
    if not isinstance(column, models.CharField) or fields.keys() >= {"session_data", "expire_date"}:
        return None
    return column if (column.max_length or TOKEN_LENGTH) < TOKEN_LENGTH else None


def _message_about(column: models.CharField[str, str]) -> CheckMessage:
    app = column.model._meta.app_config.name
    facts = {
        "column": f"{column.model._meta.label}.{column.name}",
        "length": column.max_length,
        "needed": TOKEN_LENGTH,
    }
    if app in WRITERS:
        return catalogue.KEYS_WRITTEN_ELSEWHERE.about(app=app, **facts)
    return catalogue.SHORT_KEY_COLUMN.about(**facts)
