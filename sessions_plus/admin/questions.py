"""Asking before something ends: one page, one button, one way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

TEMPLATE = "admin/sessions_plus/question.html"


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
) -> TemplateResponse:
    """Show the question; its button sends a POST to the same address."""
    context = {
        **site.each_context(request),
        "title": question.title,
        "question": question,
        "opts": model._meta,
        "back": back,
    }
    request.current_app = site.name
    return TemplateResponse(request, TEMPLATE, context)
