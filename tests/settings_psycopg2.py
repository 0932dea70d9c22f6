"""The tests' site where psycopg 3 is not installed, so that Django takes psycopg2."""

import sys

sys.modules["psycopg"] = None  # type: ignore[assignment]  # so that importing it fails

from tests.settings import *  # noqa: E402, F403
