"""Reasons as staff read them: the words of the model speak to the session's own user."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _

from sessions_plus.models import Reason

STAFF_WORDS: dict[str, Any] = {
    Reason.REVOKED: _("Ended by its user from another device"),
    Reason.REPORTED: _("Reported by its user as not theirs"),
}


def reason_in_words(reason: str) -> str:
    """Return the words for a known reason, and any other reason as it is."""
    return str(dict(reason_choices()).get(reason, reason))


def reason_choices() -> list[tuple[str, Any]]:
    return [(reason.value, STAFF_WORDS.get(reason, reason.label)) for reason in Reason]
