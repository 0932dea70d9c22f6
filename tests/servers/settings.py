"""What the processes under test set: little, so that each is up in no time."""

from __future__ import annotations

import os

from tests.settings import DATABASES
from tests.support.served import *  # noqa: F403 - Django wants all of them here

ROOT_URLCONF = "tests.servers.site"
if os.environ.get("TEST_POOL"):
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 4}
if os.environ.get("TEST_POOLER"):
    DATABASES["default"]["DISABLE_SERVER_SIDE_CURSORS"] = True
