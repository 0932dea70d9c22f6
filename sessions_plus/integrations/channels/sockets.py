"""
Sockets of Channels: who they are of, as they open; and that none outlives its session.

Invariant for whoever edits this: a socket holds no session key. What was decided when it opened
is asked again before each message, and ends with the session, whoever ended it and where.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY, aget_user
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.db import models, transaction
from django.http import parse_cookie

from sessions_plus.authority import CookieAuthority
from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.exceptions import SecondFactorRequired
from sessions_plus.lifecycle import aopen_session
from sessions_plus.mfa import gate
from sessions_plus.named_types import AnyUser, SiteUser
from sessions_plus.rows import session_row
from sessions_plus.store import old_engine
from sessions_plus.store.engine import site_engine
from sessions_plus.store.session_store import SessionStore

logger = logging.getLogger("sessions_plus")

Scope = MutableMapping[str, Any]  # ASGI's: what middleware puts there
Message = MutableMapping[str, object]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ENDED = "sessions_plus.ended"
"""The type of the message that tells a socket that its session is over."""

OVER = 4401
"""The code with which a socket closes whose session is over."""

LACKS_PROOF = 4403
"""The code with which a socket closes whose person has yet to prove something, on a page."""

SOCKET = gate.Page(is_admin=False, is_exempt=False, is_way_out=False)
TELLING_SECONDS = 5


def tell_sockets(public_ids: list[UUID], **_: object) -> None:
    """Close the sockets of these sessions, once it is sure that they are over."""
    tell = partial(_tell, public_ids)
    transaction.on_commit(tell, using=session_row.database(), robust=True)


def _tell(public_ids: list[UUID]) -> None:
    layer = _channel_layer()
    if layer is not None:
        async_to_sync(_tell_through)(layer, public_ids)


async def _tell_through(
    layer: Any,  # of Channels, or a package for it: none has types
    public_ids: Iterable[UUID],
) -> None:
    """Nobody who ends a session waits long for a channel layer that is away, nor fails with it."""
    try:
        async with asyncio.timeout(TELLING_SECONDS):
            for public_id in public_ids:
                await layer.group_send(group_of(public_id), {"type": ENDED})
    except Exception:  # the layer is the site's: any error of any client
        logger.warning(
            "The channel layer cannot be reached. Sockets of sessions that ended close within "
            "SESSIONS_PLUS_ACTIVITY_INTERVAL.",
            exc_info=True,
        )


def _channel_layer() -> Any:  # see _tell_through()
    from channels.layers import get_channel_layer

    return get_channel_layer()


def group_of(public_id: UUID) -> str:
    """Return the name of the group that the sockets of a session are in."""
    return f"sessions_plus.{public_id.hex}"


class AuthMiddlewareStack:
    """
    Stands where ``channels.auth.AuthMiddlewareStack`` stood, and gives the scope the same.

    A socket opens for whom a page would open for: one whose session has yet to be proved is
    refused. What is no socket is left to Channels' own.
    """

    def __init__(self, inner: Application) -> None:
        self.inner = inner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            from channels.auth import AuthMiddlewareStack as Other

            await Other(self.inner)(scope, receive, send)
            return
        scope = dict(scope)
        meta = meta_of(scope)
        scope["cookies"] = parse_cookie(meta.get("HTTP_COOKIE", ""))
        scope["session"] = store = open_for(scope, meta)
        scope["user"] = user = await _user_of(store)
        if isinstance(store, SessionStore):
            if await lacks_proof(store, user):
                await _refuse(receive, send)
                return
            store.go_on_by_name()
        await self.inner(scope, receive, send)


def open_for(scope: Scope, meta: dict[str, str]) -> SessionStore:
    """Return the session whose cookie came with a socket's request, as a page's would find it."""
    cookies = scope["cookies"]
    key = cookies.get(settings.SESSION_COOKIE_NAME) or old_engine.cookie_in(cookies)
    store = site_engine()(key)
    store.cookies, store.path, store.client = cookies, scope["path"], ClientInfo(meta)
    return store


def meta_of(scope: Scope) -> dict[str, str]:
    """Return what Django would have in ``request.META`` of who is calling."""
    meta = {"REMOTE_ADDR": scope["client"][0]} if scope.get("client") else {}
    for name, value in scope.get("headers", ()):
        if b"_" in name:  # it could pass for another, as in WSGI
            continue
        key = "HTTP_" + name.decode("latin1").upper().replace("-", "_")
        separator = "; " if key == "HTTP_COOKIE" else ","
        text = value.decode("latin1")
        meta[key] = meta[key] + separator + text if key in meta else text
    return meta


async def _user_of(store: SessionStore) -> AnyUser:
    # All that it asks of a request is the session.
    return await aget_user(SimpleNamespace(session=store))  # type: ignore[arg-type]


async def lacks_proof(store: SessionStore, user: SiteUser) -> bool:
    """Say whether somebody has yet to prove something before they may do anything here."""
    row = store.row
    if row is None or row.user_id is None or not user.is_authenticated:
        return False
    authority = CookieAuthority(store, row)
    if row.user_id == user.pk and gate.admits_at_sight(authority, SOCKET):
        return False
    return await sync_to_async(gate.admit)(authority, SOCKET, user) is not None


async def _refuse(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": LACKS_PROOF})


async def login(scope: Scope, user: models.Model, backend: str | None = None) -> None:
    """
    Sign somebody in to a socket, as ``channels.auth.login`` does.

    The session is the socket's own, as no cookie can name it: what the browser has stays as it
    is. It is stored, and listed among the person's.

    Raises:
        SecondFactorRequired: they have a second factor, which a page asks for. Nobody is signed
            in to the socket then.
    """
    from channels.auth import login as others_login

    known: SessionStore = scope["session"]
    store = site_engine()()
    store.client, store.device_token = known.client, known.device_token
    if await known.aget(SESSION_KEY) is None:
        await store.aupdate(dict(await known.aitems()))
    scope["session"] = store
    await others_login(scope, user, backend)
    if not await settle(scope):
        raise SecondFactorRequired


async def settle(scope: Scope) -> bool:
    """
    Store a sign-in that a consumer made, and let nobody pass for signed in who is not.

    False where it waits for a second factor, or somebody was signed in to the scope alone.
    """
    store, user = scope["session"], scope["user"]
    if not isinstance(store, SessionStore) or not user.is_authenticated:
        return True
    row = store.row
    if store.modified and (row is None or row.user_id != user.pk):
        await store.asave()
        row = store.row
    if row is not None and row.user_id == user.pk:
        return True
    scope["user"] = AnonymousUser()
    return False


class ClosesWithSession:
    """
    Closes a consumer's socket within a second of the end of its session.

        class Chat(ClosesWithSession, AsyncJsonWebsocketConsumer):
            ...

    With the code 4401, or 4403 where something has to be proved on a page first. A session that
    ended where the channel layer could not be told is noticed with the next message, or within
    ``SESSIONS_PLUS_ACTIVITY_INTERVAL``.

    ``counts_messages``
        whether what the browser sends is activity, which keeps the session alive. Not where a
        script sends by itself.
    """

    counts_messages = False

    scope: Scope
    channel_layer: Any  # see _tell_through()
    channel_name: str
    _group = ""
    _is_closed = False
    _send: Send
    _watch: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._send = send

        async def sending(message: Message) -> None:
            if message["type"] == "websocket.accept":
                await self._accept(message)
            elif not self._is_closed:
                await send(message)

        try:
            await super().__call__(scope, receive, sending)  # type: ignore[misc]  # the consumer's
        finally:
            if self._watch is not None:
                self._watch.cancel()
            await self._leave()

    async def dispatch(self, message: Message) -> None:
        """Handle a message of a session that lives; see Channels'."""
        if message["type"] == ENDED:
            await self._close(OVER)
            return
        if message["type"] == "websocket.receive" and not await self._may_go_on(
            is_passive=not self.counts_messages
        ):
            return
        await super().dispatch(message)  # type: ignore[misc]  # the consumer's
        if not self._is_closed and self._watch is not None:
            await settle(self.scope)
            await self._join()

    async def _accept(self, message: Message) -> None:
        """Join first, and look then: what ends in between is not missed."""
        if self.channel_layer is None:
            raise ImproperlyConfigured(
                "A consumer closes with its session, and CHANNEL_LAYERS names no layer by which "
                "it could be told. Set it, for instance to channels_redis."
            )
        await self._join()
        if not await self._may_go_on(is_passive=True):
            return
        await self._send(message)
        self._watch = asyncio.create_task(self._look_now_and_then())

    async def _join(self) -> None:
        """Be in the group of the session that is the socket's now."""
        public_id = self._public_id
        group = group_of(public_id) if public_id is not None else ""
        if group != self._group:
            await self._leave()
            self._group = group
            if group:
                await self.channel_layer.group_add(group, self.channel_name)

    async def _leave(self) -> None:
        if self._group:
            await self.channel_layer.group_discard(self._group, self.channel_name)
            self._group = ""

    @property
    def _public_id(self) -> UUID | None:
        found: UUID | None = getattr(self.scope["session"], "public_id", None)
        return found

    async def _may_go_on(self, *, is_passive: bool) -> bool:
        """Say whether the session lives, is the same person's, and lacks no proof; or close."""
        if self._is_closed:
            return False
        code = await self._why_not(is_passive=is_passive)
        if code is not None:
            await self._close(code)
        return code is None

    async def _why_not(self, *, is_passive: bool) -> int | None:
        public_id, user = self._public_id, self.scope["user"]
        if public_id is None:
            return None  # there is no session yet
        store = await aopen_session(public_id, is_passive=is_passive)
        if store is None or store.row is None:
            return OVER
        if user.is_authenticated and store.row.user_id != user.pk:
            return OVER
        return LACKS_PROOF if await lacks_proof(store, user) else None

    async def _close(self, code: int) -> None:
        if not self._is_closed:
            self._is_closed = True
            await self._send({"type": "websocket.close", "code": code})

    async def _look_now_and_then(self) -> None:
        """Notice what no message told of: an end by time, or without the channel layer."""
        while not self._is_closed:
            await asyncio.sleep(conf.ACTIVITY_INTERVAL.total_seconds())
            await self._may_go_on(is_passive=True)
