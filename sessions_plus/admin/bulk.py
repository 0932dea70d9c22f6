"""What staff are asked before they act on many rows of a list: on how many, and whose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext

from sessions_plus.admin.people import (
    ASKED_AT_ONCE,
    ask_to_end,
    ask_to_reset,
    more_in_words,
    sessions_in_words,
)
from sessions_plus.admin.questions import Question
from sessions_plus.admin.resetting import people
from sessions_plus.admin.revoking import (
    current_device_id,
    holds_own,
    owners,
    those_to_end,
    those_to_remove,
)
from sessions_plus.models import Authenticator, Device, Session
from sessions_plus.named_types import OthersRows, UserId

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


def ask_about_sessions(request: HttpRequest, sessions: QuerySet[Session]) -> Question | None:
    """Whether to end those of ``sessions`` that live; None: none does."""
    owned = _counted(those_to_end(request, sessions))
    if not owned:
        return None
    count = owned.total()
    text = ngettext(
        "%(count)d session will end at once. Its user is told by mail.",
        "%(count)d sessions will end at once. Their users are told by mail.",
        count,
    )
    facts = _named(owned, sessions_in_words)
    if holds_own(request, sessions):
        facts.append(gettext("Your own session goes on. To end it, log out."))
    return Question(
        title=gettext("End the selected sessions?"),
        text=text % {"count": count},
        button=gettext("End the selected sessions"),
        facts=facts,
    )


def ask_about_their_users(request: HttpRequest, sessions: QuerySet[Session]) -> Question | None:
    """Whether to end every session of the users of ``sessions``; None: they have no user."""
    shown, more = _shown(owners(sessions))
    return ask_to_end(request, shown, more=more) if shown else None


def ask_about_factors(request: HttpRequest, found: QuerySet[Authenticator]) -> Question | None:
    """Whether to take all factors from the owners of those found; None: they are one's own."""
    shown, more = _shown(owners(found) - {request.user.pk})
    return ask_to_reset(request, shown, more=more) if shown else None


def ask_about_devices(request: HttpRequest, devices: QuerySet[Device]) -> Question | None:
    """Whether to remove those of ``devices`` that are not removed yet; None: all are."""
    owned = _counted(those_to_remove(request, devices))
    if not owned:
        return None
    count = owned.total()
    text = ngettext(
        "%(count)d device will be signed out at once. It is trusted no more, and a new device at "
        "the next sign-in.",
        "%(count)d devices will be signed out at once. They are trusted no more, and new devices "
        "at the next sign-in.",
        count,
    )
    facts = _named(owned, _devices_in_words)
    if devices.filter(pk=current_device_id(request)).exists():
        facts.append(gettext("The device that you work on stays."))
    return Question(
        title=gettext("Remove the selected devices?"),
        text=text % {"count": count},
        button=gettext("Remove the selected devices"),
        facts=facts,
    )


def _devices_in_words(user: object, count: int) -> str:
    text = ngettext("%(user)s: %(count)d device", "%(user)s: %(count)d devices", count)
    return text % {"user": user, "count": count}


def _counted(rows: OthersRows) -> Counter[UserId]:
    """How many of the rows each user has, by key; None stands for nobody."""
    return Counter(rows.values_list("user_id", flat=True))


def _named(owned: Counter[UserId], in_words: Callable[[object, int], str]) -> list[str]:
    """A line for each user, but no more than a question has room for, and one for nobody's."""
    shown, more = _shown(set(owned) - {None})
    lines = [in_words(user, owned[user.pk]) for user in shown]
    if owned[None]:
        lines.append(in_words(gettext("Nobody signed in"), owned[None]))
    return [*lines, *more_in_words(more)]


def _shown(user_ids: set[UserId]) -> tuple[list[AbstractBaseUser], int]:
    """Those whom a question has room to name, and how many are left."""
    shown = list(people(user_ids)[:ASKED_AT_ONCE])
    return shown, len(user_ids) - len(shown)
