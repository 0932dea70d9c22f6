"""
A new password for whoever forgot theirs: a link in a mail, and one answer for everybody.

Invariant for whoever edits this: for an address that nobody has the same is done as for one of
an account, but for the mail itself. Whoever may use the link still meets the second factor at
the sign-in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode
from django.views.decorators.debug import sensitive_variables

from sessions_plus.current import current_request
from sessions_plus.events import record
from sessions_plus.exceptions import TooManyAttempts
from sessions_plus.mfa import throttle
from sessions_plus.models import Event, Outcome, Scope
from sessions_plus.named_types import SiteUser
from sessions_plus.notices.links import site_url
from sessions_plus.notices.reset_mail import compose_reset
from sessions_plus.notices.sending import send_after_commit

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo

logger = logging.getLogger("sessions_plus")

NO_LINK = (
    "A link to choose a new password was asked for and not sent, as it is not certain where the "
    "site is. Write SESSIONS_PLUS_SITE_URL."
)


def send_links(
    address: str,
    users: Iterable[AbstractBaseUser],
    *,
    client: ClientInfo | None,
    now: datetime,
) -> bool:
    """
    Mail each of ``users``, whose address was typed, a link to choose a new password.

    Return False where no mail was made: nobody has that address, or they were sent as many as
    anybody may cause. Whoever asked is told of neither.

    Raises:
        TooManyAttempts: too much was asked for from this network; nothing was looked at.
    """
    throttle.take(
        Scope.ADDRESS,
        throttle.of_address(client.ip_address if client is not None else None),
        now=now,
    )
    base = site_url(current_request())
    if not base:
        logger.error(NO_LINK)
        return False
    found = list(users)
    try:
        throttle.take(Scope.RESET, throttle.of_email(address), now=now)
    except TooManyAttempts:
        return False
    for user in found:
        _send_link(user, base=base, client=client)
    if not found:
        _pretend(base=base, client=client)
    return bool(found)


@sensitive_variables("mail")
def _send_link(user: AbstractBaseUser, *, base: str, client: ClientInfo | None) -> None:
    mail = _mail(user, base=base, client=client)
    event = record(Event.PASSWORD_RESET_REQUESTED, user=user, client=client)
    send_after_commit(event, mail)


def _pretend(*, base: str, client: ClientInfo | None) -> None:
    """Take as long as for somebody who is there, so that the time tells nothing."""
    _mail(get_user_model()(), base=base, client=client)
    record(
        Event.PASSWORD_RESET_REQUESTED,
        outcome=Outcome.FAILURE,
        reason="no_account",
        client=client,
    )


@sensitive_variables()
def _mail(user: SiteUser, *, base: str, client: ClientInfo | None) -> dict[str, str]:
    path = reverse(
        "sessions_plus:password_reset_confirm",
        kwargs={
            "uidb64": urlsafe_base64_encode(force_bytes(user.pk)),
            "token": default_token_generator.make_token(user),
        },
    )
    address = getattr(user, type(user).get_email_field_name(), "") or ""
    return compose_reset(user, to=address, base=base, link=base + path, client=client)
