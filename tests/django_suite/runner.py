"""A test runner that knows which of Django's tests may fail."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.test.runner import DiscoverRunner

from tests.django_suite.allowed import ALLOWED


class Runner(DiscoverRunner):
    """
    Where an engine of ours is under test, let our middleware stand for Django's in every module,
    and expect the tests of the allow-list to fail.
    """

    def build_suite(self, *args: Any, **kwargs: Any) -> unittest.TestSuite:
        if not settings.SESSION_ENGINE.startswith("sessions_plus."):
            return super().build_suite(*args, **kwargs)
        replace_middleware()
        suite = super().build_suite(*args, **kwargs)
        for test in tests_of(suite):
            if test.id() in ALLOWED:
                test.__unittest_expecting_failure__ = True  # type: ignore[attr-defined]
        return suite


def replace_middleware() -> None:
    """Put our class under the name of Django's, before the modules of tests import it."""
    from django.contrib.sessions import middleware

    from sessions_plus.middleware import SessionMiddleware

    middleware.SessionMiddleware = SessionMiddleware  # type: ignore[misc]


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Walk through every test of a suite."""
    # A parallel suite holds its parts in an attribute of its own.
    for part in getattr(suite, "subsuites", suite):
        if isinstance(part, unittest.TestSuite):
            yield from tests_of(part)
        else:
            yield part
