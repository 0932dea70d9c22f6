"""``list_sessions USER``: where somebody is signed in, from a shell."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils.timezone import is_aware, localtime, now

from sessions_plus.management.people import get_user

if TYPE_CHECKING:
    from sessions_plus.models import Session

HEADINGS = ("SESSION", "KIND", "DEVICE", "ADDRESS", "PLACE", "SIGNED IN", "LAST USED", "ENDS")


class Command(BaseCommand):
    help = "List the sessions that a user is signed in with, the one used last first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="The name that the user signs in with.")

    def handle(self, *, user: str, **options: Any) -> None:
        from sessions_plus.lifecycle.in_force import live_sessions

        sessions = live_sessions(get_user(user), now=now()).select_related("device")
        rows = [cells(session) for session in sessions.order_by("-last_activity", "-pk")]
        if not rows:
            self.stdout.write(f"{user} is not signed in anywhere.")
        for line in aligned([HEADINGS, *rows] if rows else []):
            self.stdout.write(line)


def cells(session: Session) -> tuple[str, ...]:
    """What one session's line holds, by ``HEADINGS``. Its key and data are not in it."""
    return (
        str(session.public_id),
        session.kind,
        session.device.label if session.device is not None else session.agent_label,
        session.ip_address or "-",
        session.location or "-",
        _moment(session.authenticated_at),
        _moment(session.last_activity),
        _moment(session.expire_date),
    )


def _moment(at: datetime | None) -> str:
    if at is None:
        return "-"
    local = localtime(at) if is_aware(at) else at  # naive, if USE_TZ is off
    return f"{local:%Y-%m-%d %H:%M}"


def aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    """Each row as a line, its cells one below the other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        parts = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(parts).rstrip()
