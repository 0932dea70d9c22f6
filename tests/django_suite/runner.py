"""A test runner that knows which of Django's tests may fail."""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.test.runner import DiscoverRunner

from tests.django_suite.allowed import ALLOWED


class Runner(DiscoverRunner):
    """Expect the tests of the allow-list to fail, where an engine of ours is under test."""

    def build_suite(self, *args: Any, **kwargs: Any) -> unittest.TestSuite:
        suite = super().build_suite(*args, **kwargs)
        if settings.SESSION_ENGINE.startswith("sessions_plus."):
            for test in tests_of(suite):
                if test.id() in ALLOWED:
                    test.__unittest_expecting_failure__ = True  # type: ignore[attr-defined]
        return suite


def tests_of(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """Walk through every test of a suite."""
    # A parallel suite holds its parts in an attribute of its own.
    for part in getattr(suite, "subsuites", suite):
        if isinstance(part, unittest.TestSuite):
            yield from tests_of(part)
        else:
            yield part
