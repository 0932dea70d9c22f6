"""The name that somebody signs in by is text of a stranger, whatever type users' names have."""

from __future__ import annotations

import pytest

from tests.support.other_sites import assert_they_pass


@pytest.mark.parametrize("users", ["numbered", "coded"])
def test_names_that_are_no_text(users: str) -> None:
    """Where users are called by a number or a UUID, any text is a wrong name, and no fault."""
    pytest.importorskip("rest_framework")

    assert_they_pass("tests/support/nameless.py", settings=f"tests.settings_{users}_users")


def test_names_that_are_text() -> None:
    """Where they are called by a text, the same holds of what no name can have in it."""
    pytest.importorskip("rest_framework")

    assert_they_pass("tests/support/nameless.py", settings="tests.settings")
