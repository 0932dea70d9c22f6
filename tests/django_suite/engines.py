"""Django's contract of a session store, for the engine under test."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from django.conf import settings
from django.test import TestCase, override_settings
from sessions_tests.tests import SessionTestsMixin


def store() -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore


class EngineTests(SessionTestsMixin, TestCase):
    """The contract, with times that know no zone."""

    @property
    def backend(self) -> Any:
        return store()


@override_settings(USE_TZ=True)
class EngineWithTimeZoneTests(EngineTests):
    """The contract, with times that know their zone."""
