"""Nonces of passkeys that were used."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class UsedNonce(models.Model):
    """
    One nonce that a passkey signed, so that it is not taken again. Unused ones have no row.

    Fields:

    ``hash``
        SHA-256 (hex) of the nonce. Unique: of many that bring one at once, one stores it.
    ``expires_at``
        from when on it would not be taken anyway, and the row may go.
    """

    hash = models.CharField(max_length=64, unique=True, editable=False)
    expires_at = models.DateTimeField(_("expires"))

    class Meta:
        verbose_name = _("used nonce")
        verbose_name_plural = _("used nonces")

    def __str__(self) -> str:
        return self.hash
