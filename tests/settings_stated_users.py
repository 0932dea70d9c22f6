"""The tests' site with users whom a property of their class disables."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["tests.support.disabled_users", *INSTALLED_APPS]  # noqa: F405
AUTH_USER_MODEL = "disabled_users.Stated"
