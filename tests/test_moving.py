"""What ``docs/migrating.md`` tells of a site that comes from Django's own engine."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore as DjangosStore
from django.contrib.sessions.models import Session as DjangosSession
from django.test import Client

from sessions_plus.models import Session

LIST = "/account/devices/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("engine")]


def test_a_cookie_of_djangos_engine_is_none() -> None:
    """Who comes with it is a stranger, and the page takes it away; its row is left alone."""
    store = DjangosStore()
    store.create()
    client = Client()
    client.cookies["sessionid"] = store.session_key or ""

    response = client.get(LIST)

    assert response.headers["Location"] == f"/account/login/?next={LIST}"
    assert response.cookies["sessionid"]["max-age"] == 0
    assert DjangosSession.objects.filter(session_key=store.session_key).exists()


def test_the_public_id_stays_through_signing_in(user: User) -> None:
    """What a site keeps under it, such as a cart, is found again after the sign-in."""
    client = Client()
    session: Any = client.session
    session["cart"] = {"tea": 1}
    session.save()
    before = session.public_id

    client.force_login(user)
    after: Any = client.session

    assert after["cart"] == {"tea": 1}
    assert after.public_id == before


def test_deleting_all_sessions_signs_everybody_out(user: User) -> None:
    """What a site does to be sure goes on doing it."""
    client = Client()
    client.force_login(user)

    Session.objects.all().delete()

    assert client.get(LIST).status_code == 302
