"""The tests' site with users whose primary key is a UUID."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["tests.support.uuid_users", *INSTALLED_APPS]  # noqa: F405
AUTH_USER_MODEL = "uuid_users.Person"
