"""How facts of rows read in words. ``{% load sessions_plus %}``"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django import template
from django.conf import settings
from django.shortcuts import resolve_url
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import get_text_list
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, npgettext_lazy

from sessions_plus.lifecycle import in_force
from sessions_plus.lifecycle.remaining import Remaining, remaining_of
from sessions_plus.mfa.passkeys.relying_party import find_relying_party, sign_in_alone
from sessions_plus.mfa.passkeys.upgrade import may_upgrade
from sessions_plus.models import AuthenticatorKind, Reason, Session
from sessions_plus.moments import in_local

register = template.Library()

JUST_NOW = timedelta(minutes=1)

# Django's own words for a span of time are not those that follow "ago" in every language.
SPANS_AGO: dict[str, Any] = {  # lazy strings, which the stubs do not foresee
    "year": npgettext_lazy("ago", "%(num)d year", "%(num)d years", "num"),
    "month": npgettext_lazy("ago", "%(num)d month", "%(num)d months", "num"),
    "week": npgettext_lazy("ago", "%(num)d week", "%(num)d weeks", "num"),
    "day": npgettext_lazy("ago", "%(num)d day", "%(num)d days", "num"),
    "hour": npgettext_lazy("ago", "%(num)d hour", "%(num)d hours", "num"),
    "minute": npgettext_lazy("ago", "%(num)d minute", "%(num)d minutes", "num"),
}

METHODS = {
    "pwd": gettext_lazy("password"),
    "otp": gettext_lazy("authenticator code"),
    "rcv": gettext_lazy("recovery code"),
    "pky": gettext_lazy("passkey"),
    "sec": gettext_lazy("security key"),
    "ext": gettext_lazy("another service"),
    "dev": gettext_lazy("trusted device"),
}


@register.simple_tag
def when(moment: datetime) -> SafeString:
    """``<time>`` with how long ago it was in words, and the exact time at hand."""
    return _time_element(moment, in_words(moment, timezone.now()))


@register.simple_tag
def exactly(moment: datetime) -> SafeString:
    """``<time>`` with the hour and minute, and the exact time at hand."""
    return _time_element(moment, date_format(in_local(moment), "TIME_FORMAT"))


@register.simple_tag
def fully(moment: datetime) -> SafeString:
    """``<time>`` with day, time and zone where everybody reads them, and how long ago it was."""
    local = in_local(moment)
    words = _("%(moment)s %(zone)s (%(ago)s)") % {
        "moment": date_format(local, "DATETIME_FORMAT"),
        "zone": local.tzname() or "",
        "ago": in_words(moment, timezone.now()),
    }
    return _time_element(moment, words)


def in_words(moment: datetime, now: datetime) -> str:
    """``3 minutes ago``; less than a minute, or a clock that runs ahead, is ``just now``."""
    if now - moment < JUST_NOW:
        return _("just now")
    span = timesince(moment, now, time_strings=SPANS_AGO, depth=1)
    return _("%(time)s ago") % {"time": span}


def _time_element(moment: datetime, words: str) -> SafeString:
    local = in_local(moment)
    return format_html(
        '<time datetime="{}" title="{} {}">{}</time>',
        local.isoformat(timespec="seconds"),
        date_format(local, "DATETIME_FORMAT"),
        local.tzname() or "",
        words,
    )


@register.simple_tag(takes_context=True)
def session_remaining(context: template.Context) -> Remaining | None:
    """How long the session goes on: ``{% session_remaining as remaining %}``; None: signed out."""
    return _remaining(context)


@register.inclusion_tag("sessions_plus/_session_warning.html", takes_context=True)
def session_warning(context: template.Context, warn_seconds: int = 120) -> dict[str, object]:
    """
    Warn before the session ends and offer to stay: put it at the end of ``<body>``.

    ``warn_seconds`` is how long before. Nothing for whoever is not signed in.
    """
    return {
        "remaining": _remaining(context),
        "warn_seconds": warn_seconds,
        "login_url": resolve_url(settings.LOGIN_URL),
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("sessions_plus/_passkey_sign_in.html", takes_context=True)
def passkey_sign_in(
    context: template.Context,
    next: str = "",  # noqa: A002 - as the field is called that says where to go on
    *,
    fields: str = "",
    name_field: str = "#id_username",
    has_icon: bool = True,
) -> dict[str, object]:
    """
    A button that signs in by a passkey, for your sign-in page: ``{% passkey_sign_in next %}``.

    ``fields``: names of fields of the page that go along, such as ``keep_signed_in``;
    ``name_field``: where a name is typed, so that the browser may offer passkeys there;
    ``has_icon`` False: for a page of the admin, in its styles. Nothing where passkeys are off, or
    only confirm passwords.
    """
    request = context.get("request")
    offers = sign_in_alone() and find_relying_party(request) is not None
    return {
        "is_offered": offers,
        "next": next,
        "fields": fields,
        "conditional": name_field,
        "is_plain": not has_icon,
        "csrf_token": context.get("csrf_token"),
    }


@register.inclusion_tag("sessions_plus/_passkey_upgrade.html", takes_context=True)
def passkey_upgrade(context: template.Context) -> dict[str, object]:
    """
    Let the browser's password manager save a passkey, if it just filled in the password.

    Put it on the page that people come to after signing in. Nothing for whoever has no second
    factor yet, or has a passkey; no query for who did not just sign in by a password.
    """
    request = context.get("request")
    return {
        "may_upgrade": request is not None and may_upgrade(request, now=timezone.now()),
        "csrf_token": context.get("csrf_token"),
    }


def _remaining(context: template.Context) -> Remaining | None:
    request = context.get("request")
    return remaining_of(getattr(request, "session", None), now=timezone.now())


@register.filter
def local_day(moment: datetime) -> date:
    """The day of a moment where the reader is."""
    return in_local(moment).date()


@register.filter
def day_in_words(day: date) -> str:
    """``Today``, ``Yesterday``, or the date."""
    today = in_local(timezone.now()).date()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return date_format(day, "DATE_FORMAT")


@register.filter
def methods_in_words(auth_methods: str) -> str:
    """``password and authenticator code``; "" if there is no word for any of them."""
    words = [str(METHODS[method]) for method in auth_methods.split() if method in METHODS]
    return get_text_list(words, _("and"))


@register.filter
def reason_in_words(reason: str) -> str:
    """Why a session ended, or which kind of authenticator it was; "" for any other reason."""
    if reason in AuthenticatorKind.values:
        return str(AuthenticatorKind(reason).label)
    return str(Reason(reason).label) if reason in Reason.values else ""


@register.filter
def ended_at(session: Session) -> datetime:
    """When a session ended."""
    return in_force.ended_at(session)
