"""Failed sign-ins that are to be one event."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from sessions_plus.models.text import FittedCharField


class FailureCount(models.Model):
    """
    The failed sign-ins by one name from one network in one minute, until it is over.

    Fields:

    ``subject``
        keyed digest of name and network.
    ``minute_at``
        the beginning of the minute.
    ``count``
        how many there were, but for those that are one event together.
    ``user``
        who has that name; None: nobody.
    ``last_at``, ``ip_address``, ``user_agent``
        when the latest was, and what may be stored of its request.
    """

    subject = models.CharField(max_length=64, editable=False)
    minute_at = models.DateTimeField(_("minute"))
    count = models.PositiveIntegerField(_("count"), default=1)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    last_at = models.DateTimeField(_("last failure"))
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = FittedCharField(_("user agent"), max_length=512, blank=True)

    class Meta:
        verbose_name = _("failure count")
        verbose_name_plural = _("failure counts")
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "minute_at"], name="sessions_plus_failure_count_once"
            )
        ]
        # What is to be written down, and what is to be removed.
        indexes = [
            models.Index(fields=["count"], name="sessions_plus_failure_many"),
            models.Index(fields=["minute_at"], name="sessions_plus_failure_age"),
        ]

    def __str__(self) -> str:
        return f"{self.minute_at:%Y-%m-%d %H:%M}: {self.count}"
