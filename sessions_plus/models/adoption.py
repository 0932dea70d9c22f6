"""What is remembered of sessions that another engine began, while they are moved here."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.models.binary import BytesField


class AdoptedKey(models.Model):
    """
    One key of the old engine that was taken over: it opens one session here, once.

    While old code serves beside the new, that of a later session of the same person may stand in
    its place.

    Removed a day after ``SESSIONS_PLUS_ADOPT_UNTIL``, when no old key is looked at any more.

    Fields:

    ``key_hash``
        SHA-256 (hex) of the old key. Unique: of requests that come with one at once, one adopts.
    ``session_public_id``
        the session here.
    ``sealed_device_token``
        the token of its device, sealed under the old key, so that whoever follows with that key
        is told the same one; empty for a session that nobody is signed in to.
    ``sealed_old_key``
        the old key, to end the old session with this one; empty unless
        ``SESSIONS_PLUS_ADOPT_KEEP_OLD`` was on.
    ``is_signed_in``
        whether somebody is signed in there, as far as is known here: else nobody signs out there.
    ``adopted_at``
        when.
    """

    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    session_public_id = models.UUIDField(unique=True, editable=False)
    sealed_device_token = BytesField(default=b"")
    sealed_old_key = BytesField(default=b"")
    is_signed_in = models.BooleanField(default=False, editable=False)
    adopted_at = models.DateTimeField(_("taken over"), default=timezone.now)

    class Meta:
        verbose_name = _("adopted key")
        verbose_name_plural = _("adopted keys")
        ordering = ["pk"]

    def __str__(self) -> str:
        return str(self.session_public_id)


class AdoptionBar(models.Model):
    """
    The sessions of a user were ended here: what they have at the old engine is over, too.

    Fields:

    ``user``
        whose; None: everybody's.
    ``at``
        when they were ended last. An old session is let in again only if it is known to have
        begun later.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    at = models.DateTimeField(_("ended"), default=timezone.now)

    class Meta:
        verbose_name = _("adoption bar")
        verbose_name_plural = _("adoption bars")
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.user_id or '*'} {self.at:%Y-%m-%d %H:%M}"
