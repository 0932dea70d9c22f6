"""An engine whose app is no longer in ``INSTALLED_APPS``, so that its table cannot be named."""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.db import models


class SessionStore(DjangosStore):
    """As django-qsessions has it."""

    @classmethod
    def get_model_class(cls) -> Any:
        class Session(models.Model):
            """It belongs to no app."""

            def __str__(self) -> str:
                return ""

        return Session
