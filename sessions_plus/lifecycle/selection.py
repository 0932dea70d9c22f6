"""Which sessions a person at a shell means: by user, age and network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from django.db.models import Count

from sessions_plus.lifecycle.adoption_bars import bar_older
from sessions_plus.models import Session
from sessions_plus.models.session import SessionQuerySet
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row


class Counted(NamedTuple):
    """How many sessions there are, and of how many users."""

    sessions: int
    users: int


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Sessions that somebody is signed in to. Each part that is given narrows it.

    user_ids      primary keys of who is signed in, or acts as somebody else; None: everybody
    begun_before  when they were signed in to, at the latest (exclusive)
    network       where they were last used from, as far as that is stored
    """

    user_ids: tuple[UserId, ...] | None = None
    begun_before: datetime | None = None
    network: IPv4Network | IPv6Network | None = None

    def rows(self) -> SessionQuerySet:
        """Return those that have not ended."""
        rows = Session.objects.using(session_row.database()).filter(revoked_at=None)
        rows = rows.exclude(user=None)
        if self.user_ids is not None:
            rows = rows.of_people(self.user_ids)
        if self.begun_before is not None:
            rows = rows.filter(authenticated_at__lt=self.begun_before)
        return rows if self.network is None else rows.from_network(self.network)

    def bar_old(self, *, now: datetime) -> None:
        """
        Let no session of the old engine be taken over that is meant, too.

        By network none is: nobody knows where it was used.
        """
        if self.network is None:
            bar_older(self.user_ids, than=self.begun_before or now, now=now)

    def count(self) -> Counted:
        found = (
            self.rows()
            .order_by()
            .aggregate(sessions=Count("pk"), users=Count("user_id", distinct=True))
        )
        return Counted(**found)
