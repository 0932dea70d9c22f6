"""Whether a sign-in outlasts the browser's window: "Keep me signed in"."""

from __future__ import annotations

from django.contrib.sessions.backends.base import SessionBase

from sessions_plus.rows.lifetime import EXPIRY_KEY

UNTIL_BROWSER_CLOSES = 0  # as Django's set_expiry() has it


def keep_signed_in(session: SessionBase, *, keep: bool) -> None:
    """
    Let the session's cookie outlast the browser's window, or not.

    The session's own limits are the same either way. An expiry that the site set
    stays as it is.
    """
    if not keep:
        session.set_expiry(UNTIL_BROWSER_CLOSES)
    elif session.get(EXPIRY_KEY) == UNTIL_BROWSER_CLOSES:
        session.set_expiry(None)
