"""Asking before something ends: one page, one button, one way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, TypeVar

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

if TYPE_CHECKING:
    from sessions_plus.named_types import AnyModelAdmin, OthersRows

TEMPLATE = "admin/sessions_plus/question.html"

Owner = TypeVar("Owner", bound="AnyModelAdmin")

# Comes back with the answer. Of a list: the key of the newest row that was there when it was asked.
ANSWERED = "answered"


@dataclass(frozen=True, slots=True)
class Question:
    """
    What staff are asked. ``facts`` are read below ``text``, a line each; ``button`` is a verb
    with what it does, as "Yes" would be to something that nobody has read.
    """

    title: str
    text: str
    button: str
    facts: Sequence[str] = ()


def ask(
    request: HttpRequest,
    site: admin.AdminSite,
    model: type[models.Model],
    question: Question,
    *,
    back: str,
    carried: Sequence[tuple[str, object]] = (),
) -> TemplateResponse:
    """Show the question; its button sends a POST to the same address, with what is ``carried``."""
    context = {
        **site.each_context(request),
        "title": question.title,
        "question": question,
        "opts": model._meta,
        "back": back,
        "carried": carried,
    }
    request.current_app = site.name
    return TemplateResponse(request, TEMPLATE, context)


def asking(
    ask_about: Callable[[HttpRequest, OthersRows], Question | None],
) -> Callable[
    [Callable[[Owner, HttpRequest, OthersRows], None]],
    Callable[[Owner, HttpRequest, OthersRows], TemplateResponse | None],
]:
    """
    Ask before an action of a list does anything: a decorator.

    ``ask_about`` returns the question; None: nothing would end, so the action only says so. What
    came into the list since it was asked is left alone.
    """

    def decorate(
        action: Callable[[Owner, HttpRequest, OthersRows], None],
    ) -> Callable[[Owner, HttpRequest, OthersRows], TemplateResponse | None]:
        @wraps(action)
        def act(self: Owner, request: HttpRequest, queryset: OthersRows) -> TemplateResponse | None:
            if ANSWERED in request.POST:
                action(self, request, _of_then(queryset, request.POST[ANSWERED]))
                return None
            question = ask_about(request, queryset)
            if question is not None:
                return _ask_about_rows(self, request, queryset, question, action.__name__)
            action(self, request, queryset)
            return None

        return act

    return decorate


def _of_then(rows: OthersRows, newest: str) -> OthersRows:
    """What is no key was not written by our page, and chooses nothing."""
    try:
        return rows.filter(pk__lte=int(newest))
    except ValueError:
        return rows.none()


def _ask_about_rows(
    model_admin: AnyModelAdmin,
    request: HttpRequest,
    rows: OthersRows,
    question: Question,
    action: str,
) -> TemplateResponse:
    """The button sends the same choice again, which the list then looks up anew."""
    newest = rows.order_by("-pk").values_list("pk", flat=True)[:1]
    carried = [
        ("action", action),
        ("select_across", request.POST.get("select_across", "0")),
        (ANSWERED, next(iter(newest), 0)),
        *((ACTION_CHECKBOX_NAME, key) for key in request.POST.getlist(ACTION_CHECKBOX_NAME)),
    ]
    return ask(
        request,
        model_admin.admin_site,
        model_admin.model,
        question,
        back=request.get_full_path(),
        carried=carried,
    )
