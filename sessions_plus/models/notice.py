"""A mail that told somebody of an event, and the link in it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id
from sessions_plus.models.device import Device
from sessions_plus.models.event import Event


class Notice(models.Model):
    """
    One mail about one event.

    Fields:

    ``public_id``
        UUIDv7; named by the link's token.
    ``user``
        whom it was sent to.
    ``event``
        what it told of.
    ``session_public_id``, ``device``
        what the link ends.
    ``token_hash``
        SHA-256 (hex) of the link's token.
    ``expires_at``
        when the link stops working.
    ``used_at``
        when somebody confirmed "this wasn't me"; None: nobody did. A link works once.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("user"),
    )
    event = models.CharField(_("event"), max_length=32, choices=Event.choices)
    session_public_id = models.UUIDField(_("session"), null=True, blank=True)
    device = models.ForeignKey(
        Device,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("device"),
    )
    token_hash = models.CharField(max_length=64, editable=False)
    created_at = models.DateTimeField(_("sent"), default=timezone.now)
    expires_at = models.DateTimeField(_("link works until"))
    used_at = models.DateTimeField(_("reported"), null=True, blank=True)

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.public_id)
