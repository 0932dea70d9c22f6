"""A sign-in that waits for its second factor."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id


class ChallengeQuerySet(models.QuerySet["Challenge"]):
    def open(self, now: datetime) -> Self:
        """Those that may still be passed: not at ``expires_at`` or after."""
        return self.filter(closed_at=None, expires_at__gt=now)


class Challenge(models.Model):
    """
    One sign-in that waits for its second factor. Passed once, by whoever began it.

    Fields:

    ``public_id``
        UUIDv7; all that the waiting session keeps.
    ``user``
        who proved the first factor.
    ``session_public_id``
        the anonymous session that waits; None for an API client, which holds a token.
    ``token_hash``
        SHA-256 (hex) of an API client's token; empty for a session.
    ``backend``
        dotted path of the authentication backend, for the sign-in that follows.
    ``methods``
        space-separated methods proved so far: ``pwd``, ``ext``; or ``rcv`` alone, of somebody
        who gave up their password and may set up a new passkey, nothing else.
    ``credentials_hash``
        of what Django signs people out by: a challenge ends when the password changes.
    ``started_at``, ``expires_at``
        when it began, and when it is over unless it was passed.
    ``closed_at``
        when it was passed or abandoned; None: it waits.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("user"),
    )
    session_public_id = models.UUIDField(null=True, editable=False)
    token_hash = models.CharField(max_length=64, blank=True, editable=False)
    backend = models.CharField(max_length=200, editable=False)
    methods = models.CharField(_("sign-in methods"), max_length=64)
    credentials_hash = models.CharField(max_length=64, blank=True, editable=False)
    started_at = models.DateTimeField(_("started"), default=timezone.now)
    expires_at = models.DateTimeField(_("expires"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    objects = models.Manager.from_queryset(ChallengeQuerySet)()

    class Meta:
        verbose_name = _("challenge")
        verbose_name_plural = _("challenges")
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.public_id)
