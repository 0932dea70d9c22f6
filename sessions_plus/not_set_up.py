"""
What is raised where a part of the app is imported for which the site lacks something.

Django's commands tell a ``CommandError`` in a line, without a traceback: also ``check``, which
would else end in one, as the checks of Django's own import what the settings name.
"""

from __future__ import annotations

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandError


class AppNotInstalled(CommandError, ImproperlyConfigured):
    """``INSTALLED_APPS`` lacks the app itself."""


class ExtraNotInstalled(CommandError, ImportError):
    """A library that an extra brings is not there."""
