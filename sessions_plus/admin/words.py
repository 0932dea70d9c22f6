"""Reasons as staff read them: the words of the model speak to the session's own user."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from django.utils.translation import gettext_lazy as _

from sessions_plus.devices.recognition import FIRST_DEVICE, NO_REQUEST
from sessions_plus.events import BY_COMMAND, IMPORTED
from sessions_plus.lifecycle.passwords import OTHERS_KEPT
from sessions_plus.models import Event, Reason, Scope
from sessions_plus.named_types import Words
from sessions_plus.templatetags.sessions_plus import methods_in_words

STAFF_WORDS: dict[str, Words] = {
    Reason.REVOKED: _("Ended by its user from another device"),
    Reason.REPORTED: _("Reported by its user as not theirs"),
}

# What the reason of other events says: how somebody proved themselves, or more than one thing.
BY_METHODS = (Event.SESSION_STARTED, Event.SESSION_ADOPTED, Event.REAUTHENTICATED)
OTHER_WORDS: Mapping[str, Words] = MappingProxyType(
    {
        FIRST_DEVICE: _("Their first device"),
        NO_REQUEST: _("Without a browser"),
        OTHERS_KEPT: _("Other sessions go on"),
        BY_COMMAND: _("By a command"),
        IMPORTED: _("Brought along from another package"),
        "browser": _("Browser"),
        "system": _("System"),
        "network": _("Network"),
        "no_account": _("No such account"),
        "refuse": _("Refused"),
        "revoke_oldest": _("The oldest ended"),
        "too_many_attempts": _("Too many attempts"),
        "wrong": _("Wrong"),
    }
)


def event_in_words(event: str, reason: str) -> str:
    """Return the words for an event's reason; what we have no word for as it is."""
    if event in BY_METHODS:
        return methods_in_words(reason) or reason
    if event == Event.THROTTLED and reason in Scope.values:
        return str(Scope(reason).label)
    if event == Event.NOTICE_FAILED and reason in Event.values:
        return str(Event(reason).label)
    if reason in Reason.values:
        return reason_in_words(reason)
    words = reason.split()
    if not all(word in OTHER_WORDS for word in words):
        return reason
    return ", ".join(str(OTHER_WORDS[word]) for word in words)


def reason_in_words(reason: str) -> str:
    """Return the words for a known reason, and any other reason as it is."""
    return str(dict(reason_choices()).get(reason, reason))


def reason_choices() -> list[tuple[str, Words]]:
    return [(reason.value, STAFF_WORDS.get(reason, reason.label)) for reason in Reason]
