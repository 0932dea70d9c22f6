"""Sockets of Channels: opened as a page would be, without a key, and closed with their session."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from channels.generic.websocket import AsyncJsonWebsocketConsumer, JsonWebsocketConsumer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.core.cache import caches
from django.test import Client, override_settings
from django.utils import timezone

from sessions_plus.exceptions import SecondFactorRequired
from sessions_plus.integrations.channels.sockets import (
    AuthMiddlewareStack,
    ClosesWithSession,
    login,
)
from sessions_plus.lifecycle import revoke, revoke_all
from sessions_plus.models import Challenge, Session, SessionEvent
from sessions_plus.store.engine import site_engine
from sessions_plus.testing import sign_in
from tests.support.authenticators import enrol

pytestmark = pytest.mark.django_db(transaction=True)

BACKEND = "django.contrib.auth.backends.ModelBackend"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
NOTHING_FOR_SECONDS = 0.05


class Chat(ClosesWithSession, AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        await self.accept()

    async def receive_json(self, content: Any, **_: Any) -> None:
        session = self.scope["session"]
        if "keep" in content:
            await session.aset("kept", content["keep"])
            await session.asave()
        if "login" in content:
            user = await User.objects.aget(username=content["login"])
            try:
                await login(self.scope, user, BACKEND)
            except SecondFactorRequired as error:
                await self.send_json({"code": error.code})
                return
        if "tell" in content:
            await self.send_json({"key": session.session_key})
            return
        await self.send_json({"user": self.scope["user"].username})


class SyncChat(ClosesWithSession, JsonWebsocketConsumer):
    def receive_json(self, content: Any, **_: Any) -> None:
        self.send_json({"user": self.scope["user"].username})


@pytest.fixture(params=["memory", "redis"])
def layer(request: pytest.FixtureRequest) -> Iterator[None]:
    config: dict[str, Any] = {"BACKEND": "channels.layers.InMemoryChannelLayer"}
    if request.param == "redis":
        server = request.getfixturevalue("redis_server")
        config = {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [server.url]},
        }
    caches["default"].clear()
    with override_settings(CHANNEL_LAYERS={"default": config}):
        yield


@pytest.fixture
def browser(engine: str, user: User) -> Client:
    client = Client(headers={"user-agent": AGENT})
    sign_in(client, user, methods=("pwd",))
    return client


def socket(client: Client | None, consumer: Any = Chat) -> Any:
    headers = [(b"user-agent", AGENT.encode())]
    if client is not None:
        cookies = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
        headers.append((b"cookie", cookies.encode()))
    return WebsocketCommunicator(AuthMiddlewareStack(consumer.as_asgi()), "/chat/", headers)


async def ask(opened: Any, **message: str) -> Any:
    await opened.send_json_to(message)
    return await opened.receive_json_from(timeout=20)


def run(scenario: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async_to_sync(scenario)()


def by_code(user: User, client: Client) -> None:
    revoke_all(user)


def by_row(user: User, client: Client) -> None:
    revoke(Session.objects.get(revoked_at=None))


def signed_out(user: User, client: Client) -> None:
    client.post("/ours/logout/")


def by_update(user: User, client: Client) -> None:
    Session.objects.update(revoked_at=timezone.now())


def row_deleted(user: User, client: Client) -> None:
    Session.objects.all().delete()


def disabled(user: User, client: Client) -> None:
    user.is_active = False
    user.save()


def user_deleted(user: User, client: Client) -> None:
    User.objects.get(pk=user.pk).delete()


def new_password(user: User, client: Client) -> None:
    user.set_password("another password, from a shell")
    user.save()


def expired(user: User, client: Client) -> None:
    with override_settings(SESSION_COOKIE_AGE=0):
        client.get("/who/")


ENDS = [
    by_code,
    by_row,
    signed_out,
    by_update,
    row_deleted,
    disabled,
    user_deleted,
    new_password,
    expired,
]


@pytest.mark.usefixtures("layer")
@pytest.mark.parametrize("consumer", [Chat, SyncChat])
@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_closes_with_its_session(
    browser: Client, user: User, end: Callable[[User, Client], None], consumer: Any
) -> None:
    """However the session ends, its socket is closed within a second, unasked."""

    async def scenario() -> None:
        opened = socket(browser, consumer)
        assert (await opened.connect(timeout=20))[0]
        assert await ask(opened) == {"user": "ann"}

        await sync_to_async(end)(user, browser)

        assert await opened.receive_output(timeout=1) == {"type": "websocket.close", "code": 4401}
        await opened.disconnect()

    run(scenario)


@pytest.mark.usefixtures("layer")
def test_others_stay_open(browser: Client, user: User) -> None:
    """The end of another session of the same person closes nothing here."""
    other = Client()
    sign_in(other, user, methods=("pwd",))

    async def scenario() -> None:
        opened = socket(browser)
        await opened.connect(timeout=20)
        await sync_to_async(other.post)("/ours/logout/")
        assert await opened.receive_nothing(NOTHING_FOR_SECONDS)
        assert await ask(opened) == {"user": "ann"}
        await opened.disconnect()

    run(scenario)


@pytest.mark.usefixtures("layer")
def test_an_end_that_nobody_told_of(browser: Client) -> None:
    """Past everything, in SQL: noticed with the next message, and nothing is answered."""

    async def scenario() -> None:
        opened = socket(browser)
        await opened.connect(timeout=20)
        rows = Session.objects.all()
        await sync_to_async(rows._raw_delete)("default")
        await sync_to_async(caches["default"].clear)()

        await opened.send_json_to({})

        assert (await opened.receive_output(timeout=20))["code"] == 4401
        await opened.disconnect()

    run(scenario)


@pytest.mark.usefixtures("layer")
def test_a_long_socket_is_no_thief(browser: Client) -> None:
    """Keys are replaced twice meanwhile: what the socket saves arrives, and nobody is accused."""

    async def scenario() -> None:
        opened = socket(browser)
        await opened.connect(timeout=20)
        for _ in range(2):
            await sync_to_async(replace_key)(browser)

        assert await ask(opened, keep="tea") == {"user": "ann"}
        await opened.disconnect()

    run(scenario)
    assert browser.get("/who/").json()["user"] == "ann"
    assert browser.session["kept"] == "tea"
    assert not SessionEvent.objects.filter(event__startswith="key").exists()


@pytest.mark.usefixtures("layer")
def test_a_socket_holds_no_key(browser: Client) -> None:
    """What it calls the session's key is the public id, which opens nothing."""

    async def scenario() -> None:
        opened = socket(browser)
        await opened.connect(timeout=20)
        row = await Session.objects.aget()
        assert await ask(opened, tell="key") == {"key": str(row.public_id)}
        await opened.disconnect()

    run(scenario)


