"""
The session middleware: Django's, with who is calling, and native in both worlds.

``__call__`` and ``__acall__`` differ in ``await`` and nothing else; what a
response needs is decided by one function that both ask.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import UpdateError
from django.contrib.sessions.exceptions import SessionInterrupted
from django.contrib.sessions.middleware import SessionMiddleware as DjangoSessionMiddleware
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.http import http_date

from sessions_plus import bound_browsers
from sessions_plus.after_view import WAITING, afinish, finish
from sessions_plus.authority import user_put_into
from sessions_plus.client_info import client_info_from
from sessions_plus.client_info.agent_parser import agent_parser
from sessions_plus.conf import conf
from sessions_plus.cookies import (
    clear_site_data,
    set_device_cookie,
    set_trust_cookie,
)
from sessions_plus.current import enter, leave
from sessions_plus.exceptions import SessionLimitReached, SessionNotStored, TooManyAttempts
from sessions_plus.lifecycle.users import end_access_if_gone
from sessions_plus.mfa import answers, gate
from sessions_plus.mfa.refusals import too_many_attempts
from sessions_plus.named_types import AnyView, UserId
from sessions_plus.store import old_engine
from sessions_plus.store.expiry import Cookie, CookieNews
from sessions_plus.store.of_request import find_store
from sessions_plus.store.presentation import KeyState
from sessions_plus.store.session_store import SessionStore
from sessions_plus.store.unwritable import doing_without

logger = logging.getLogger("sessions_plus")


class SessionMiddleware(DjangoSessionMiddleware):
    """Stands where ``django.contrib.sessions.middleware.SessionMiddleware`` stood."""

    def __init__(self, get_response: AnyView) -> None:
        """Made when a server starts: the first people to sign in then wait for no tables."""
        super().__init__(get_response)
        agent_parser.warm_up()

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self.async_mode:
            return self.__acall__(request)
        token = enter(request)
        get_response: Any = self.get_response  # cast() would be called each time
        response: HttpResponse | None = None
        try:
            self.process_request(request)
            response = get_response(request)
            return self.process_response(request, response)
        finally:
            if WAITING in request.__dict__:
                finish(request, response)
            leave(token)

    async def __acall__(self, request: HttpRequest) -> HttpResponse:
        """See __call__()."""
        token = enter(request)
        get_response: Any = self.get_response  # cast() would be called each time
        response: HttpResponse | None = None
        try:
            self.process_request(request)
            response = await get_response(request)
            return await self.aprocess_response(request, response)
        finally:
            if WAITING in request.__dict__:
                await afinish(request, response)
            leave(token)

    def process_request(self, request: HttpRequest) -> None:
        # What Django's does, and the old cookie where the site moves in from another engine.
        cookies = request.COOKIES
        key = cookies.get(settings.SESSION_COOKIE_NAME) or old_engine.cookie_in(cookies)
        session: Any = self.SessionStore(key)  # of ours, or of an engine of the site's
        request.session = session
        # The stubs know no attribute of ours. See named_types.PersonRequest.
        request.client_info = session.client = client_info_from(request)  # type: ignore[attr-defined]
        # Not the request, which has the session: the two would wait for the garbage collector.
        session.cookies, session.path = cookies, request.path

    @property
    def process_view(self) -> AnyView:
        """What Django calls before a view; of the world it runs in, so that no thread is hopped."""
        return self._aview if self.async_mode else self._view

    def _view(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponseBase | None:
        session = request.session
        if not isinstance(session, SessionStore) or not gate.concerns(request, view):
            return None
        session.get(SESSION_KEY)
        if user_put_into(request) is None and gate.passes(request, session, view):
            return None
        return _answer(request, session, view)

    async def _aview(
        self, request: HttpRequest, view: object, args: object, kwargs: object
    ) -> HttpResponseBase | None:
        """See _view()."""
        session = request.session
        if not isinstance(session, SessionStore) or not gate.concerns(request, view):
            return None
        await session.aget(SESSION_KEY)
        if user_put_into(request) is None and gate.passes(request, session, view):
            return None
        return await sync_to_async(_answer)(request, session, view)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """
        Answer whoever has to wait before they guess again, whatever view they asked.

        And lead on where a view failed as its ``login()`` waits for a second factor. Many take
        it for granted that whoever they signed in is signed in: with an error those people
        could never come in there. Who lacks a proof that a view asked for with an error of ours
        is led to it. Where the database did not take what it stored, it is told so.
        """
        session = find_store(request)
        if isinstance(exception, DatabaseError) and session is not None:
            exception = session.as_refusal(exception)
        if isinstance(exception, SessionLimitReached | SessionNotStored):
            return _refused(request, None, exception)  # the view saved its session itself
        if isinstance(exception, TooManyAttempts):
            return too_many_attempts(request, exception)
        if isinstance(exception, answers.LACKS_PROOF):
            return answers.refuse_where_asked(request, exception)
        answer = answers.instead_of_failure(request, session) if session is not None else None
        if answer is not None:
            logger.warning(
                "A view failed after its login() became a challenge; the person is led to their "
                "second factor. After login() it should ask whether somebody is signed in.",
                exc_info=exception,
            )
        return answer

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return super().process_response(request, response)
        if is_used(session):
            response = _conclude(request, response, session)
            if session.touched_ahead_at is not None:
                session.hand_over_touch(response)
        return response

    async def aprocess_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        """See process_response()."""
        session = getattr(request, "session", None)
        if not isinstance(session, SessionStore):
            return await sync_to_async(super().process_response)(request, response)
        if is_used(session):
            response = await _aconclude(request, response, session)
            if session.touched_ahead_at is not None:
                await session.ahand_over_touch(response)
        return response


def _conclude(request: HttpRequest, response: HttpResponse, session: SessionStore) -> HttpResponse:
    """Store what the request did to its session, and return the response that tells of it."""
    if response.status_code >= 500:
        response = answers.instead_of_failure(request, session) or response
    if (user_id := _user_who_was_refused(request, session)) is not None:
        _end_if_gone(session, user_id)
    if was_only_read(session, response):
        vary_on_cookie(response)
        return response
    if session.unproved is not None:
        response = _without_proof(request, response, session)
    _rotate_if_due(session, response)
    was_saved = must_save(session, response) and _save(session)
    if session.refusal is not None:
        response = _refused(request, response, session.refusal)
    if session.begun_challenge:
        answers.lead_to_challenge(request, response)
    tell_browser(request, response, session, was_saved=was_saved)
    return response


async def _aconclude(
    request: HttpRequest, response: HttpResponse, session: SessionStore
) -> HttpResponse:
    """See _conclude()."""
    if response.status_code >= 500:
        response = answers.instead_of_failure(request, session) or response
    if (user_id := _user_who_was_refused(request, session)) is not None:
        await sync_to_async(_end_if_gone)(session, user_id)
    if was_only_read(session, response):
        vary_on_cookie(response)
        return response
    if session.unproved is not None:
        response = _without_proof(request, response, session)
    await _arotate_if_due(session, response)
    was_saved = must_save(session, response) and await _asave(session)
    if session.refusal is not None:
        response = await sync_to_async(_refused)(request, response, session.refusal)
    if session.begun_challenge:
        answers.lead_to_challenge(request, response)
    tell_browser(request, response, session, was_saved=was_saved)
    return response


def _without_proof(
    request: HttpRequest, response: HttpResponse, session: SessionStore
) -> HttpResponse:
    """Let a browser that can prove its session come again, and keep nothing of a stranger's."""
    if session.key_state is not KeyState.UNPROVED:
        return response  # whoever signed in has a session of their own
    answer = bound_browsers.answer_without_proof(request, session)
    if answer is not None or bound_browsers.will_prove_later(request):
        session.modified = False
    return answer or response


