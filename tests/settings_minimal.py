"""A site with nothing but what the app itself requires: no DRF, no geoip, no Redis."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as ALL_APPS

INSTALLED_APPS = [app for app in ALL_APPS if app != "rest_framework"]
