"""The codes that stand in for a lost authenticator."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id


def new_batch() -> UUID:
    return new_public_id()


class RecoveryCodeQuerySet(models.QuerySet["RecoveryCode"]):
    def for_user(self, user: models.Model) -> Self:
        return self.filter(user_id=user.pk)

    def unused(self) -> Self:
        return self.filter(used_at=None)


class RecoveryCode(models.Model):
    """
    One recovery code of one user: 120 random bits, accepted once.

    Fields:

    ``batch``
        the ten that were made together; a new batch takes the place of the old.
    ``code_hash``
        keyed digest (HMAC-SHA-256, hex) of owner and code. At 120 bits no slow hash
        is needed (OWASP ASVS 6.5.2); the key keeps a stolen table from being tested.
    ``used_at``
        when it was accepted; None: it was not.
    ``imported_from``
        whose it was in the package that the site comes from, such as
        ``otp_static.staticdevice/12``; empty: it was made here. An imported one has fewer
        random bits (27 to 80) than ours.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("user"),
    )
    batch = models.UUIDField(default=new_batch, editable=False)
    code_hash = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(_("made"), default=timezone.now)
    used_at = models.DateTimeField(_("used"), null=True, blank=True)
    imported_from = models.CharField(max_length=64, blank=True, editable=False)

    objects = models.Manager.from_queryset(RecoveryCodeQuerySet)()

    class Meta:
        verbose_name = _("recovery code")
        verbose_name_plural = _("recovery codes")
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(_("used")) if self.used_at is not None else str(_("not used"))
