"""The inventory: every column that we store, and what becomes of it."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.db import models

from sessions_plus.models import Scope, SessionEvent
from sessions_plus.privacy.inventory import ACCOUNT_SCOPES, INVENTORY, Holding, Sort, blank

# A proxy has no columns of its own.
OURS = [m for m in apps.get_app_config("sessions_plus").get_models() if not m._meta.proxy]
KNOWN = {holding.model: holding for holding in INVENTORY.values()}
REMEDY = "say in sessions_plus/privacy/inventory.py what it is, and how it is exported and erased"

COLUMNS = [
    pytest.param(model, field, id=f"{model.__name__}.{field.name}")
    for model in OURS
    for field in model._meta.concrete_fields
]
HOLDINGS = [pytest.param(holding, id=name) for name, holding in INVENTORY.items()]


def test_every_model_is_known() -> None:
    """No model of ours is missing."""
    assert set(KNOWN) == set(OURS), REMEDY


@pytest.mark.parametrize(("model", "field"), COLUMNS)
def test_every_column_is_known(model: type[models.Model], field: models.Field) -> None:
    """No column of ours is missing."""
    assert field.name in KNOWN[model].columns, REMEDY


@pytest.mark.parametrize("holding", HOLDINGS)
def test_no_column_that_is_none(holding: Holding) -> None:
    """What was removed from a model is removed from the inventory."""
    assert set(holding.columns) == {field.name for field in holding.model._meta.concrete_fields}


@pytest.mark.parametrize(("model", "field"), COLUMNS)
def test_what_points_at_a_person_is_personal(
    model: type[models.Model], field: models.Field
) -> None:
    """A column that names a user, an address or a browser is never taken for operational."""
    names_somebody = (
        (field.related_model is not None and field.related_model is not model)
        or isinstance(field, models.GenericIPAddressField)
        or field.name in ("user_agent", "browser", "system", "location", "name")
    )

    holding = KNOWN[model]
    is_nobodys = holding.of is None
    assert not names_somebody or is_nobodys or holding.columns[field.name].sort is Sort.PERSONAL


@pytest.mark.parametrize(("model", "field"), COLUMNS)
def test_what_opens_something_is_secret(model: type[models.Model], field: models.Field) -> None:
    """Digests and what is sealed are secrets, and in nobody's copy."""
    opens = field.name.endswith("_hash") or isinstance(field, models.BinaryField)
    column = KNOWN[model].columns[field.name]

    assert not opens or column.sort is Sort.SECRET
    assert column.sort is not Sort.SECRET or not (column.is_exported or column.outlives)


@pytest.mark.parametrize("holding", HOLDINGS)
def test_what_stays_can_be_emptied(holding: Holding) -> None:
    """In a row that outlives its person every other column has a value that tells nothing."""
    if holding.goes:
        return
    for name, value in holding.emptied().items():
        field = holding.field(name)
        assert value == blank(field) or field.unique
        assert value is not None or field.null


def test_an_event_keeps_time_and_kind() -> None:
    """What outlives an erasure in an event is when, what, why, how often and who did it."""
    columns = KNOWN[SessionEvent].columns

    assert {name for name, column in columns.items() if column.outlives} == {
        *("id", "at", "event", "outcome", "reason", "actor", "count"),
    }


def test_every_counter_is_somebodys_or_nobodys() -> None:
    """Of each scope of counters it is known whether it counts a person."""
    persons = {*ACCOUNT_SCOPES, Scope.AUTHENTICATOR, Scope.DEVICE}
    digests = {Scope.ADDRESS, Scope.NAME, Scope.NETWORK, Scope.RESET}

    assert set(Scope) == persons | digests, REMEDY
