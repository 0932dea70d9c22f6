"""
What can go wrong, named for the state it leaves.

Each has a stable ``code`` for programs and a calm, translatable ``message`` for people.
"""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class SessionsPlusError(Exception):
    """The ancestor of every error of this app."""

    code: str = "error"
    message: str | Promise = _("That did not work. Please try again.")

    def __init__(self, message: str | Promise | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(str(self.message))


class SealBroken(SessionsPlusError):
    """
    A sealed value does not open: forged, damaged, moved, or sealed under a lost key.

    One error for all of these, so that nothing can be learned from which it was.
    """

    code = "seal_broken"
    message = _("A stored value could not be read.")


class NotSerialisable(SessionsPlusError, TypeError):
    """A value in a session cannot be stored; the message names its key."""

    code = "not_serialisable"


class InvalidToken(SessionsPlusError):
    """
    A token is not accepted: forged, expired, of another kind, or its session has ended.

    One error for all of these. ``reason`` is for the log and never leaves the server.
    """

    code = "invalid_token"
    message = _("The token is not valid.")

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class TokenReused(InvalidToken):
    """A refresh token was used after its successor; its session has ended for that."""

    code = "token_reused"
    message = _("The token was used before. Its session has ended: please sign in again.")
