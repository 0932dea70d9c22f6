"""The tests' site with users who sign in by a UUID."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["tests.support.named_users", *INSTALLED_APPS]  # noqa: F405
AUTH_USER_MODEL = "named_users.Coded"
