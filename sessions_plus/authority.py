"""
On whose strength a request acts: one session, and how it was presented.

Invariant for whoever edits this: whoever asks anything about proof asks here. What a
cookie's session proved says nothing about who came with a token, and what one person
proved says nothing about another whom somebody put into ``request.user``.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import SESSION_KEY, get_user_model
from django.db import models
from django.utils.functional import SimpleLazyObject

from sessions_plus.client_info import ClientInfo
from sessions_plus.current import current_request
from sessions_plus.exceptions import ActingForAnother, ConflictingSessions, SessionsPlusError
from sessions_plus.named_types import AnyRequest, SiteUser, UserId
from sessions_plus.rows.session_row import Row
from sessions_plus.store.of_request import find_store
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Binding

# Where a request keeps the authority that came as a bearer. A cookie's is asked for anew each
# time: a ``login()`` changes it, and nothing should refer to the session that outlives it.
BEARER = "_sessions_plus_authority"

# Whose lazy ``request.user`` is the session's.
DJANGOS = "django.contrib.auth.middleware"
OWN_USER_FROM = (
    DJANGOS,
    "sessions_plus.integrations.otp",
    "hijack.middleware",
    "impersonate.middleware",
)
"""Django's, and those that add something to whoever was in the request before them."""


class Presented(StrEnum):
    """How a session was named."""

    COOKIE = "cookie"
    SESSION_KEY = "session_key"
    ACCESS_TOKEN = "access_token"  # noqa: S105 - a word


class Authority:
    """
    The one session on whose strength a request acts.

    ``user_id``, ``session_public_id``
        whose session it is, and which.
    ``methods``
        how its user proved themselves, such as ``("pwd", "otp")``.
    ``row``
        its facts; None in ``stateless`` verification, which asks nobody. Then nothing is
        known of when anything was proved, so nothing counts as proved lately.
    """

    presented: Presented
    may_bind = False
    """Whether a proof can be added to the session: its holder can be told the new key."""

    def __init__(
        self, *, user_id: UserId, session_public_id: UUID, methods: tuple[str, ...], row: Row | None
    ) -> None:
        self.user_id = user_id
        self.session_public_id = session_public_id
        self.methods = methods
        self.row = row

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.presented} {self.session_public_id}>"

    @property
    def actor_id(self) -> UserId | None:
        """The primary key of who acts as the session's user; None: the user themselves."""
        return self.row.actor_id if self.row is not None else None

    @property
    def device_id(self) -> int | None:
        """The primary key of the device that the session is on."""
        return self.row.device_id if self.row is not None else None

    @property
    def must_reauthenticate(self) -> bool:
        """Whether its user has to prove themselves again before anything else."""
        return self.row is not None and self.row.must_reauthenticate

    def bind(self, binding: Binding, *, client: ClientInfo | None, now: datetime) -> None:
        """
        Add what ``client`` proved to the session, which gets a new key with it.

        Only where it ``may_bind``.
        """
        raise NotImplementedError


class CookieAuthority(Authority):
    """The session whose key came in its cookie: the response brings a new key."""

    presented = Presented.COOKIE
    may_bind = True

    def __init__(self, store: SessionStore, row: Row) -> None:
        super().__init__(
            user_id=row.user_id,
            session_public_id=row.public_id,
            methods=tuple(row.auth_methods.split()),
            row=row,
        )
        self._store = store

    def bind(self, binding: Binding, *, client: ClientInfo | None, now: datetime) -> None:
        self._store.bind(binding)


class Identity(Protocol):
    """What is asked of a user: who it is."""

    @property
    def pk(self) -> UserId: ...

    @property
    def is_authenticated(self) -> bool: ...


def take(request: AnyRequest, authority: Authority) -> None:
    """Let a request act on the strength of what came as a bearer: its view takes bearers."""
    setattr(_django(request), BEARER, authority)


def bearer_authority(request: AnyRequest | None) -> Authority | None:
    """Return the authority that came as a bearer, to a view that takes bearers; else None."""
    found: Authority | None = getattr(_django(request), BEARER, None)
    return found


def authority_of(request: AnyRequest) -> Authority | None:
    """
    Return the session on whose strength a request acts; None: nobody's.

    The one that came as a bearer where the view takes bearers and one came, else the
    cookie's. A session that waits for its second factor is nobody's, and so is one that
    was signed in to by this very request: it is not stored yet.
    """
    bearer = bearer_authority(request)
    if bearer is not None:
        return bearer
    store = find_store(_django(request))
    if store is None:
        return None
    store.get(SESSION_KEY)
    return _of_store(store)


async def aauthority_of(request: AnyRequest) -> Authority | None:
    """See authority_of()."""
    bearer = bearer_authority(request)
    if bearer is not None:
        return bearer
    store = find_store(_django(request))
    if store is None:
        return None
    await store.aget(SESSION_KEY)
    return _of_store(store)


def known_authority(request: AnyRequest | None) -> Authority | None:
    """Return what is known of the authority without any I/O: None before anybody asked."""
    bearer = bearer_authority(request)
    if bearer is not None or request is None:
        return bearer
    store = find_store(_django(request))
    return _of_store(store) if store is not None else None


