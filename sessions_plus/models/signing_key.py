"""The keys that sign access tokens: what the JWKS is made of."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Self

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.crypto import context
from sessions_plus.models.binary import BytesField


def private_key_context(kid: str) -> bytes:
    """What a sealed private key is bound to: its table, column and row."""
    return context("sessions_plus_signingkey", "sealed_private_key", kid)


class SigningKeyQuerySet(models.QuerySet["SigningKey"]):
    def verifying(self, now: datetime) -> Self:
        """Those whose tokens are accepted, also those that will sign only later."""
        return self.filter(Q(not_after=None) | Q(not_after__gt=now))

    def signing(self, now: datetime) -> Self:
        """Those that may sign, the one that does first."""
        return self.verifying(now).filter(not_before__lte=now).order_by("-number")


class SigningKey(models.Model):
    """
    One key pair. A key is published before it signs and verifies after it did.

    Fields:

    ``number``
        its place in the order of keys. Unique, so that of two processes that make
        the next key at once one succeeds.
    ``kid``
        SHA-256 thumbprint of the public key (RFC 7638): its name in tokens and JWKS.
    ``algorithm``
        ``ES256`` or ``EdDSA``; what a token's header says is not asked.
    ``sealed_private_key``
        the private key as sealed JWK; empty once it signs no more.
    ``public_jwk``
        the public key as JWK (RFC 7517).
    ``not_before``
        when it begins to sign.
    ``not_after``
        when its tokens are no longer accepted; None while it signs or is to sign.
    """

    number = models.PositiveIntegerField(unique=True, editable=False)
    kid = models.CharField(max_length=64, unique=True, editable=False)
    algorithm = models.CharField(_("algorithm"), max_length=8, editable=False)
    sealed_private_key = BytesField(default=b"")
    public_jwk = models.JSONField(_("public key"), editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    not_before = models.DateTimeField(_("signs from"))
    not_after = models.DateTimeField(_("accepted until"), null=True, blank=True)

    objects = models.Manager.from_queryset(SigningKeyQuerySet)()

    class Meta:
        verbose_name = _("signing key")
        verbose_name_plural = _("signing keys")
        ordering = ["-number"]

    def __str__(self) -> str:
        return self.kid

    def due_at(self, interval: timedelta | None) -> datetime | None:
        """
        Return when it is to be followed by the next; None: never, or it is already.

        ``interval`` is how long a key signs.
        """
        if interval is None or self.not_after is not None:
            return None
        return self.not_before + interval
