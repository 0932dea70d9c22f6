"""
The wizard by which django-two-factor-auth signs people in: whom it asks, and what they proved.

Invariant for whoever edits this: what was proved is known of the wizard, and never of the fields
that came. Whoever is remembered could add one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from functools import wraps
from typing import Any, TypeAlias

from django.apps import apps
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.urls import NoReverseMatch, Resolver404, resolve
from two_factor.views import LoginView

from sessions_plus.events import password_changed_after, record
from sessions_plus.integrations.otp.devices import INTEGRATION, TYPED, OtpDevice, method_of
from sessions_plus.mfa.methods import PASSWORD, RECOVERY_CODE, TRUSTED_DEVICE
from sessions_plus.mfa.sign_in import using
from sessions_plus.models import Event

ASKED_FOR = "default"
"""The name of the device that it asks for. Others can stand in for that one, not alone."""

COOKIE = "TWO_FACTOR_REMEMBER_COOKIE"
"""How its settings about remembered browsers begin."""

TELLS = "tells_sessions_plus"
"""The attribute that says so of what it does in the end: a site's apps may be set up again."""

Answer = Callable[..., HttpResponse]
Wizard: TypeAlias = Any  # it has no types
View: TypeAlias = Wizard  # neither has that


def find() -> View | None:
    """Return the view at ``LOGIN_URL`` where that is its wizard, or derived from it."""
    try:
        view = resolve(resolve_url(settings.LOGIN_URL)).func
    except (NoReverseMatch, Resolver404):
        return None
    return view if issubclass(getattr(view, "view_class", object), LoginView) else None


def asks_for(device: OtpDevice) -> bool:
    """Say whether it asks for this device after the password."""
    return device.name == ASKED_FOR


def listen() -> None:
    """Let it tell what was proved to it, wherever it is mounted."""
    if not getattr(LoginView.render_done, TELLS, False):
        LoginView.render_done = _telling(LoginView.render_done)


def _telling(render_done: Answer) -> Answer:
    """Wrap what it does once all its steps were passed, which calls ``login()``."""

    @wraps(render_done)
    def done(wizard: Wizard, form: object, **kwargs: object) -> HttpResponse:
        if not apps.is_installed(INTEGRATION):
            return render_done(wizard, form, **kwargs)
        if _has_new_password(wizard):
            return _begin_anew(wizard)
        methods = _proved_to(wizard)
        if RECOVERY_CODE in methods:
            client = getattr(wizard.request, "client_info", None)
            record(Event.RECOVERY_CODE_USED, user=wizard.get_user(), client=client)
        with using(wizard.request, methods=methods) if methods else nullcontext():
            return render_done(wizard, form, **kwargs)

    setattr(done, TELLS, True)
    return done


def _proved_to(wizard: Wizard) -> tuple[str, ...]:
    """Return what was proved; nothing of who was asked for their password alone."""
    device = getattr(wizard.get_user(), "otp_device", None)
    if device is None:
        return ()
    has_typed = any(TYPED in given for given in wizard.storage.validated_step_data.values())
    return (PASSWORD, method_of(device) if has_typed else TRUSTED_DEVICE)


def _has_new_password(wizard: Wizard) -> bool:
    """Say whether the password was changed after the wizard had looked at it."""
    began, user = wizard.storage.data.get("authentication_time"), wizard.get_user()
    if not began or not isinstance(user, models.Model):
        return False
    since = datetime.fromtimestamp(began, UTC) + timedelta(seconds=1)  # it keeps whole seconds
    return password_changed_after(user.pk, since) is not None


def _begin_anew(wizard: Wizard) -> HttpResponse:
    """Do what it does with a sign-in that took too long."""
    wizard.storage.reset()
    wizard.show_timeout_error = True
    response: HttpResponse = wizard.render_goto_step(wizard.FIRST_STEP)
    return response


def ask_again(request: HttpRequest, target: str) -> HttpResponse | None:
    """Lead to the wizard; None where it sends whoever is signed in away again, back here."""
    view = find()
    if view is None or _leads_away(view):
        return None
    response = redirect_to_login(target, resolve_url(settings.LOGIN_URL))
    _forget_browser(request, response)
    return response


def _leads_away(view: View) -> bool:
    default = view.view_class.redirect_authenticated_user
    return bool(view.view_initkwargs.get("redirect_authenticated_user", default))


def _forget_browser(request: HttpRequest, response: HttpResponse) -> None:
    """Remember the browser no more, whoever it was remembered for: then a code is asked for."""
    prefix = getattr(settings, f"{COOKIE}_PREFIX", "remember-cookie_")
    for name in request.COOKIES:
        if name.startswith(prefix):
            response.delete_cookie(
                name,
                path=getattr(settings, f"{COOKIE}_PATH", "/"),
                domain=getattr(settings, f"{COOKIE}_DOMAIN", None),
            )
