"""How far somebody has come who goes through the events."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Cursor(models.Model):
    """
    One reader's place among the events, or when a task last came to its end.

    Fields:

    ``name``
        whose place it is: ``hour_counts``, an export's own, or a task such as ``clean_up``.
    ``position``
        primary key of the last event that is done, and with it all before; 0: none, or it
        reads no events. Of ``clean_up``: how many runs have looked through a part.
    ``moved_at``
        when it last moved.
    """

    name = models.CharField(_("name"), max_length=64, unique=True)
    position = models.BigIntegerField(_("position"), default=0)
    moved_at = models.DateTimeField(_("moved"), default=timezone.now)

    class Meta:
        verbose_name = _("cursor")
        verbose_name_plural = _("cursors")
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name}: {self.position}"
