from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib.auth.models import AbstractUser
from django.db import models

PREFIX = "person_"


def new_id() -> str:
    return PREFIX + uuid4().hex


class PrefixedField(models.CharField):
    """``person_0a1b…`` to the site, ``0a1b…`` to the database."""

    def from_db_value(self, value: str | None, *_: object) -> str | None:
        return None if value is None else PREFIX + value

    def get_prep_value(self, value: Any) -> Any:
        value = super().get_prep_value(value)
        return value.removeprefix(PREFIX) if isinstance(value, str) else value


class Person(AbstractUser):
    id = PrefixedField(primary_key=True, max_length=39, default=new_id, editable=False)
