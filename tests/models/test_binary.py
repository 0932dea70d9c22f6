"""All columns of bytes are of the kind that every driver reads as bytes (test_psycopg2.py)."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import models

from sessions_plus.models.binary import BytesField

COLUMNS = [
    field
    for model in apps.get_app_config("sessions_plus").get_models()
    for field in model._meta.get_fields()
    if isinstance(field, models.BinaryField)
]


@pytest.mark.parametrize("field", COLUMNS, ids=str)
def test_migrations_know_djangos_field(field: models.Field) -> None:
    """The column is Django's own, so that no migration is made for it."""
    assert isinstance(field, BytesField)
    assert field.deconstruct()[1] == "django.db.models.BinaryField"
