"""What is known of a ``login()`` before it happens, by whoever calls it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sessions_plus.named_types import UserId


@dataclass(frozen=True, slots=True)
class PendingSignIn:
    """
    What the session's next sign-in is told.

    ``user_id``
        whose sign-in it is about; None: whoever comes.
    ``methods``
        how the person proved themselves; None: nobody said.
    ``wants_trust``
        they said that this device is theirs.
    ``actor_id``
        who acts as the person, for an impersonation; None: they sign in themselves.
    ``actor_methods``
        how the actor had proved themselves.
    ``since``
        when a session that goes on with this sign-in had begun; None: it begins now.
    """

    user_id: UserId = None
    methods: tuple[str, ...] | None = None
    wants_trust: bool = False
    actor_id: UserId = None
    actor_methods: tuple[str, ...] = ()
    since: datetime | None = None

    def about(self, user_id: UserId) -> PendingSignIn:
        """Return what is known of this user's sign-in."""
        return self if self.user_id in (None, user_id) else NOTHING_KNOWN


NOTHING_KNOWN = PendingSignIn()
