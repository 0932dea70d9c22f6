"""
From an event to a mail: composed now, sent once the change is committed, and waited for by nobody.

A mail that cannot be made or sent is an event and a log line; it never breaks what it
tells of.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import nullcontext
from functools import partial
from smtplib import SMTPException, SMTPResponseException
from typing import Any, Protocol

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import mail as django_mail
from django.core.mail import EmailMultiAlternatives
from django.core.mail.backends import console, dummy, filebased, locmem
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connections, models, transaction
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.devices.recognition import FIRST_DEVICE, NO_REQUEST
from sessions_plus.events import record, written
from sessions_plus.models import Event, Outcome, SessionEvent
from sessions_plus.notices.background import DEADLINE_SECONDS, background
from sessions_plus.notices.composing import compose
from sessions_plus.notices.letters import LETTERS, Letter
from sessions_plus.rows.session_row import database

logger = logging.getLogger("sessions_plus")

ASK_NO_SERVER = (
    console.EmailBackend,
    dummy.EmailBackend,
    filebased.EmailBackend,
    locmem.EmailBackend,
)

HINT = " While you develop, Django's backend django.core.mail.backends.console prints mails here."


class Sender(Protocol):
    """
    What ``SESSIONS_PLUS_NOTICE_SENDER`` names. All arguments are plain text, to be queued.

    ``event`` is the event's name, such as ``"device.first_seen"``. ``text`` and ``html``
    hold a link that ends sessions, so a queue must keep them as it keeps secrets. It is called
    in the request, which waits for it. What it raises is a failed mail, and so is what a
    ``concurrent.futures.Future`` fails with that it returns.
    """

    def __call__(self, *, to: str, subject: str, text: str, html: str, event: str) -> object: ...


@sensitive_variables("text", "html", "message")
def send_in_background(
    *, to: str, subject: str, text: str, html: str, event: str
) -> Future[None] | None:
    """
    Send the mail from ``DEFAULT_FROM_EMAIL`` while the request goes on: the default sender.

    In a thread that is given up after five seconds. Django's own backends that ask no server
    (``locmem``, ``console``, ``filebased``, ``dummy``) are done with it at once.
    """
    message, connection = _message(to, subject, text, html), _connection()
    if isinstance(connection, ASK_NO_SERVER):
        connection.send_messages([message])
        return None
    return background.start(partial(connection.send_messages, [message]))


@sensitive_variables("text", "html")
def send_now(*, to: str, subject: str, text: str, html: str, event: str) -> None:
    """Send the mail before the request goes on, for servers that run no threads of a site."""
    _connection().send_messages([_message(to, subject, text, html)])


def _message(to: str, subject: str, text: str, html: str) -> EmailMultiAlternatives:
    message = EmailMultiAlternatives(subject=subject, body=text, to=[to])
    message.attach_alternative(html, "text/html")
    return message


def _connection() -> BaseEmailBackend:
    """Return the site's mail backend. It waits for its server no longer than we do."""
    mailers: Any = getattr(django_mail, "mailers", None)  # since Django 6.1
    connection: BaseEmailBackend = (
        mailers.default if mailers is not None else django_mail.get_connection()
    )
    if hasattr(connection, "timeout"):
        connection.timeout = min(connection.timeout or DEADLINE_SECONDS, DEADLINE_SECONDS)
    return connection


def notify(event: SessionEvent) -> None:
    """Mail the event's user, if it is one that people are told of and there is an address."""
    letter = LETTERS.get(event.event)
    if letter is None or event.reason in (FIRST_DEVICE, NO_REQUEST):
        return
    if letter.by_staff and not (event.reason in letter.by_staff and event.is_by_another):
        return
    alias = database()
    # A savepoint keeps whatever goes wrong here from spoiling the view's transaction.
    guard = transaction.atomic(alias) if connections[alias].in_atomic_block else nullcontext()
    try:
        with guard:
            if _is_news(event, letter):
                _prepare(event, letter)
    except Exception as error:
        _note_failure(event, error)


def _is_news(event: SessionEvent, letter: Letter) -> bool:
    """Say whether there is somebody to tell, who was told of no such event within its pause."""
    if event.user_id is None or event.reason in letter.unless:
        return False
    if letter.pause is None:
        return True
    # Of two at once the first is told, so neither silences the other.
    earlier = written().filter(
        user_id=event.user_id, event=event.event, pk__lt=event.pk, at__gt=event.at - letter.pause
    )
    if letter.by_staff:
        by_others = earlier.exclude(actor=None).exclude(actor_id=event.user_id)
        earlier = by_others.filter(reason__in=letter.by_staff)
    return not earlier.exclude(reason__in=letter.unless).exists()


def _prepare(event: SessionEvent, letter: Letter) -> None:
    user = _reader_of(event)
    address = address_of(user) if user is not None else ""
    if user is not None and address:
        send_after_commit(event, compose(event, letter, user, to=address))


def _reader_of(event: SessionEvent) -> models.Model | None:
    if SessionEvent.user.is_cached(event):
        return event.user
    # Not through the relation: the users may live in another database than the events.
    users: models.Manager[models.Model] = get_user_model()._base_manager
    return users.filter(pk=event.user_id).first()


def have_addresses() -> bool:
    """Say whether users have a field for an e-mail address, as by telephone alone they need not."""
    model = get_user_model()
    address = model.get_email_field_name()
    return any(field.name == address for field in model._meta.get_fields())


def address_of(user: models.Model) -> str:
    """The e-mail address of a user; "" where there is none."""
    field = get_user_model().get_email_field_name()
    return str(getattr(user, field, "") or "")


@sensitive_variables("mail")
def send_after_commit(event: SessionEvent, mail: dict[str, str]) -> None:
    """Hand a mail about ``event`` to the sender. Where that fails, it is written down."""
    sender: Callable[..., object] = import_string(conf.NOTICE_SENDER)

    @sensitive_variables("mail")
    def send() -> None:
        try:
            result = sender(**mail)
        except Exception as error:
            _note_failure(event, error)
        else:
            if isinstance(result, Future):
                result.add_done_callback(partial(_note_end, event))

    transaction.on_commit(send, using=database(), robust=True)


def _note_end(event: SessionEvent, future: Future[object]) -> None:
    error = future.exception()
    if isinstance(error, Exception):
        _note_failure(event, error)


def _note_failure(event: SessionEvent, error: Exception) -> None:
    is_outside = isinstance(error, OSError)  # every error of a mail server is one
    logger.error(
        "The mail about %s could not be sent: %s.%s",
        event.event,
        _in_words(error),
        HINT if is_outside and settings.DEBUG else "",
        exc_info=None if is_outside else error,
    )
    record(
        Event.NOTICE_FAILED,
        user_id=event.user_id,
        session_public_id=event.session_public_id,
        device=event.device,
        outcome=Outcome.FAILURE,
        reason=str(event.event),
    )


def _in_words(error: Exception) -> str:
    """Say what went wrong. Whatever a mail server says may name the person it was for."""
    name = type(error).__name__
    if isinstance(error, SMTPResponseException):
        return f"{name} {error.smtp_code}"
    if isinstance(error, SMTPException):
        return name
    return f"{name}: {error.strerror or error}" if isinstance(error, OSError) else name
