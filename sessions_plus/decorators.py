"""
What a view may ask of whoever uses it: a second factor, or a fresh proof.

Each works on sync and async views, and on class-based ones through
``method_decorator`` or the mixins. The rule itself is a pure function in ``mfa``.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from sessions_plus.authority import Authority, aidentity_of, aproof_of, identity_of, proof_of
from sessions_plus.exceptions import (
    MfaEnrolmentRequired,
    MfaRequired,
    ReauthenticationRequired,
)
from sessions_plus.mfa import answers, gate
from sessions_plus.mfa.methods import has_second_factor, is_phishing_resistant
from sessions_plus.mfa.passkeys.ways import missing_passkey
from sessions_plus.mfa.policy import ahas_authenticator, has_any_factor, has_authenticator
from sessions_plus.mfa.reauthentication import Factors, is_fresh, max_age_of
from sessions_plus.named_types import AnyView
from sessions_plus.redirects import came_from, safe_target

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


V = TypeVar("V", bound=AnyView)


def mfa_exempt(view: V) -> V:
    """
    Open a view to people who lack the factor that ``MFA_POLICY`` asks them for.

    Also on the class of a REST framework view.
    """
    setattr(view, gate.EXEMPT, True)
    return view


@overload
def mfa_required(view: V) -> V: ...


@overload
def mfa_required(*, phishing_resistant: bool = ...) -> Callable[[V], V]: ...


def mfa_required(
    view: V | None = None, *, phishing_resistant: bool = False
) -> V | Callable[[V], V]:
    """
    Let in only whoever proved a second factor in this session. A trusted device is none.

    ``phishing_resistant``: it has to be a passkey, which no false site can get out of anybody.
    Others are led to prove it, or to set one up; programs get ``mfa_required`` or
    ``mfa_enrollment_required``, or ``passkey_required`` or ``passkey_enrollment_required``.

    Use bare or with arguments: ``@mfa_required(phishing_resistant=True)``.
    """
    if view is not None:
        return mfa_required()(view)
    resistant = phishing_resistant

    def decorate(view: V) -> V:
        if iscoroutinefunction(view):

            @wraps(view)
            async def aguarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
                user = await aidentity_of(request)
                if not user.is_authenticated:
                    return _to_sign_in(request)
                if not _has_second_factor(await aproof_of(request), resistant):
                    return await sync_to_async(_without_factor)(request, user, resistant)
                return await view(request, *args, **kwargs)

            return cast(V, aguarded)

        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
            user = identity_of(request)
            if not user.is_authenticated:
                return _to_sign_in(request)
            if not _has_second_factor(proof_of(request), resistant):
                return _without_factor(request, user, resistant)
            return view(request, *args, **kwargs)

        return cast(V, guarded)

    return decorate


@overload
def reauthentication_required(view: V) -> V: ...


@overload
def reauthentication_required(
    *, max_age: timedelta | None = ..., factors: Factors = ...
) -> Callable[[V], V]: ...


def reauthentication_required(
    view: V | None = None, *, max_age: timedelta | None = None, factors: Factors = "one"
) -> V | Callable[[V], V]:
    """
    Let in only whoever proved themselves less than ``max_age`` ago.

    ``factors``: ``one``, any of them, or ``all`` that the account has. ``max_age`` None:
    ``FRESH_FACTOR_AGE`` or ``REAUTHENTICATION_AGE``. Others are led to prove it and come
    back; programs get ``reauthentication_required``.

    Use bare or with arguments: ``@reauthentication_required(factors="all")``.
    """
    if view is not None:
        return reauthentication_required()(view)

    def decorate(view: V) -> V:
        if iscoroutinefunction(view):

            @wraps(view)
            async def aguarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
                user = await aidentity_of(request)
                if not user.is_authenticated:
                    return _to_sign_in(request)
                needs_code = factors == "all" and await ahas_authenticator(user)
                proof = await aproof_of(request)
                if not _is_fresh(proof, factors, needs_code, max_age, timezone.now()):
                    return await sync_to_async(_stale)(request, factors)
                return await view(request, *args, **kwargs)

            return cast(V, aguarded)

        @wraps(view)
        def guarded(request: HttpRequest, *args: object, **kwargs: object) -> object:
            user = identity_of(request)
            if not user.is_authenticated:
                return _to_sign_in(request)
            needs_code = factors == "all" and has_authenticator(user)
            proof = proof_of(request)
            if not _is_fresh(proof, factors, needs_code, max_age, timezone.now()):
                return _stale(request, factors)
            return view(request, *args, **kwargs)

        return cast(V, guarded)

    return decorate


@method_decorator(mfa_required, name="dispatch")
class MfaRequiredMixin(View):
    """See mfa_required(). For class-based views; stands first among the bases."""


class ReauthenticationRequiredMixin(View):
    """See reauthentication_required(). For class-based views; stands first among the bases."""

    reauthentication_max_age: timedelta | None = None
    reauthentication_factors: Factors = "one"

    @classmethod
    def as_view(cls, **initkwargs: Any) -> AnyView:  # of a view's own names
        view = super().as_view(**initkwargs)
        guard = reauthentication_required(
            max_age=initkwargs.get("reauthentication_max_age", cls.reauthentication_max_age),
            factors=initkwargs.get("reauthentication_factors", cls.reauthentication_factors),
        )
        return guard(view)


def is_reauthenticated(
    request: HttpRequest, *, factors: Factors = "one", max_age: timedelta | None = None
) -> bool:
    """Say the same to code that decides itself. The user is signed in."""
    needs_code = factors == "all" and has_authenticator(cast(models.Model, request.user))
    return _is_fresh(proof_of(request), factors, needs_code, max_age, timezone.now())


def _is_fresh(
    proof: Authority | None,
    factors: Factors,
    needs_code: bool,
    max_age: timedelta | None,
    now: datetime,
) -> bool:
    return is_fresh(
        proof.row if proof is not None else None,
        factors=factors,
        has_authenticator=needs_code,
        max_age=max_age if max_age is not None else max_age_of(factors),
        now=now,
    )


def _has_second_factor(proof: Authority | None, resistant: bool) -> bool:
    is_enough = is_phishing_resistant if resistant else has_second_factor
    return proof is not None and is_enough(proof.methods)


def _to_sign_in(request: HttpRequest) -> HttpResponseBase:
    return redirect_to_login(safe_target(request, came_from(request)))


def _without_factor(
    request: HttpRequest, user: AbstractBaseUser, resistant: bool
) -> HttpResponseBase:
    return answers.refuse(request, missing_passkey(user, request) if resistant else _missing(user))


def _missing(user: AbstractBaseUser) -> MfaRequired | MfaEnrolmentRequired:
    return MfaRequired() if has_any_factor(user) else MfaEnrolmentRequired()


def _stale(request: HttpRequest, factors: Factors) -> HttpResponseBase:
    return answers.refuse(request, ReauthenticationRequired(factors))
