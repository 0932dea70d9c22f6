"""The public half of a key pair that a browser made for one session (DBSC)."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.crypto import context
from sessions_plus.keys import new_public_id
from sessions_plus.models.binary import BytesField
from sessions_plus.models.session import Session


class DeviceKey(models.Model):
    """
    One key pair of one browser, for one session. The private half never left the device.

    It is in force while its session lives and names it in ``device_key_id``; nothing here
    says so a second time.

    Fields:

    ``public_id``
        UUIDv7; the browser's name for the device-bound session is made of it.
    ``session``
        the session that is bound to it.
    ``algorithm``
        ``ES256`` or ``RS256``; what a later proof names itself is not asked.
    ``sealed_jwk``
        the public key as sealed JSON: what could be put in its place would open the session
        (OWASP ASVS 6.7.1).
    ``registered_at``
        when the browser made it.
    ``last_nonce``
        when the last nonce that it signed was issued, in ms; -1: it has signed none. Each
        proof moves it on by one conditional UPDATE, so that none counts twice.
    ``last_proved_at``
        when it last signed one; None: not since it was registered.
    ``last_missing_at``
        when it was last recorded that somebody used the session without a proof.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    session = models.ForeignKey(
        Session,
        on_delete=models.CASCADE,
        db_constraint=False,  # clean-up removes many sessions at once, and their keys then
        related_name="device_keys",
        verbose_name=_("session"),
    )
    algorithm = models.CharField(_("algorithm"), max_length=8, editable=False)
    sealed_jwk = BytesField()
    registered_at = models.DateTimeField(_("registered"), default=timezone.now)
    last_nonce = models.BigIntegerField(default=-1, editable=False)
    last_proved_at = models.DateTimeField(_("last proved"), null=True, blank=True)
    last_missing_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("device key")
        verbose_name_plural = _("device keys")
        ordering = ["-id"]

    def __str__(self) -> str:
        return str(self.public_id)


def jwk_context(public_id: UUID, session: UUID) -> bytes:
    """What a public key is bound to: its table, column, row and session."""
    return context("sessions_plus_devicekey", "sealed_jwk", public_id, session)


UNBOUND: Mapping[str, object] = {
    "device_key_id": None,
    "device_key_at": None,
    "device_key_seen": True,
}
"""The columns of a session that is bound to no key."""
