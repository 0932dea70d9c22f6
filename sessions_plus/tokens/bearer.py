"""
Who a request is from, by its ``Authorization: Bearer`` header and by nothing else.

Two things may stand there: an access token, or the session key of a browser's session.
A refresh token may not: it is spent with its use. And no other place counts, least of
all the URL, which ends up in logs (RFC 6750 §5.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal
from uuid import UUID

from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import SimpleLazyObject, empty
from django.views.decorators.debug import sensitive_variables

from sessions_plus.authority import Authority, Presented
from sessions_plus.client_info import ClientInfo, client_info_from
from sessions_plus.conf import conf
from sessions_plus.events import note
from sessions_plus.exceptions import InvalidToken
from sessions_plus.keys import TOKEN_LENGTH
from sessions_plus.models import Event
from sessions_plus.named_types import SiteUser, UserId
from sessions_plus.rows.session_row import Row
from sessions_plus.rows.user_state import may_sign_in
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.writing import Binding
from sessions_plus.tokens import access, refresh
from sessions_plus.tokens.access import AccessToken
from sessions_plus.tokens.refresh import Tokens
from sessions_plus.tokens.sessions import afind_live, browser_session, find_live, user_of

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


Verification = Literal["session", "stateless"]

# What `WWW-Authenticate` says to who has no token, and to who has a bad one (RFC 6750 §3).
CHALLENGE = 'Bearer realm="api"'
REFUSED = f'{CHALLENGE}, error="invalid_token"'


class TokenUser(SimpleLazyObject):  # type: ignore[type-arg]  # generic in the stubs only
    """
    The user whom a token names. Who it is costs nothing; anything else reads the row.

    A view that asks for more about somebody who is gone or disabled meanwhile is
    answered with 403 (``PermissionDenied``).
    """

    is_authenticated = True
    is_anonymous = False

    def __init__(self, subject: str) -> None:
        super().__init__(lambda: _get_user(subject))
        self.__dict__["_subject"] = subject

    @property
    def pk(self) -> UserId:
        """The primary key, without reading the row."""
        return _primary_key(self.__dict__["_subject"])

    async def aread(self) -> None:
        """Read the row, if nobody did, so that async code may ask for anything."""
        if self._wrapped is empty:
            await sync_to_async(self._setup)()


class SessionKeyAuthority(Authority):
    """A browser's session whose key came as a bearer: a borrowed key, which nobody replaces."""

    presented = Presented.SESSION_KEY


class AccessTokenAuthority(Authority):
    """
    The API session that an access token names.

    ``successor`` holds the tokens that a proof left: the refresh token of before is dead.
    """

    presented = Presented.ACCESS_TOKEN
    may_bind = True
    successor: Tokens | None = None

    def bind(self, binding: Binding, *, client: ClientInfo | None, now: datetime) -> None:
        self.successor = refresh.bind(self.session_public_id, binding, client=client, now=now)


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """
    What a request has shown: ``request.auth`` of those that came with a token.

    ``user``
        whose session it is; not yet read from the database where an access token came.
    ``session_public_id``
        the session, which in ``stateless`` verification may have ended.
    ``session``
        its facts; None in ``stateless`` verification, which does not ask.
    ``token``
        the access token; None where a session key was shown.
    """

    user: SiteUser
    session_public_id: UUID
    session: Row | None = None
    token: AccessToken | None = None

    def authority(self) -> Authority:
        """On whose strength a request acts that came with this as a bearer."""
        kind = SessionKeyAuthority if self.token is None else AccessTokenAuthority
        return kind(
            user_id=self.user.pk,
            session_public_id=self.session_public_id,
            methods=self._methods(),
            row=self.session,
        )

    def _methods(self) -> tuple[str, ...]:
        if self.session is not None:
            return tuple(self.session.auth_methods.split())
        return self.token.auth_methods if self.token is not None else ()