def _rotate_if_due(session: SessionStore, response: HttpResponseBase) -> None:
    """Do what had to wait until the view and its transaction are over."""
    if session.has_postponed_activity and not session.modified:
        session.record_postponed_activity(timezone.now())
    if session.must_confirm_key and response.status_code < 500:
        session.confirm_key()
    if must_rotate(session, response):
        session.rotate(timezone.now())


async def _arotate_if_due(session: SessionStore, response: HttpResponseBase) -> None:
    """See _rotate_if_due()."""
    if session.has_postponed_activity and not session.modified:
        await session.arecord_postponed_activity(timezone.now())
    if session.must_confirm_key and response.status_code < 500:
        await session.aconfirm_key()
    if must_rotate(session, response):
        await session.arotate(timezone.now())


def _save(session: SessionStore) -> bool:
    """Store the session; return False where it was not, and ``refusal`` says why."""
    try:
        session.save()
    except UpdateError:
        raise _interrupted() from None
    except (SessionLimitReached, SessionNotStored) as refusal:
        _note_refusal(session, refusal)
        return False
    return True


async def _asave(session: SessionStore) -> bool:
    """See _save()."""
    try:
        await session.asave()
    except UpdateError:
        raise _interrupted() from None
    except (SessionLimitReached, SessionNotStored) as refusal:
        _note_refusal(session, refusal)
        return False
    return True