def proof_of(request: AnyRequest) -> Authority | None:
    """
    Return the authority whose proofs count for ``request.user``; None: nothing is proved.

    Nothing is where somebody acts as another: put into the request, or signed in by
    impersonation; nor where it came with the signed-in sessions of two people.
    """
    authority = authority_of(request)
    if authority is None or authority.actor_id is not None:
        return None
    if not _is(getattr(_django(request), "user", None), authority.user_id):
        return None
    if authority.presented is Presented.COOKIE:
        return authority
    store = find_store(_django(request))
    if store is not None:
        store.get(SESSION_KEY)
    return None if _is_of_somebody_else(store, authority.user_id) else authority


def identity_of(request: AnyRequest) -> SiteUser:
    """Return the user, of whom a guard asks only who it is: a bearer's is not read for that."""
    return _django(request).user


async def aidentity_of(request: AnyRequest) -> SiteUser:
    """See identity_of(). What a bearer's ``auser()`` gives has been read."""
    auser = _django(request).auser
    known: SiteUser | None = getattr(auser, "known", None)
    return known if known is not None else await auser()


async def aproof_of(request: AnyRequest) -> Authority | None:
    """See proof_of()."""
    authority = await aauthority_of(request)
    django = _django(request)
    if authority is None or authority.actor_id is not None:
        return None
    if not _is(await aidentity_of(django), authority.user_id):
        return None
    put = user_put_into(django)
    if put is not None and not await sync_to_async(_is)(put, authority.user_id):
        return None
    if authority.presented is Presented.COOKIE:
        return authority
    store = find_store(django)
    if store is not None:
        await store.aget(SESSION_KEY)
    return None if _is_of_somebody_else(store, authority.user_id) else authority


def user_put_into(request: AnyRequest | None) -> Identity | None:
    """
    Return the user whom somebody put into the request; None: it is Django's own.

    Django's is the session's, and is not read here: most views never ask for it.
    """
    return _unless_own(_django(request).__dict__.get("user"))


def _unless_own(user: Identity | SimpleLazyObject[object] | None) -> Identity | None:
    """Return whom somebody put where a session's user was; None: it is that, or made from it."""
    if not isinstance(user, SimpleLazyObject):
        return user
    setup: Any = user.__dict__.get("_setupfunc")  # a function, of whatever made it
    made_by = getattr(setup, "__module__", "")
    if made_by == DJANGOS:
        return None
    if made_by not in OWN_USER_FROM:
        return user
    before = (cell.cell_contents for cell in setup.__closure__ or ())
    put = (_unless_own(each) for each in before if _may_be_user(each))
    return next((each for each in put if each is not None), None)


def _may_be_user(value: object) -> bool:
    """Say whether something is a user, or lazily one. Without asking it: that may be a query."""
    return isinstance(value, SimpleLazyObject) or hasattr(type(value), "is_authenticated")


def is_in_anothers_name(request: AnyRequest | None, authority: Authority | None) -> bool:
    """Say whether somebody acts as another, in a session of that person's or in their own."""
    is_impersonated = authority is not None and authority.actor_id is not None
    return is_impersonated or acts_for_another(request, authority)


def acts_for_another(request: AnyRequest | None, authority: Authority | None) -> bool:
    """Say whether somebody else is in ``request.user`` than whose session the authority is."""
    user = user_put_into(request)
    if user is None or authority is None or not user.is_authenticated:
        return False
    return bool(user.pk != authority.user_id)


def acting_user(request: AnyRequest | None) -> models.Model | None:
    """
    Return the person who acts, for the record: who impersonates, or the authority's user.

    None where nobody is known to have signed in. One query where that is not
    ``request.user``.
    """
    authority = known_authority(request)
    if authority is None:
        return None
    acting_id = authority.user_id if authority.actor_id is None else authority.actor_id
    shown = getattr(_django(request), "user", None)
    if _is(shown, acting_id):
        return cast(models.Model, shown)
    return get_user_model()._default_manager.filter(pk=acting_id).first()


def acting_for(user_id: UserId) -> UserId | None:
    """
    Return the primary key of who acts in the name of a user in the request under way.

    None: nobody else does, as far as is known without any I/O.
    """
    request = current_request()
    authority = known_authority(request)
    if authority is None or authority.actor_id is not None:
        return authority.actor_id if authority is not None else None
    is_other = user_id is not None and user_id != authority.user_id
    return authority.user_id if is_other and acts_for_another(request, authority) else None


def why_nothing_is_proved(request: AnyRequest) -> SessionsPlusError | None:
    """
    Return why no proof counts in this request; None: there is none yet, and could be.

    Asks for nothing: whoever asked for a proof before has read what there is.
    """
    if is_in_anothers_name(request, known_authority(request)):
        return ActingForAnother()
    bearer, store = bearer_authority(request), find_store(_django(request))
    if bearer is not None and _is_of_somebody_else(store, bearer.user_id):
        return ConflictingSessions()
    return None


def _django(request: AnyRequest | None) -> Any:  # an HttpRequest, but for getattr() anything
    """Return Django's request, also of REST framework's wrapper."""
    return getattr(request, "_request", request)


def _of_store(store: SessionStore) -> Authority | None:
    row = store.row
    return CookieAuthority(store, row) if row is not None and row.user_id is not None else None


def _is(user: Identity | None, user_id: UserId) -> bool:
    return user is not None and user.is_authenticated and bool(user.pk == user_id)


def _is_of_somebody_else(store: SessionStore | None, user_id: UserId) -> bool:
    row = store.row if store is not None else None
    return row is not None and row.user_id is not None and row.user_id != user_id
