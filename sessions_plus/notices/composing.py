"""
From an event to the words of a mail, in its reader's language.

Device names and user agents are words of whoever caused the mail, who may be a
stranger: nothing of them becomes a line, a tag or a link.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import models
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from sessions_plus.client_info.location import locate
from sessions_plus.conf import conf
from sessions_plus.current import current_request
from sessions_plus.models import Device, SessionEvent
from sessions_plus.moments import in_local
from sessions_plus.notices.letters import Letter
from sessions_plus.notices.links import LINK_LIFETIME, make_link, site_url
from sessions_plus.rows.session_row import database

# Mail programs turn `example.com` and `https://…` into links, whoever wrote them.
LINK_SIGNS = re.compile(r"(?<=\S)[.@](?=\S)|:?//+|:(?=\S)")


def compose(event: SessionEvent, letter: Letter, user: models.Model, *, to: str) -> dict[str, str]:
    """Return the arguments for the sender: the mail in text and HTML, with its link."""
    base = site_url(current_request())
    session_public_id, device_id = _where(event)
    link = ""
    if base:
        link = make_link(
            event,
            user=user,
            base=base,
            session_public_id=session_public_id,
            device_id=device_id,
            now=timezone.now(),
        )
    with as_its_reader(user):
        words = _words(event, letter, user) | {
            "device": _label_of(event, device_id),
            "report_url": link,
            "site": urlsplit(base).netloc,
        }
        return {
            "to": to,
            "subject": one_line(str(letter.subject)),
            "text": render_to_string("sessions_plus/notices/notice.txt", words),
            "html": render_to_string("sessions_plus/notices/notice.html", words),
            "event": str(event.event),
        }


def _words(event: SessionEvent, letter: Letter, user: models.Model) -> dict[str, object]:
    return {
        "subject": letter.subject,
        "lead": f"{letter.lead} {letter.outcome.get(event.reason, '')}".strip(),
        "harmless": letter.harmless,
        "account": name_of(user),
        "at": in_local(event.at),
        # Where an administrator was is theirs.
        "ip_address": "" if event.is_by_another else event.ip_address or "",
        "location": "" if event.is_by_another else not_a_link(locate(event.ip_address)),
        "by_staff": event.is_by_another,
        "link_days": LINK_LIFETIME.days,
    }


@contextmanager
def as_its_reader(user: models.Model) -> Iterator[None]:
    """Speak the language of ``user``, and keep the site's time: the request may be a stranger's."""
    zone = timezone.get_default_timezone()
    with translation.override(_language_of(user)), timezone.override(zone):
        yield


def name_of(user: models.Model) -> str:
    """What a mail calls an account."""
    name = one_line(str(getattr(user, "get_username", lambda: user)()))
    # Many sites' names are e-mail addresses, which lead nowhere worse than to a mail program.
    return name if "@" in name else not_a_link(name)


def _label_of(event: SessionEvent, device_id: int | None) -> str:
    device = event.device
    if device is None and device_id is not None:
        device = Device.objects.using(database()).filter(pk=device_id).first()
    return not_a_link(device.label) if device is not None else ""


def _where(event: SessionEvent) -> tuple[UUID | None, int | None]:
    """Return the session (its public id) and the device that the event happened in."""
    session = getattr(current_request(), "session", None)
    row = getattr(session, "row", None)
    if row is None or row.user_id != event.user_id:
        return event.session_public_id, event.device_id
    if event.session_public_id not in (None, row.public_id):
        return event.session_public_id, event.device_id
    return row.public_id, event.device_id or row.device_id


def _language_of(user: models.Model) -> str:
    find = conf.NOTICE_LANGUAGE
    if isinstance(find, str):
        find = import_string(find)
    found = find(user) if find is not None else None
    return str(found or settings.LANGUAGE_CODE)


def one_line(text: str) -> str:
    """Return the text without line breaks and whatever else does not print."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def not_a_link(text: str) -> str:
    """Return the text as one line in which no mail program finds an address."""
    return one_line(LINK_SIGNS.sub(" ", one_line(text)))
