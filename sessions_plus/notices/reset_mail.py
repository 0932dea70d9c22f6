"""The mail with a link to choose a new password: for whom, for which site, and who asked."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.db import models
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from sessions_plus.models import Event
from sessions_plus.notices.composing import as_its_reader, name_of, not_a_link, one_line

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


@sensitive_variables()
def compose_reset(
    user: models.Model, *, to: str, base: str, link: str, client: ClientInfo | None
) -> dict[str, str]:
    """Return the arguments for the sender (see ``notices.sending``)."""
    with as_its_reader(user):
        subject = _("Choose a new password")
        words = {
            "subject": subject,
            "account": name_of(user),
            "site": urlsplit(base).netloc,
            "at": timezone.now(),
            "device": not_a_link(client.agent.label) if client is not None else "",
            "ip_address": (client.stored_ip_address or "") if client is not None else "",
            "location": not_a_link(client.location) if client is not None else "",
            "reset_url": link,
            "link_hours": max(1, settings.PASSWORD_RESET_TIMEOUT // 3600),
        }
        return {
            "to": to,
            "subject": one_line(subject),
            "text": render_to_string("sessions_plus/notices/password_reset.txt", words),
            "html": render_to_string("sessions_plus/notices/password_reset.html", words),
            "event": Event.PASSWORD_RESET_REQUESTED.value,
        }
