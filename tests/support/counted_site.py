"""The settings of a site of several workers whose acts are counted."""

from __future__ import annotations

from tests import settings as common
from tests.support.served import *  # noqa: F403 - Django wants all of them here

MIDDLEWARE = common.MIDDLEWARE
ROOT_URLCONF = "tests.support.counted_urls"
SESSIONS_PLUS_METRICS_TOKEN = "a token that only the test and the site know"
