"""Columns of bytes, which every driver reads as such."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class BytesField(models.BinaryField):  # type: ignore[type-arg]  # generic in the stubs only
    """
    Django's own, but that what comes is ``bytes``.

    psycopg2 hands on a ``memoryview`` that equals no bytes and has no methods of theirs.
    """

    def get_db_converters(self, connection: BaseDatabaseWrapper) -> list[Callable[..., object]]:
        converters: list[Callable[..., object]] = list(super().get_db_converters(connection))
        return [*converters, as_bytes] if is_psycopg2(connection) else converters

    def deconstruct(self) -> tuple[str, str, Sequence[object], dict[str, object]]:
        """To migrations it is Django's: the column is the same."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs


def is_psycopg2(connection: BaseDatabaseWrapper) -> bool:
    if connection.vendor != "postgresql":
        return False
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return not is_psycopg3


def as_bytes(value: object, expression: object, connection: object) -> object:
    return value.tobytes() if isinstance(value, memoryview) else value
