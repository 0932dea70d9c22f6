"""
Where people are sent: the site's own addresses, and ours where those lead nowhere.

Django's defaults name pages that a new site does not have.
"""

from __future__ import annotations

from django.conf import global_settings, settings
from django.http import HttpRequest
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve, reverse

from sessions_plus.mfa import elsewhere
from sessions_plus.notices.sending import have_addresses


def login_url() -> str:
    """The site's ``LOGIN_URL``, or our sign-in page."""
    return _set_or_ours("LOGIN_URL", "sessions_plus:login")


def sign_in_page_elsewhere(request: HttpRequest) -> str | None:
    """Return ``LOGIN_URL`` where another package asks for second factors there; else None."""
    if not any(elsewhere.keepers()):
        return None
    page = elsewhere.sign_in_url()
    return page if page != request.path else None


def after_sign_in_url() -> str:
    """The site's ``LOGIN_REDIRECT_URL``, or the devices page."""
    return _set_or_ours("LOGIN_REDIRECT_URL", "sessions_plus:session_list")


def after_sign_out_url() -> str:
    """The site's ``LOGOUT_REDIRECT_URL``, or where people sign in."""
    target = settings.LOGOUT_REDIRECT_URL
    return resolve_url(target) if target else login_url()


def password_change_url() -> str:
    """Where people change their password: the site's own ``password_change``, or ours."""
    try:
        return reverse("password_change")
    except NoReverseMatch:
        return reverse("sessions_plus:password_change")


def password_reset_url() -> str | None:
    """
    Where people go who forgot their password: the site's own ``password_reset``, or ours.

    None: the site has no page of its own, and users have no address for the link of ours.
    """
    theirs = site_password_reset_url()
    if theirs is None and have_addresses():
        return reverse("sessions_plus:password_reset")
    return theirs


def site_password_reset_url() -> str | None:
    """The site's own ``password_reset``; None: ours is the one."""
    try:
        return reverse("password_reset")
    except NoReverseMatch:
        return None


def _set_or_ours(setting: str, ours: str) -> str:
    target = getattr(settings, setting)
    if target == getattr(global_settings, setting) and not _leads_somewhere(target):
        return reverse(ours)
    return resolve_url(target)


def _leads_somewhere(path: str) -> bool:
    try:
        resolve(path)
    except Resolver404:
        return False
    return True
