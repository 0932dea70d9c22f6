"""Columns of bytes are read as bytes, whatever the driver makes of them."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import connection, models
from django.db.models.expressions import Col

from sessions_plus.models import binary
from sessions_plus.models.binary import BytesField

COLUMNS = [
    field
    for model in apps.get_app_config("sessions_plus").get_models()
    for field in model._meta.get_fields()
    if isinstance(field, models.BinaryField)
]


@pytest.mark.parametrize("field", COLUMNS, ids=str)
def test_psycopg2s_views_come_as_bytes(
    field: models.Field, monkeypatch: pytest.MonkeyPatch
) -> None:
    """psycopg2 hands on views that equal no bytes: each sealed column is made bytes of."""
    monkeypatch.setattr(binary, "is_psycopg2", lambda connection: True)
    value: object = memoryview(b"sealed").cast("c")

    for convert in Col("table", field).get_db_converters(connection):
        value = convert(value, None, connection)

    assert value == b"sealed"
    assert isinstance(value, bytes)


@pytest.mark.parametrize("field", COLUMNS, ids=str)
def test_migrations_know_djangos_field(field: models.Field) -> None:
    """The column is Django's own, so that no migration is made for it."""
    assert isinstance(field, BytesField)
    assert field.deconstruct()[1] == "django.db.models.BinaryField"
