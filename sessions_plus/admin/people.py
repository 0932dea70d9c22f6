"""
The list of users: who has a second factor, and two actions for many, with a question before each.

It is added to whatever admin class the site has, so it asks nothing of that class.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, wraps
from types import MappingProxyType, MethodType
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, router
from django.db.models import Count, Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.admin.filters import Choices
from sessions_plus.admin.listing import Rows
from sessions_plus.admin.questions import Question, ask
from sessions_plus.admin.resetting import (
    lacks_proof,
    may_reset,
    people,
    prove_first,
    reset_factors_of,
)
from sessions_plus.admin.revoking import may_revoke, revoke_all_of, tell
from sessions_plus.lifecycle.in_force import goes_on
from sessions_plus.models import Authenticator, Session
from sessions_plus.named_types import AnyModelAdmin, AnyView, UserId
from sessions_plus.rows.session_row import database

PEOPLE_URL_NAME = "sessions_plus_people"
END, RESET = "end-sessions", "remove-second-factor"

# A question names everybody whom it is about. Whoever means more has a command.
ASKED_AT_ONCE = 100

KNOWN = "_sessions_plus_has_second_factor"
SEE_FACTORS = "sessions_plus.view_authenticator"


# The list

Original = Callable[..., Any]  # a method of the site's admin class


def add_to_list(user_admin: AnyModelAdmin) -> None:
    """Wrap the methods that all ways to name actions, columns and filters lead through."""
    for wrapper in (get_actions, get_list_display, get_list_filter, get_changelist_instance):
        original = getattr(user_admin, wrapper.__name__)
        # Methods, as Django's checks take them for.
        bound = MethodType(wraps(original)(partial(wrapper, original)), user_admin)
        setattr(user_admin, wrapper.__name__, bound)


def get_actions(
    original: Original,
    self: AnyModelAdmin,
    request: HttpRequest,
    *args: object,
    **kwargs: object,
) -> dict[str, object]:
    actions: dict[str, object] = original(request, *args, **kwargs)
    if self.actions is not None:
        actions.update({act.name: act.described for act in ACTIONS if act.is_allowed(request)})
    return actions


def get_list_display(
    original: Original, self: AnyModelAdmin, request: HttpRequest
) -> Sequence[object]:
    found: Sequence[object] = original(request)
    if not may_see_factors(request):
        return found
    # After the name: further to the right it may be out of sight.
    return [*found[:1], has_second_factor, *found[1:]]


def get_list_filter(
    original: Original, self: AnyModelAdmin, request: HttpRequest
) -> Sequence[object]:
    found: Sequence[object] = original(request)
    return [*found, SecondFactorFilter] if _may_filter(request) else found


def get_changelist_instance(
    original: Original, self: AnyModelAdmin, request: HttpRequest
) -> ChangeList:
    found: ChangeList = original(request)
    if has_second_factor in found.list_display:
        note_factors(found.result_list)
    return found


def may_see_factors(request: HttpRequest) -> bool:
    return request.user.has_perm(SEE_FACTORS)


def _may_filter(request: HttpRequest) -> bool:
    """A condition cannot reach into another database."""
    return may_see_factors(request) and database() == router.db_for_read(get_user_model())


def factor_counts(users: Iterable[models.Model]) -> dict[UserId, int]:
    """Return how many authenticators each of ``users`` has who has any, by one query."""
    keys = [user.pk for user in users]
    rows = Authenticator.objects.using(database()).confirmed().filter(user_id__in=keys)
    return dict(rows.order_by().values_list("user_id").annotate(Count("pk")))


def note_factors(users: Iterable[models.Model]) -> None:
    """Note on each of a page's users whether they have one, which ``has_second_factor`` shows."""
    found = list(users)
    counts = factor_counts(found)
    for user in found:
        setattr(user, KNOWN, user.pk in counts)


@admin.display(description=_("second factor"), empty_value="–")
def has_second_factor(user: models.Model) -> str | None:
    """The column. Only a list that was made without us has to ask for each."""
    if not hasattr(user, KNOWN):
        note_factors([user])
    return gettext("Yes") if getattr(user, KNOWN) else None


class SecondFactorFilter(admin.SimpleListFilter):
    title = _("second factor")
    parameter_name = "second_factor"

    def lookups(self, request: HttpRequest, model_admin: object) -> Choices:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        has_one = Exists(Authenticator.objects.confirmed().filter(user_id=OuterRef("pk")))
        match self.value():
            case "yes":
                return queryset.filter(has_one)
            case "no":
                return queryset.exclude(has_one)
        return queryset


# The actions


@admin.action(description=_("End all sessions of these people"))
def end_sessions(
    user_admin: AnyModelAdmin, request: HttpRequest, queryset: Rows
) -> HttpResponseBase | None:
    return _lead_to_question(user_admin, request, queryset, END)


@admin.action(description=_("Remove the second factor of these people"))
def remove_second_factor(
    user_admin: AnyModelAdmin, request: HttpRequest, queryset: Rows
) -> HttpResponseBase | None:
    return _lead_to_question(user_admin, request, queryset, RESET)


