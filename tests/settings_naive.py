"""The tests' site with naive datetimes, in a time zone that is hours away from UTC and moves."""

from tests.settings import *  # noqa: F403

USE_TZ = False
TIME_ZONE = "America/New_York"
