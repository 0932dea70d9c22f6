"""Somebody of the staff at their desk, and people who sign in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from sessions_plus.models import Session


@pytest.fixture
def desk(staff: User) -> Client:
    """The browser of a staff member who may do everything."""
    client = Client()
    client.force_login(staff)
    return client


@pytest.fixture
def sign_in() -> Callable[..., Session]:
    """Sign somebody in with a browser of their own, through the real engine."""

    def sign_in(person: User, **columns: Any) -> Session:
        client = Client()
        client.force_login(person)
        session = Session.objects.for_user(person).latest("pk")
        if columns:
            Session.objects.filter(pk=session.pk).update(**columns)
            session.refresh_from_db()
        return session

    return sign_in
