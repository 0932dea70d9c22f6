"""
From an event to a mail: composed now, sent once the change is committed.

A mail that cannot be sent is an event and a log line; it never breaks what it
tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol

from django.contrib.auth import get_user_model
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.module_loading import import_string

from sessions_plus.backends.keys import new_public_id, new_token
from sessions_plus.backends.rows import database
from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest
from sessions_plus.current import current_request
from sessions_plus.devices.recognition import FIRST_DEVICE
from sessions_plus.events import record
from sessions_plus.models import Event, Notice, Outcome, SessionEvent
from sessions_plus.notices.letters import LETTERS, Letter

logger = logging.getLogger("sessions_plus")

LINK_LIFETIME = timedelta(days=7)


class Sender(Protocol):
    """
    What ``SESSIONS_PLUS_NOTICE_SENDER`` names. All arguments are plain values, to be queued.

    ``event`` is the event's name, such as ``"device.first_seen"``.
    """

    def __call__(self, *, to: str, subject: str, text: str, html: str, event: str) -> object: ...


def send_now(*, to: str, subject: str, text: str, html: str, event: str) -> None:
    """Send the mail in this process, from ``DEFAULT_FROM_EMAIL``: the default sender."""
    message = EmailMultiAlternatives(subject=subject, body=text, to=[to])
    message.attach_alternative(html, "text/html")
    message.send()


def notify(event: SessionEvent) -> None:
    """Mail the event's user, if it is one that people are told of and there is an address."""
    letter = LETTERS.get(event.event)
    if letter is None or event.user_id is None or event.reason == FIRST_DEVICE:
        return
    try:
        address = _address_of(event)
        if address:
            _send_after_commit(event, compose(event, letter, to=address))
    except Exception as error:
        _note_failure(event, error)


def compose(event: SessionEvent, letter: Letter, *, to: str) -> dict[str, str]:
    """Return the arguments for the sender: the mail in text and HTML, with its link."""
    words: dict[str, Any] = {
        "lead": letter.lead,
        "subject": letter.subject,
        "event": event,
        "device": event.device,
        "report_url": _report_url(event),
    }
    return {
        "to": to,
        "subject": " ".join(str(letter.subject).split()),
        "text": render_to_string("sessions_plus/notices/notice.txt", words),
        "html": render_to_string("sessions_plus/notices/notice.html", words),
        "event": str(event.event),
    }


def _address_of(event: SessionEvent) -> str:
    user = event.user
    field = get_user_model().get_email_field_name()
    return str(getattr(user, field, "") or "")


def _report_url(event: SessionEvent) -> str:
    """Return the address of "this wasn't me", or "" where the pages or the site's are unknown."""
    request = current_request()
    base = conf.SITE_URL or (request.build_absolute_uri("/") if request is not None else "")
    if not base:
        return ""
    token = _new_link(event)
    try:
        return base.rstrip("/") + reverse("sessions_plus:notice_report", args=[token])
    except NoReverseMatch:
        return ""


def _new_link(event: SessionEvent) -> str:
    public_id = new_public_id()
    token = new_token(public_id, purpose=Purpose.NOTICE_LINK)
    now = timezone.now()
    Notice.objects.create(
        public_id=public_id,
        user_id=str(event.user_id),
        event=event.event,
        session_public_id=event.session_public_id,
        device_id=event.device_id,
        token_hash=digest(token),
        created_at=now,
        expires_at=now + LINK_LIFETIME,
    )
    return token


def _send_after_commit(event: SessionEvent, mail: dict[str, str]) -> None:
    sender: Callable[..., object] = import_string(conf.NOTICE_SENDER)

    def send() -> None:
        try:
            sender(**mail)
        except Exception as error:
            _note_failure(event, error)

    transaction.on_commit(send, using=database(), robust=True)


def _note_failure(event: SessionEvent, error: Exception) -> None:
    logger.error("The mail about %s could not be sent.", event.event, exc_info=error)
    record(
        Event.NOTICE_FAILED,
        user_id=event.user_id,
        session_public_id=event.session_public_id,
        outcome=Outcome.FAILURE,
        reason=str(event.event),
    )
