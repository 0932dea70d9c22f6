"""A browser or an app installation, recognised across sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id
from sessions_plus.models.agent import AgentColumns
from sessions_plus.models.text import FittedCharField


class DeviceQuerySet(models.QuerySet["Device"]):
    def for_user(self, user: models.Model) -> Self:
        return self.filter(user_id=user.pk)

    def active(self) -> Self:
        """Those that were not revoked."""
        return self.filter(revoked_at=None)


class Device(AgentColumns):
    """
    One browser or app installation of one user.

    It is found again by a random long-lived cookie, never by address or
    fingerprint. Two people who share a browser have a device each, with the same
    token.

    Fields:

    ``public_id``
        UUIDv7; the harmless name in URLs, API and events.
    ``token_hash``
        SHA-256 (hex) of the cookie. None once the device was revoked: the browser
        is then a new device at its next sign-in.
    ``name``
        given by its user; empty: named after browser and system.
    ``first_seen_at``, ``last_seen_at``
        first and latest sign-in.
    ``trusted_until``
        until when it may skip the second factor; None: not trusted.
    ``trust_hash``
        SHA-256 (hex) of the trust cookie that goes with it.
    ``revoked_at``
        when its user or an administrator ended it; None: in use.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # the constraint below begins with it
        related_name="+",
        verbose_name=_("user"),
    )
    token_hash = models.CharField(max_length=64, null=True, editable=False)
    name = FittedCharField(_("name"), max_length=100, blank=True)
    first_seen_at = models.DateTimeField(_("first seen"), default=timezone.now)
    last_seen_at = models.DateTimeField(_("last seen"), default=timezone.now)
    trusted_until = models.DateTimeField(_("trusted until"), null=True, blank=True)
    trust_hash = models.CharField(max_length=64, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True)

    objects = models.Manager.from_queryset(DeviceQuerySet)()

    class Meta:
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        ordering = ["-last_seen_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "token_hash"], name="sessions_plus_device_token"
            )
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name its user gave it, or browser and system."""
        return self.name or self.agent_label

    def is_trusted(self, now: datetime) -> bool:
        """Say whether it may skip the second factor; not at ``trusted_until`` or after."""
        return (
            self.revoked_at is None and self.trusted_until is not None and now < self.trusted_until
        )
