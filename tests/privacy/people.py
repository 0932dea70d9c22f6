"""Somebody of whom we keep one of everything, and what a dump of the site holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db import models
from django.test import Client, RequestFactory
from django.utils import timezone

from sessions_plus.client_info import client_info_from
from sessions_plus.devices.naming import rename
from sessions_plus.lifecycle import revoke
from sessions_plus.mfa import throttle
from sessions_plus.mfa.impersonation import Impersonation
from sessions_plus.models import (
    AdoptedKey,
    AdoptionBar,
    Authenticator,
    Challenge,
    Device,
    DeviceKey,
    RecoveryCode,
    Scope,
    Session,
)
from tests.conftest import PASSWORD, World
from tests.support import stores
from tests.support.authenticators import a_passkey

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0 of-{name}"


@dataclass
class Life:
    """What somebody did, and every word by which a dump could name them."""

    user: Any
    key: Any
    client: Client
    words: set[str]


def live(user: Any, ip_address: str, *, staff: Any = None) -> Life:
    """Let somebody sign in on two devices, fail once, have a factor, and be ended by staff."""
    name = user.get_username()
    agent = AGENT.format(name=name)
    client = a_browser(agent, ip_address)
    sign_in(client, name)
    sign_in(a_browser(agent, ip_address), name)
    sign_in(client, name, "wrong")
    rename(Device.objects.filter(user=user).earliest("pk"), f"{name}'s own")
    app = Authenticator.objects.create(
        user=user, name=f"{name}'s app", sealed_secret=b"sealed secret", confirmed_at=timezone.now()
    )
    a_passkey(user, name=f"{name}'s key")
    RecoveryCode.objects.create(user=user, code_hash=f"{user.pk:0>64}"[-64:])
    for scope, subject in (
        (Scope.ACCOUNT, throttle.of_user(user)),
        (Scope.AUTHENTICATOR, str(app.public_id)),
    ):
        throttle.take(scope, subject, now=timezone.now())
    waiting = a_browser(agent, ip_address)
    sign_in(waiting, name)  # has a factor by now, so this one waits
    assert Challenge.objects.filter(user=user).exists()
    if staff is not None:
        last = Session.objects.filter(user=user).latest("pk")
        revoke(last, actor=staff, client=client_of(staff))
    sessions = Session.objects.filter(user=user)
    named = {str(public_id) for public_id in sessions.values_list("public_id", flat=True)}
    asked = Challenge.objects.filter(user=user).values_list("session_public_id", flat=True)
    named |= {str(public_id) for public_id in asked}
    AdoptionBar.objects.create(user=user)
    adopted = sessions.values_list("public_id", flat=True).first()
    assert adopted is not None
    AdoptedKey.objects.create(key_hash=f"{user.pk:a>64}"[-64:], session_public_id=adopted)
    bound = sessions.first()
    assert bound is not None
    DeviceKey.objects.create(session=bound, sealed_jwk=b"sealed key")
    return Life(user, user.pk, client, {name, user.email, agent, ip_address, *named})


def client_of(staff: Any) -> Any:
    from sessions_plus.client_info import ClientInfo

    return ClientInfo.of(ip_address="192.0.2.77", user_agent="Desk of the help desk")


def a_browser(agent: str, ip_address: str) -> Client:
    return Client(headers={"user-agent": agent}, REMOTE_ADDR=ip_address)


def sign_in(client: Client, name: str, password: str = PASSWORD) -> None:
    client.post("/account/login/", {"username": name, "password": password})


def tables() -> Iterator[type[models.Model]]:
    yield from apps.get_models(include_auto_created=True)


def dump() -> dict[tuple[str, Any], dict[str, str]]:
    """Every row of the whole site, by table and key, as text."""
    return {
        (model._meta.label, row["pk"]): {name: text_of(value) for name, value in row.items()}
        for model in tables()
        for row in model._base_manager.annotate(pk=models.F(model._meta.pk.name)).values()
    }


def text_of(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return bytes(value).decode("latin-1")
    return str(value)


def found_in(rows: dict[Any, dict[str, str]], words: set[str]) -> list[tuple[Any, str, str]]:
    """Return where a word stands: row, column and word; UUIDs in each of their spellings."""
    spelled = words | {word.replace("-", "") for word in words if word.count("-") == 4}
    return [
        (key, column, word)
        for key, row in rows.items()
        for column, text in row.items()
        for word in spelled
        if word in text
    ]


def rows_of_others(rows: dict[Any, dict[str, str]], key: Any) -> dict[Any, dict[str, str]]:
    """Those that are neither of the user with that primary key nor of nobody."""
    return {
        name: row
        for name, row in rows.items()
        if row.get("user_id", "None") not in (str(key), "None") and name != ("auth.User", key)
    }


def acted_in(user: Any, staff: Any) -> Session:
    """A session in which one of the staff acts as ``user``, from the help desk's address."""
    store = stores.under_way(None)
    request = RequestFactory().get("/", headers={"user-agent": "help desk"})
    request.META["REMOTE_ADDR"] = "192.0.2.77"
    store.client = client_info_from(request)
    stores.enter(store, user, World("sync"))
    store.bind(Impersonation(user, actor_id=staff.pk))
    store.save()
    return Session.objects.get(public_id=store.public_id)
