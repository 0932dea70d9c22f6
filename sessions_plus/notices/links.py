"""
The link in a mail: where it leads, and the row that it names.

A site that answers to any host name must not put one into a mail that a stranger chose:
the link holds a token, and people trust what the mail says.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import models
from django.http import HttpRequest
from django.http.request import split_domain_port
from django.urls import NoReverseMatch, reverse

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest
from sessions_plus.keys import new_public_id, new_token
from sessions_plus.models import Notice, SessionEvent
from sessions_plus.rows.session_row import database

LINK_LIFETIME = timedelta(days=7)

# Which hosts Django serves while DEBUG is on and ALLOWED_HOSTS is empty.
OWN_MACHINE = ("localhost", "127.0.0.1", "[::1]")


def site_url(request: HttpRequest | None) -> str:
    """
    Return where the site is, without a slash at its end; "" where that is not certain.

    A request's host counts only where ``ALLOWED_HOSTS`` names it in full: ``*`` and
    ``.example.com`` let whoever caused the mail choose what it links to.
    """
    if conf.SITE_URL:
        return conf.SITE_URL.rstrip("/")
    if request is None:
        return ""
    host, _port = split_domain_port(request.get_host())
    named = settings.ALLOWED_HOSTS or (OWN_MACHINE if settings.DEBUG else ())
    return f"{request.scheme}://{request.get_host()}" if host in named else ""


def make_link(
    event: SessionEvent,
    *,
    user: models.Model,
    base: str,
    session_public_id: UUID | None,
    device_id: int | None,
    now: datetime,
) -> str:
    """Return a new address of "this wasn't me"; "" where the site has not mounted our pages."""
    public_id = new_public_id()
    token = new_token(public_id, purpose=Purpose.NOTICE_LINK)
    try:
        path = reverse("sessions_plus:notice_report", args=[token])
    except NoReverseMatch:
        return ""
    Notice.objects.using(database()).create(
        public_id=public_id,
        user_id=user.pk,
        event=event.event,
        session_public_id=session_public_id,
        device_id=device_id,
        token_hash=digest(token),
        created_at=now,
        expires_at=now + LINK_LIFETIME,
    )
    return base + path
