"""The tests' site with users whom a backend disables."""

from tests.settings import *  # noqa: F403

INSTALLED_APPS = ["tests.support.disabled_users", *INSTALLED_APPS]  # noqa: F405
AUTH_USER_MODEL = "disabled_users.Refused"
AUTHENTICATION_BACKENDS = ["tests.support.disabled_users.backends.Backend"]
