"""Who is told by mail."""

from __future__ import annotations

from django.dispatch import receiver

from sessions_plus.models import (
    SessionEvent,
)
from sessions_plus.notices.sending import notify
from sessions_plus.signals import (
    event_recorded,
)


@receiver(event_recorded, dispatch_uid="sessions_plus.notices")
def tell_by_mail(event: SessionEvent, **_: object) -> None:
    notify(event)
