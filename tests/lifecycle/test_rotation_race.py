"""A thousand requests at once, in real threads, while the key is rotated."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from sessions_plus.models import Session, SessionEvent

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

THREADS = 20
REQUESTS = 1000


def test_a_thousand_requests_across_a_rotation(engine: str, user: User) -> None:
    """Nobody is signed out, and all are told the one new key, written once."""
    caches["default"].clear()
    owner = Client()
    owner.get("/sync/sign-in/", {"name": "ann"})
    old = {name: morsel.value for name, morsel in owner.cookies.items()}
    due = timezone.now() - timedelta(hours=25)
    Session.objects.update(rotated_at=due, authenticated_at=due)
    barrier = Barrier(THREADS)

    def ask(number: int) -> tuple[str, str, str]:
        client = Client()
        client.cookies.load(old)
        if number < THREADS:
            barrier.wait()
        first = client.get("/sync/who/").content.decode()
        if number % 2:
            client.get("/sync/write/", {"color": str(number)})
        second = client.get("/sync/who/").content.decode()
        connections.close_all()
        return first, second, client.cookies["sessionid"].value

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(ask, range(REQUESTS // 2)))

    assert {text for *texts, _ in answers for text in texts} == {"ann"}
    keys = {key for *_, key in answers}
    assert len(keys) == 1
    session = Session.objects.get()
    assert session.revoked_at is None
    assert session.rotated_at not in {None, due}
    new = import_module(engine).SessionStore(keys.pop())
    assert new.get("_auth_user_id") == str(user.pk)
    assert not SessionEvent.objects.filter(event="key.reused").exists()
    connection.close()
