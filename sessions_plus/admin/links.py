"""
From what staff look at to what belongs to it: session, device, user, events.

Django shows such links on a page without asking what staff may see there, and so do we: whoever
may not look at where one leads is told so by that page.
"""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.contrib.auth import get_user_model
from django.db import models
from django.urls import reverse
from django.utils.html import format_html, format_html_join

from sessions_plus.models import Device, Session, SessionEvent
from sessions_plus.named_types import UserId


def list_url(site: admin.AdminSite, model: type[models.Model], **asked: object) -> str | None:
    """Return the address of a list, narrowed to what is asked for; None: not in this admin."""
    if model not in site._registry:
        return None
    options = model._meta
    name = f"admin:{options.app_label}_{options.model_name}_changelist"
    url = reverse(name, current_app=site.name)
    return f"{url}?{urlencode(asked)}" if asked else url


def page_url(site: admin.AdminSite, row: models.Model) -> str | None:
    """Return the address of a row's own page; None where this admin has none."""
    model = type(row)
    if isinstance(row, get_user_model()):
        model = next(iter(user_models(site)), model)
    if model not in site._registry:
        return None
    options = model._meta
    name = f"admin:{options.app_label}_{options.model_name}_change"
    return reverse(name, args=[quote(row.pk)], current_app=site.name)


def user_models(site: admin.AdminSite) -> list[type[models.Model]]:
    """Return the models of users that have pages in this admin, proxies among them."""
    return [model for model in site._registry if issubclass(model, get_user_model())]


def link(url: str | None, text: object) -> str:
    return format_html('<a href="{}">{}</a>', url, text) if url else str(text)


def link_to(site: admin.AdminSite, row: models.Model, text: object = "") -> str:
    """Return a link to a row's own page, or its text alone where there is none."""
    return link(page_url(site, row), text or str(row))


def aside(text: object) -> str:
    """Return what stands small below the rest of a cell; nothing for nothing."""
    return format_html('<br><span class="sessions-plus-aside">{}</span>', text) if text else ""


def links(*found: tuple[str | None, object]) -> str:
    """Return several links in a row, without those that lead nowhere here."""
    return format_html_join(" · ", '<a href="{}">{}</a>', [one for one in found if one[0]])


def events_of_session(site: admin.AdminSite, session: Session) -> str | None:
    """By the session's user too: that column has an index."""
    asked = {"user": session.user_id} if session.user_id is not None else {}
    return list_url(site, SessionEvent, **asked, q=session.public_id)


def events_of_device(site: admin.AdminSite, device: Device) -> str | None:
    return list_url(site, SessionEvent, user=device.user_id, device=device.pk)


def sessions_of_device(site: admin.AdminSite, device: Device) -> str | None:
    return list_url(site, Session, device=device.pk)


def sessions_of(site: admin.AdminSite, user_id: UserId) -> str | None:
    """The sessions of one user, with those that ended."""
    return list_url(site, Session, user=user_id)


def devices_of(site: admin.AdminSite, user_id: UserId) -> str | None:
    return list_url(site, Device, user=user_id)


def events_of(site: admin.AdminSite, user_id: UserId) -> str | None:
    return list_url(site, SessionEvent, user=user_id)
