"""
Users in the admin: their live sessions and second factor, and what the help desk does for them.

It is added to whatever admin class the site has for its users, without a change of
that class or of its templates: a part of each user's page, and two actions, a column and a
filter of the list.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, wraps
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.options import InlineModelAdmin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import models, router
from django.forms import ModelForm
from django.forms.models import BaseInlineFormSet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.csrf import csrf_protect

from sessions_plus.admin.links import devices_of, events_of, sessions_of, user_models
from sessions_plus.admin.people import (
    PEOPLE_URL_NAME,
    RESET,
    act_on_people,
    add_to_list,
    ask_to_end,
    factor_counts,
    may_see_factors,
    question_url,
)
from sessions_plus.admin.questions import ANSWERED, ask
from sessions_plus.admin.resetting import may_reset
from sessions_plus.admin.revoking import (
    current_public_id,
    holds_own,
    may_revoke,
    revoke_all_of,
    revoke_these,
    tell,
)
from sessions_plus.lifecycle.in_force import live_sessions
from sessions_plus.mfa import elsewhere
from sessions_plus.models import Session
from sessions_plus.named_types import AnyModelAdmin, UserId, Words

if TYPE_CHECKING:  # generic for the type checker only
    AnyInlineFormSet = BaseInlineFormSet[Session, models.Model, ModelForm[Session]]
    AnyInline = admin.TabularInline[Session, models.Model]
else:
    AnyInlineFormSet, AnyInline = BaseInlineFormSet, admin.TabularInline

SHOWN_SESSIONS = 50
URL_NAME = "sessions_plus_session_revoke_of_user"
MARK = "_sessions_plus_inline"
ALL = "revoke_all_sessions"  # the button's name


class LiveSessions(AnyInlineFormSet):
    """
    A formset without forms: it carries what the template shows.

    It neither needs nor believes anything in a POST, so that saving a user works as
    before also where a site's own template leaves the inlines out.
    """

    request: HttpRequest
    admin_site: admin.AdminSite

    def total_form_count(self) -> int:
        return 0

    def initial_form_count(self) -> int:
        return 0

    def full_clean(self) -> None:
        self._errors: list[Any] = []  # one for each form: none
        self._non_form_errors = self.error_class()

    @cached_property
    def sessions(self) -> list[Session]:
        live = live_sessions(self.instance, now=timezone.now()).select_related("device")
        return list(live.order_by("-last_activity").defer("data")[:SHOWN_SESSIONS])

    @property
    def current_public_id(self) -> UUID | None:
        return current_public_id(self.request)

    @property
    def may_revoke(self) -> bool:
        return may_revoke(self.request)

    @property
    def revoke_url(self) -> str:
        name = f"admin:{URL_NAME}"
        return reverse(name, args=[quote(self.instance.pk)], current_app=self.admin_site.name)

    @property
    def links(self) -> list[tuple[str | None, Words]]:
        return [one for one in links_of(self.admin_site, self.instance.pk) if one[0]]

    @cached_property
    def factors(self) -> int | None:
        """How many authenticators they have; None: staff may not know."""
        if not may_see_factors(self.request):
            return None
        return factor_counts([self.instance]).get(self.instance.pk, 0)

    @property
    def has_factor_elsewhere(self) -> bool:
        """Whether another package asks them for one, so that nobody takes them to have none."""
        return elsewhere.has_factor(self.instance)

    @property
    def reset_url(self) -> str | None:
        """Where their second factor is taken away; None: not by this person, or there is none."""
        if not self.factors or not may_reset(self.request):
            return None
        return question_url(self.admin_site, RESET, [self.instance.pk])


class LiveSessionsInline(AnyInline):
    model = Session
    fk_name = "user"
    formset = LiveSessions
    template = "admin/sessions_plus/live_sessions.html"
    verbose_name_plural = _("Live sessions")
    fields = ()
    extra = max_num = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_formset(
        self,
        request: HttpRequest,
        obj: models.Model | None = None,
        **kwargs: Any,  # as there
    ) -> Any:  # the same
        formset: Any = super().get_formset(request, obj, **kwargs)  # made of self.formset
        formset.request, formset.admin_site = request, self.admin_site
        return formset


def add_to_users(site: admin.AdminSite) -> None:
    """
    Add what we know of users to their pages and lists on this site.

    The methods that all ways to name inlines, actions, columns and filters lead through are
    wrapped, on the registered instance and nowhere else.
    """
    for user_admin in _user_admins(site):
        if not hasattr(user_admin, MARK):
            setattr(user_admin, MARK, True)
            _add_inline(user_admin)
            add_to_list(user_admin)


def _user_admins(site: admin.AdminSite) -> Iterator[AnyModelAdmin]:
    for model in user_models(site):
        yield site._registry[model]


def _add_inline(user_admin: AnyModelAdmin) -> None:
    original = user_admin.get_inline_instances

    @wraps(original)
    def get_inline_instances(
        request: HttpRequest, obj: models.Model | None = None
    ) -> list[InlineModelAdmin[Any, Any]]:  # see there
        inlines = list(original(request, obj))
        ours = LiveSessionsInline(user_admin.model, user_admin.admin_site)
        if obj is not None and ours.has_view_permission(request, obj):
            inlines.append(ours)
        return inlines

    user_admin.get_inline_instances = get_inline_instances  # type: ignore[method-assign]  # meant


def urls(site: admin.AdminSite) -> list[URLPattern]:
    @csrf_protect
    def revoke_view(request: HttpRequest, user_id: str) -> HttpResponse:
        return revoke_of_user(request, site, user_id)

    def people_view(request: HttpRequest, act: str) -> HttpResponseBase:
        return act_on_people(request, site, act)

    return [
        path("of-user/<path:user_id>/revoke/", site.admin_view(revoke_view), name=URL_NAME),
        path("people/<slug:act>/", site.admin_view(people_view), name=PEOPLE_URL_NAME),
    ]


def revoke_of_user(request: HttpRequest, site: admin.AdminSite, user_id: str) -> HttpResponse:
    """End the ticked sessions of a user, or with the other button all after a question."""
    if not may_revoke(request):
        raise PermissionDenied
    user = _get_user(unquote(user_id))
    page = _page_of(site, user)
    if request.method != "POST":
        return HttpResponseRedirect(page)
    if ALL in request.POST and ANSWERED not in request.POST:
        carried = [(ALL, ""), (ANSWERED, "")]
        question = ask_to_end(request, [user])
        return ask(request, site, type(user), question, back=page, carried=carried)
    live = Session.objects.for_user(user).filter(revoked_at=None)
    if ALL in request.POST:
        spared = holds_own(request, live)
        revocation = revoke_all_of(request, {user.pk})
    else:
        chosen = live.filter(public_id__in=_ticked(request))
        spared = holds_own(request, chosen)
        revocation = revoke_these(request, chosen)
    tell(request, revocation, spared=spared)
    return HttpResponseRedirect(page)


def _get_user(user_id: str) -> models.Model:
    model = get_user_model()
    users = model._base_manager.using(router.db_for_read(model))
    try:
        return users.get(pk=user_id)
    except (model.DoesNotExist, ValidationError, ValueError):
        raise Http404 from None


def _ticked(request: HttpRequest) -> list[UUID]:
    """What is no public id was not written by our page, and chooses nothing."""
    found = []
    for value in request.POST.getlist("live_session"):
        try:
            found.append(UUID(value))
        except ValueError:
            continue
    return found


def _page_of(site: admin.AdminSite, user: models.Model) -> str:
    """The user's own page, or their sessions where staff may not see it."""
    for user_admin in _user_admins(site):
        options = user_admin.opts
        name = f"admin:{options.app_label}_{options.model_name}_change"
        return reverse(name, args=[quote(user.pk)], current_app=site.name)
    return sessions_of(site, user.pk) or reverse("admin:index", current_app=site.name)


def links_of(site: admin.AdminSite, user_id: UserId) -> list[tuple[str | None, Words]]:
    """What there is of a user elsewhere: where to, and its name."""
    return [
        (sessions_of(site, user_id), _("All sessions, with those that ended")),
        (devices_of(site, user_id), _("Their devices")),
        (events_of(site, user_id), _("Their events")),
    ]