def _note_refusal(session: SessionStore, refusal: SessionLimitReached | SessionNotStored) -> None:
    # What SESSION_SAVE_EVERY_REQUEST alone wanted stored is missed by nobody.
    if session.modified or isinstance(refusal, SessionLimitReached):
        session.refusal = refusal


def _answer(request: HttpRequest, session: SessionStore, view: object) -> HttpResponseBase | None:
    return None if gate.passes(request, session, view) else answers.answer(request, view)


def is_used(session: SessionStore) -> bool:
    """Say whether the request looked at its session, or wrote to it."""
    return session.accessed or session.modified or settings.SESSION_SAVE_EVERY_REQUEST


def was_only_read(session: SessionStore, response: HttpResponseBase) -> bool:
    """Say whether the request merely read its session, so that nothing is to be done about it."""
    return (
        not session.modified
        and session.is_at_rest
        and not settings.SESSION_SAVE_EVERY_REQUEST
        and settings.SESSION_COOKIE_NAME not in response.cookies  # the view may set it itself
    )


def _user_who_was_refused(request: HttpRequest, session: SessionStore) -> UserId | None:
    """
    Return the primary key of the user whom Django did not find for this session, or None.

    It asks its authentication backend, which knows no user who was disabled or deleted.
    """
    found = getattr(request, "_cached_user", None) or getattr(request, "_acached_user", None)
    if found is None or found.is_authenticated or session.row is None:
        return None
    return session.row.user_id


def _end_if_gone(session: SessionStore, user_id: UserId) -> None:
    """End the access of a user who was disabled or deleted; a stranger they are in any case."""
    with doing_without():
        if end_access_if_gone(user_id, client=session.client):
            session.flush()


def _refused(
    request: HttpRequest,
    response: HttpResponse | None,
    refusal: SessionLimitReached | SessionNotStored,
) -> HttpResponse:
    """
    Say calmly that there are too many sessions, or that nothing could be stored.

    ``response`` is what the view answered before it was known; None: it raised the refusal.
    """
    is_limit = isinstance(refusal, SessionLimitReached)
    if is_limit:
        request.user = AnonymousUser()
    status = 403 if is_limit else 503
    facts = {"code": refusal.code, "detail": str(refusal.message)}
    answer: HttpResponse
    if _speaks_json(request, response):
        answer = JsonResponse(facts, status=status)
    else:
        facts["back_url"] = request.get_full_path()  # where the form was
        page = "session_limit" if is_limit else "session_not_stored"
        answer = render(request, f"sessions_plus/{page}.html", facts, status=status)
    if isinstance(refusal, SessionNotStored):
        answer.headers["Retry-After"] = str(int(refusal.retry_after.total_seconds()))
    return answer


