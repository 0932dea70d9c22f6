"""Every cookie of a session that is bound to its device, in other hands: a stranger everywhere."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import async_to_sync
from django.test import override_settings
from django.utils import timezone

from sessions_plus.device_proof.proof_cookie import name_of, new_value
from sessions_plus.integrations.channels.sockets import AuthMiddlewareStack
from sessions_plus.keys import new_public_id, read_token
from sessions_plus.models import Session
from tests.security.addresses import OURS, Address, addresses
from tests.security.conftest import Person

pytestmark = pytest.mark.django_db(transaction=True)

# All but the one whose strength is the link in a mail, whoever asks.
DOORS = [one for one in addresses(OURS) if one.name != "sessions_plus:notice_report"]
DEVICE_KEY = new_public_id()


@pytest.fixture
def bound(ann: Person, settings: Any) -> UUID:
    """The name of Ann's session, which is bound since an hour."""
    settings.SESSIONS_PLUS_DEVICE_BINDING = "enforce"
    name = read_token(ann.key)
    assert name is not None
    Session.objects.filter(public_id=name).update(
        device_key_id=DEVICE_KEY,
        device_key_at=timezone.now() - timedelta(hours=1),
        device_key_seen=True,
    )
    return name


def with_cookies(ann: Person) -> dict[str, str]:
    return {}


def with_bearer(ann: Person) -> dict[str, str]:
    return {"authorization": f"Bearer {ann.key}"}


@pytest.mark.parametrize("how", [with_cookies, with_bearer])
@pytest.mark.parametrize("method", ["get", "post", "delete", "patch"])
def test_at_every_door(
    ann: Person,
    bound: UUID,
    facts: dict[str, str],
    engine: str,
    method: str,
    how: Callable[[Person], dict[str, str]],
) -> None:
    """Each address of ours answers as to somebody who has nothing, and the session is as it was."""
    before = Session.objects.values().get(public_id=bound)
    headers = how(ann)
    differing = []

    for address in DOORS:
        thief = Person()
        if not headers:
            thief.client.cookies = SimpleCookie(cookies_of(ann))
        found = answer_of(thief, method, address, facts, headers)
        if found != answer_of(Person(), method, address, facts, {}):
            differing.append((address.name, found))

    assert differing == []
    assert Session.objects.values().get(public_id=bound) == before


def cookies_of(person: Person) -> dict[str, str]:
    return {name: morsel.value for name, morsel in person.client.cookies.items()}


def answer_of(
    person: Person, method: str, address: Address, facts: dict[str, str], headers: dict[str, str]
) -> tuple[int, str | None]:
    answer = person.ask(method, address.path(**facts), headers=headers)
    return answer.status_code, answer.headers.get("Location")


@pytest.mark.parametrize("has_proof", [True, False])
def test_at_a_socket(ann: Person, bound: UUID, engine: str, has_proof: bool) -> None:
    """The proof cookie opens sockets, too; without it they are nobody's."""
    cookies = cookies_of(ann)
    if has_proof:
        now = timezone.now().timestamp()
        value = new_value(bound.bytes, DEVICE_KEY.bytes, now=now)
        cookies[name_of(DEVICE_KEY.bytes)] = value
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    seen: list[str] = []

    async def consumer(scope: Any, receive: Any, send: Any) -> None:
        seen.append(str(scope["user"]))

    scope = {
        "type": "websocket",
        "path": "/chat/",
        "client": ("127.0.0.1", 5000),
        "headers": [(b"cookie", sent.encode())],
    }
    with override_settings(SESSIONS_PLUS_CLIENT_CHANGE="ignore"):
        async_to_sync(AuthMiddlewareStack(consumer))(scope, None, None)  # type: ignore[arg-type]

    assert seen == ["ann" if has_proof else "AnonymousUser"]
