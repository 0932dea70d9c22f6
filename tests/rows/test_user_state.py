"""What "disabled" means is what the site says: its users' class, their manager, or a backend."""

from __future__ import annotations

import pytest
from django.test import override_settings

from sessions_plus.rows.user_state import Decider, decider, living_user
from tests.support.other_sites import assert_they_pass

BACKENDS = "django.contrib.auth.backends."


@pytest.mark.parametrize("users", ["stated", "hidden", "refused"])
def test_disabled_is_what_the_site_says(users: str) -> None:
    """Whoever a property, a manager or a backend disables is out as by a column ``is_active``."""
    pytest.importorskip("rest_framework")

    assert_they_pass("tests/support/disabling.py", settings=f"tests.settings_{users}_users")


def test_a_column_is_asked_in_the_statement() -> None:
    """Django's own users cost no statement of their own."""
    assert decider() is Decider.COLUMN
    assert "is_active" in str(living_user("default"))


@pytest.mark.parametrize("name", ["AllowAllUsersModelBackend", "AllowAllUsersRemoteUserBackend"])
def test_a_backend_that_lets_everybody_in_asks_for_a_row(name: str) -> None:
    """Where Django's backend for disabled users is one of several, their row is enough."""
    backends = [f"{BACKENDS}ModelBackend", f"{BACKENDS}{name}"]
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert decider() is Decider.ROW
        assert "is_active" not in str(living_user("default"))


def test_a_backend_of_the_sites_is_asked() -> None:
    """The site's code can only be run: no statement asks it."""
    backends = ["tests.support.disabled_users.backends.Backend", f"{BACKENDS}ModelBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends):
        assert decider() is Decider.SITE
        assert living_user("default") is None