def _speaks_json(request: HttpRequest, response: HttpResponse | None) -> bool:
    """Say whether a program asks: it wants JSON, sent JSON, or would have been given JSON."""
    wanted = request.get_preferred_type(["text/html", "application/json"])
    given = response.headers.get("Content-Type", "") if response is not None else ""
    return "application/json" in (wanted, request.content_type, given.partition(";")[0])


def must_save(session: SessionStore, response: HttpResponseBase) -> bool:
    """Say whether the session has to be stored. A response that failed stores nothing."""
    wanted = session.modified or settings.SESSION_SAVE_EVERY_REQUEST
    if session.key_state is KeyState.SUPERSEDED and session.row is None:
        return False  # no cookie would name what it stored
    if session.key_state is KeyState.UNPROVED and not session.modified:
        return False
    return wanted and not session.is_empty() and response.status_code < 500


def must_rotate(session: SessionStore, response: HttpResponseBase) -> bool:
    """Say whether the browser should get a new key with this response."""
    return response.status_code < 500 and session.rotation_is_due(timezone.now())


def tell_browser(
    request: HttpRequest, response: HttpResponseBase, session: SessionStore, *, was_saved: bool
) -> None:
    """Give the browser what it has to know: a new key, a longer age, or that it is over."""
    if session.accessed:
        vary_on_cookie(response)
    news = session.cookie_news(
        was_saved=was_saved,
        has_failed=response.status_code >= 500,
        has_cookie=settings.SESSION_COOKIE_NAME in request.COOKIES,
    )
    if news.cookie is Cookie.SET:
        _set_session_cookie(response, news)
    elif news.cookie is Cookie.DELETE:
        _delete_session_cookie(response)
    if old_cookie_is_over(request, response, session, news):
        _delete_session_cookie(response, name=str(conf.ADOPT_COOKIE_NAME))
    if news.device_token is not None:
        set_device_cookie(response, news.device_token)
    if news.trust_token is not None:
        set_trust_cookie(response, news.trust_token)
    bound_browsers.tell(request, response, session)
    if settings.SESSION_COOKIE_NAME in response.cookies:
        # Whoever gets a kept copy of it gets the session with it (OWASP ASVS 14.3.2).
        patch_cache_control(response, no_store=True, private=True)
    if news.is_over and request.is_secure():
        clear_site_data(response)


def vary_on_cookie(response: HttpResponseBase) -> None:
    """Tell caches on the way that the response is for whoever sent this cookie."""
    if "Vary" in response.headers:
        patch_vary_headers(response, ("Cookie",))
    else:
        response.headers["Vary"] = "Cookie"


def _set_session_cookie(response: HttpResponseBase, news: CookieNews) -> None:
    response.set_cookie(
        settings.SESSION_COOKIE_NAME,
        news.key,
        max_age=news.max_age,
        expires=None if news.max_age is None else http_date(time.time() + news.max_age),
        domain=settings.SESSION_COOKIE_DOMAIN,
        path=settings.SESSION_COOKIE_PATH,
        secure=bool(settings.SESSION_COOKIE_SECURE),
        httponly=bool(settings.SESSION_COOKIE_HTTPONLY),
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def old_cookie_is_over(
    request: HttpRequest, response: HttpResponseBase, session: SessionStore, news: CookieNews
) -> bool:
    """
    Say whether the browser has to forget the cookie that the old engine set under another name.

    While old code serves beside the new, only with the end of the session.
    """
    if old_engine.cookie_in(request.COOKIES) is None or response.status_code >= 500:
        return False
    if conf.ADOPT_KEEP_OLD:
        return news.is_over
    return session.key_state is not KeyState.SUPERSEDED


def _delete_session_cookie(response: HttpResponseBase, *, name: str = "") -> None:
    response.delete_cookie(
        name or settings.SESSION_COOKIE_NAME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )
    patch_vary_headers(response, ("Cookie",))


def _interrupted() -> SessionInterrupted:
    return SessionInterrupted(
        "The request's session was deleted before the request completed. The user may have "
        "logged out in a concurrent request, for example."
    )