def replace_key(browser: Client) -> None:
    """As a change of privilege does: the old key is dead at once."""
    store = site_engine()(browser.cookies["sessionid"].value)
    store.cycle_key()
    store.save()
    browser.cookies["sessionid"] = str(store.session_key)


@pytest.mark.usefixtures("layer")
def test_a_key_rotated_a_moment_ago_opens(browser: Client) -> None:
    """A handshake that was under way with the key before finds the session."""
    before = Client()
    for name, morsel in browser.cookies.items():
        before.cookies[name] = morsel.value
    store = site_engine()(browser.cookies["sessionid"].value)
    store.load()
    store.rotate(timezone.now())

    async def scenario() -> None:
        opened = socket(before)
        await opened.connect(timeout=20)
        assert await ask(opened) == {"user": "ann"}
        await opened.disconnect()

    run(scenario)


@pytest.mark.usefixtures("layer", "engine")
class TestLogin:
    def test_of_somebody_with_one_factor(self, user: User) -> None:
        """The socket is theirs, by a session of its own that is listed."""

        async def scenario() -> None:
            opened = socket(None)
            await opened.connect(timeout=20)
            assert await ask(opened, login="ann") == {"user": "ann"}
            assert await ask(opened) == {"user": "ann"}
            await sync_to_async(revoke_all)(user)
            assert (await opened.receive_output(timeout=1))["code"] == 4401
            await opened.disconnect()

        run(scenario)
        assert Session.objects.filter(user=user).count() == 1

    def test_of_somebody_with_two(self, user: User) -> None:
        """It waits: nobody is signed in to the socket."""
        enrol(user)

        async def scenario() -> None:
            opened = socket(None)
            await opened.connect(timeout=20)
            assert await ask(opened, login="ann") == {"code": "second_factor_required"}
            assert await ask(opened) == {"user": ""}
            await opened.disconnect()

        run(scenario)
        assert Challenge.objects.filter(user_id=user.pk).exists()
        assert not Session.objects.filter(user=user).exists()


@pytest.mark.usefixtures("layer")
@pytest.mark.parametrize("way", ["cookie", "session key", "nothing"])
@pytest.mark.parametrize("state", ["fresh", "no factor", "changed client", "disabled"])
def test_the_door(browser: Client, user: User, settings: Any, way: str, state: str) -> None:
    """A socket opens for whom a page would, by cookie alone; who lacks a proof is refused."""
    if state == "no factor":
        settings.SESSIONS_PLUS_MFA_POLICY = "required"
    if state == "changed client":
        settings.SESSIONS_PLUS_CLIENT_CHANGE = "reauthenticate"
        Session.objects.update(must_reauthenticate=True)
    if state == "disabled":
        User.objects.filter(pk=user.pk).update(is_active=False)
    opened = socket(browser if way == "cookie" else None)
    if way == "session key":
        key = browser.cookies["sessionid"].value
        opened.scope["headers"].append((b"authorization", f"Bearer {key}".encode()))

    async def scenario() -> None:
        is_open, code = await opened.connect(timeout=20)
        if way == "cookie" and state in ("no factor", "changed client"):
            assert (is_open, code) == (False, 4403)
            return
        assert is_open
        name = "ann" if (way, state) == ("cookie", "fresh") else ""
        assert await ask(opened) == {"user": name}
        await opened.disconnect()

    run(scenario)


@pytest.mark.usefixtures("layer")
def test_a_proof_that_is_asked_for_later(browser: Client, settings: Any) -> None:
    """Another browser was seen with the session: the socket closes with its next message."""
    settings.SESSIONS_PLUS_CLIENT_CHANGE = "reauthenticate"

    async def scenario() -> None:
        opened = socket(browser)
        await opened.connect(timeout=20)
        await Session.objects.aupdate(must_reauthenticate=True)
        await opened.send_json_to({})
        assert (await opened.receive_output(timeout=20))["code"] == 4403
        await opened.disconnect()

    run(scenario)


@pytest.mark.parametrize("engine", ["db"], indirect=True)
def test_a_layer_that_is_away_fails_nothing(
    browser: Client, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    """Who ends a session is not kept from it, and the log says what follows."""
    config = {
        "BACKEND": "channels_redis.core.RedisChannelLayer",
        "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
    }
    with override_settings(CHANNEL_LAYERS={"default": config}):
        assert revoke_all(user)

    assert "channel layer cannot be reached" in caplog.text
    assert not Session.objects.active().exists()