def bearer_of(request: HttpRequest) -> str | None:
    """
    Return what the request presents; None where it presents nothing of this kind.

    Raises:
        InvalidToken: the header is there, but says nothing.
    """
    scheme, value = _authorization_of(request)
    if scheme.lower() != "bearer":
        return None
    if not value or not value.isascii() or " " in value:
        raise InvalidToken("malformed")
    return str(value)


def challenge_to(request: HttpRequest) -> str:
    """Return what `WWW-Authenticate` says where a request is not let in by its header."""
    scheme, _ = _authorization_of(request)
    return REFUSED if scheme.lower() == "bearer" else CHALLENGE


def _authorization_of(request: HttpRequest) -> tuple[str, str]:
    """Return the scheme and what follows it: one space parts them, as a token has one spelling."""
    header: str = request.META.get("HTTP_AUTHORIZATION", "")
    scheme, _, value = header.partition(" ")
    return scheme, value


@sensitive_variables()
def authenticate(
    request: HttpRequest, *, verification: Verification | None = None
) -> Credentials | None:
    """
    Return what the request's bearer token proves; None where it has none.

    ``verification`` overrides ``SESSIONS_PLUS_TOKEN_VERIFICATION``.

    Raises:
        InvalidToken: it has one that is not accepted. The log says why.
    """
    client = client_of(request)
    try:
        value = bearer_of(request)
        if value is None:
            return None
        if is_session_key(value):
            return _from_session_key(value, client)
        token = access.verify(value, now=timezone.now())
        row = None
        if _asks_session(verification):
            row = _own(token, find_live(token.session_public_id, client=client))
    except InvalidToken as refused:
        note(Event.TOKEN_REFUSED, reason=refused.reason, client=client)
        raise
    return Credentials(TokenUser(token.subject), token.session_public_id, row, token)


@sensitive_variables()
async def aauthenticate(
    request: HttpRequest, *, verification: Verification | None = None
) -> Credentials | None:
    """See authenticate()."""
    client = client_of(request)
    try:
        value = bearer_of(request)
        if value is None:
            return None
        if is_session_key(value):
            return await sync_to_async(_from_session_key)(value, client)
        token = await access.averify(value, now=timezone.now())
        row = None
        if _asks_session(verification):
            row = _own(token, await afind_live(token.session_public_id, client=client))
    except InvalidToken as refused:
        note(Event.TOKEN_REFUSED, reason=refused.reason, client=client)
        raise
    return Credentials(TokenUser(token.subject), token.session_public_id, row, token)


def client_of(request: HttpRequest) -> ClientInfo:
    """Return who is calling, as the session middleware found it, or found here."""
    found: ClientInfo | None = getattr(request, "client_info", None)
    return found or client_info_from(request)


def is_session_key(value: str) -> bool:
    return len(value) == TOKEN_LENGTH and "." not in value


def _asks_session(verification: Verification | None) -> bool:
    return (verification or conf.TOKEN_VERIFICATION) != "stateless"


def _own(token: AccessToken, row: Row | None) -> Row:
    if row is None:
        raise InvalidToken("ended")
    if str(row.user_id) != token.subject:
        raise InvalidToken("claims")
    return row


@sensitive_variables()
def _from_session_key(key: str, client: ClientInfo) -> Credentials:
    store: SessionStore = browser_session(key, client=client)
    store.load()
    user = user_of(store)
    if user is None or store.public_id is None:
        raise InvalidToken("session_key")
    return Credentials(user, store.public_id, store.row)


def _primary_key(subject: str) -> UserId:
    try:
        return get_user_model()._meta.pk.to_python(subject)
    except ValidationError:
        raise PermissionDenied from None


def _get_user(subject: str) -> AbstractBaseUser:
    user = get_user_model()._default_manager.filter(pk=_primary_key(subject)).first()
    if user is None or not may_sign_in(user):
        raise PermissionDenied
    return user
