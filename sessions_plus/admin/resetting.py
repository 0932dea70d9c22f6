"""
How the help desk takes the second factor away from whoever lost it.

After a fresh proof of all of one's own factors: whoever can do this can walk around anybody's.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import models, router
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from sessions_plus.admin.revoking import facts_of, tell
from sessions_plus.decorators import is_reauthenticated
from sessions_plus.exceptions import ReauthenticationRequired
from sessions_plus.lifecycle import Revocation
from sessions_plus.mfa import answers
from sessions_plus.mfa.enrolment import remove_all
from sessions_plus.mfa.passkeys.only_factor import has_given_up_password
from sessions_plus.named_types import UserId

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

    from sessions_plus.named_types import AnyModelAdmin, OthersRows

Owner = TypeVar("Owner", bound="AnyModelAdmin")

PERMISSION = "sessions_plus.remove_any_authenticator"


def may_reset(request: HttpRequest) -> bool:
    return request.user.has_perm(PERMISSION)


def lacks_proof(request: HttpRequest) -> bool:
    return not is_reauthenticated(request, factors="all")


def prove_first(request: HttpRequest) -> HttpResponseBase | None:
    """Lead staff to prove themselves and back; where there is no such page tell how."""
    try:
        return answers.refuse(request, ReauthenticationRequired("all"))
    except NoReverseMatch:
        messages.error(request, _("Please sign out and in again first."))
        return None


def proving(
    action: Callable[[Owner, HttpRequest, OthersRows], HttpResponseBase | None],
) -> Callable[[Owner, HttpRequest, OthersRows], HttpResponseBase | None]:
    """Let staff prove themselves before an action of a list: a decorator."""

    @wraps(action)
    def act(self: Owner, request: HttpRequest, queryset: OthersRows) -> HttpResponseBase | None:
        return prove_first(request) if lacks_proof(request) else action(self, request, queryset)

    return act


def reset_factors_of(request: HttpRequest, user_ids: set[UserId]) -> None:
    """
    Take away all factors of these people, end their sessions, and say how many of each.

    One's own are changed on the security page, where they are asked for. Who has given up
    their password keeps their passkeys until they have one again: they could not sign in.
    """
    revocation = Revocation(0)
    count = kept = 0
    for user in people(user_ids - {request.user.pk}):
        if has_given_up_password(user):
            kept += 1
            continue
        _removed, ended = remove_all(user, now=timezone.now(), **facts_of(request))
        revocation += ended
        count += 1
    text = ngettext(
        "The second factor of %(count)d person was removed. They are told of it.",
        "The second factors of %(count)d people were removed. They are told of it.",
        count,
    )
    messages.info(request, text % {"count": count})
    if kept:
        _say_who_kept_theirs(request, kept)
    tell(request, revocation)


def _say_who_kept_theirs(request: HttpRequest, count: int) -> None:
    text = ngettext(
        "%(count)d person signs in with passkeys only, and kept them. Give them a password first.",
        "%(count)d people sign in with passkeys only, and kept them. Give them a password first.",
        count,
    )
    messages.warning(request, text % {"count": count})


def people(user_ids: set[UserId]) -> models.QuerySet[AbstractBaseUser]:
    model = get_user_model()
    users = model._base_manager.using(router.db_for_read(model))
    return users.filter(pk__in=user_ids).order_by("pk")
