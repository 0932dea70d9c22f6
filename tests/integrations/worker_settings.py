"""The site of the tests, in several processes that share its database and its Redis."""

from __future__ import annotations

import os
from datetime import timedelta

from tests.integrations.settings import *  # noqa: F403

DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ["SITE_DATABASE"],
        "OPTIONS": {"timeout": 60, "transaction_mode": "IMMEDIATE"},
    }
}
REDIS = os.environ["SITE_REDIS"]
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"{REDIS}/0"}}
SESSION_ENGINE = "sessions_plus.backends.cached_db"
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        # redis-py gives a reader up after five seconds, which is how long the layer waits.
        "CONFIG": {"hosts": [{"address": REDIS, "socket_timeout": None}]},
    }
}
# Nothing is looked at now and then: what closes a socket here was told of it.
SESSIONS_PLUS_ACTIVITY_INTERVAL = timedelta(hours=1)
SESSIONS_PLUS_IDLE_TIMEOUT = timedelta(hours=12)

CELERY_BROKER_URL = CELERY_RESULT_BACKEND = f"{REDIS}/1"
CELERY_TASK_IGNORE_RESULT = False