def _lead_to_question(
    user_admin: AnyModelAdmin,
    request: HttpRequest,
    queryset: Rows,
    act: str,
) -> HttpResponseBase | None:
    keys = list(queryset.order_by("pk").values_list("pk", flat=True)[: ASKED_AT_ONCE + 1])
    if len(keys) > ASKED_AT_ONCE:
        text = gettext("Choose %(count)d people at most.") % {"count": ASKED_AT_ONCE}
        user_admin.message_user(request, text, messages.ERROR)
        return None
    return HttpResponseRedirect(question_url(user_admin.admin_site, act, keys))


def question_url(site: admin.AdminSite, act: str, keys: Iterable[UserId]) -> str:
    """A page that can be come back to: whoever has to prove themselves first is led there again."""
    url = reverse(f"admin:{PEOPLE_URL_NAME}", args=[act], current_app=site.name)
    return f"{url}?{urlencode([('user', key) for key in keys])}"


def act_on_people(request: HttpRequest, site: admin.AdminSite, act: str) -> HttpResponseBase:
    """Ask whether to do it to the people that the address names, and with a POST do it."""
    may_do = {END: may_revoke, RESET: may_reset}.get(act)
    if may_do is None:
        raise Http404
    if not may_do(request) or not _may_see_people(request, site):
        raise PermissionDenied
    chosen = _chosen(request)
    back = _list_of_users(site)
    if act == RESET and lacks_proof(request):
        return prove_first(request) or HttpResponseRedirect(back)
    if request.method != "POST":
        asked = ASKING[act](request, chosen)
        return ask(request, site, get_user_model(), asked, back=back)
    keys = {user.pk for user in chosen}
    if act == RESET:
        reset_factors_of(request, keys)
    else:
        tell(request, revoke_all_of(request, keys), spared=request.user.pk in keys)
    return HttpResponseRedirect(back)


def _may_see_people(request: HttpRequest, site: admin.AdminSite) -> bool:
    model_admin = site._registry.get(get_user_model())
    return model_admin is None or model_admin.has_view_permission(request)


def _chosen(request: HttpRequest) -> Sequence[models.Model]:
    try:
        found = list(people(set(request.GET.getlist("user")[:ASKED_AT_ONCE])))
    except (ValidationError, ValueError):
        raise Http404 from None
    if not found:
        raise Http404
    return found


def _list_of_users(site: admin.AdminSite) -> str:
    options = get_user_model()._meta
    if get_user_model() not in site._registry:
        return reverse("admin:index", current_app=site.name)
    name = f"admin:{options.app_label}_{options.model_name}_changelist"
    return reverse(name, current_app=site.name)


@dataclass(frozen=True, slots=True)
class Action:
    """What a list offers, and to whom."""

    act: AnyView
    is_allowed: Callable[[HttpRequest], bool]

    @property
    def name(self) -> str:
        return self.act.__name__

    @property
    def described(self) -> tuple[AnyView, str, str]:
        """The same as Django keeps it."""
        return self.act, self.name, getattr(self.act, "short_description")  # noqa: B009 - of the decorator


ACTIONS = (Action(end_sessions, may_revoke), Action(remove_second_factor, may_reset))


# The questions


def ask_to_end(request: HttpRequest, chosen: Sequence[models.Model], *, more: int = 0) -> Question:
    """``more``: how many people it is about beside those whom it names."""
    counts = _session_counts(chosen)
    facts = [*(sessions_in_words(user, counts[user.pk]) for user in chosen), *more_in_words(more)]
    if any(user.pk == request.user.pk for user in chosen):
        facts.append(gettext("Your own session goes on. To end it, log out."))
    return Question(
        title=gettext("End all sessions of these people?"),
        text=gettext("They will be signed out everywhere, at once, and told so by mail."),
        button=gettext("End all their sessions"),
        facts=facts,
    )


def sessions_in_words(user: object, count: int) -> str:
    text = ngettext("%(user)s: %(count)d session", "%(user)s: %(count)d sessions", count)
    return text % {"user": user, "count": count}


def more_in_words(count: int) -> list[str]:
    """The line for those whom a question has no room to name, if there are any."""
    text = ngettext("and %(count)d more person", "and %(count)d more people", count)
    return [text % {"count": count}] if count else []


def ask_to_reset(
    request: HttpRequest, chosen: Sequence[models.Model], *, more: int = 0
) -> Question:
    """See ask_to_end()."""
    counts = factor_counts(chosen)
    facts = [
        ngettext(
            "%(user)s: %(count)d authenticator",
            "%(user)s: %(count)d authenticators",
            counts.get(user.pk, 0),
        )
        % {"user": user, "count": counts.get(user.pk, 0)}
        for user in chosen
    ]
    return Question(
        title=gettext("Remove the second factor of these people?"),
        text=gettext(
            "Make sure first that it is they who ask. Their password alone will sign them in; "
            "authenticators and recovery codes go, all sessions end, and they are told by mail."
        ),
        button=gettext("Remove their second factor"),
        facts=[*facts, *more_in_words(more)],
    )


ASKING: Mapping[str, Callable[[HttpRequest, Sequence[models.Model]], Question]] = MappingProxyType(
    {END: ask_to_end, RESET: ask_to_reset}
)


def _session_counts(chosen: Sequence[models.Model]) -> dict[UserId, int]:
    keys = [user.pk for user in chosen]
    live = goes_on(Session.objects.using(database()).filter(user_id__in=keys), now=timezone.now())
    found = dict(live.order_by().values_list("user_id").annotate(Count("pk")))
    return {key: found.get(key, 0) for key in keys}
