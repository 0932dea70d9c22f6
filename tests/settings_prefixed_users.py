"""The tests' site with users whose primary key looks otherwise in the database."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["tests.support.prefixed_users", *INSTALLED_APPS]  # noqa: F405
AUTH_USER_MODEL = "prefixed_users.Person"
