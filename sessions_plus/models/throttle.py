"""How often somebody tried, and from when on they may try again."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Scope(models.TextChoices):
    """Whose attempts are counted together."""

    AUTHENTICATOR = "authenticator", _("Authenticator")
    ACCOUNT = "account", _("Codes of an account")
    RECOVERY = "recovery", _("Recovery codes of an account")
    PASSWORD = "password", _("Password, asked for again")
    ADDRESS = "address", _("Codes from a network")
    NAME = "name", _("Sign-ins by a user name, on unknown devices")
    DEVICE = "device", _("Sign-ins by a user name, on a device of theirs")
    NETWORK = "network", _("Sign-ins from a network, on unknown devices")
    RESET = "password_reset", _("Password resets of an e-mail address")


# Whose counters a stranger can start: they are forgotten with time, too.
FORGETFUL = (Scope.ADDRESS, Scope.NAME, Scope.DEVICE, Scope.NETWORK, Scope.RESET)


class Throttle(models.Model):
    """
    One counter of attempts. In the database, so that no cache flush forgives.

    Fields:

    ``scope``, ``subject``
        what is counted: the public id of an authenticator or a device, a user's primary
        key, or the keyed digest of a user name, a network or an e-mail address.
    ``attempts``
        since the last success, or since ``window_started_at`` where the scope forgets
        with time. Counted before anything is verified.
    ``window_started_at``
        the first of these attempts.
    ``blocked_until``
        when the next attempt may be made; None: now.
    """

    scope = models.CharField(_("scope"), max_length=16, choices=Scope.choices)
    subject = models.CharField(max_length=64, editable=False)
    attempts = models.PositiveIntegerField(_("attempts"), default=0)
    window_started_at = models.DateTimeField(_("first attempt"), default=timezone.now)
    blocked_until = models.DateTimeField(_("blocked until"), null=True, blank=True)

    class Meta:
        verbose_name = _("throttle")
        verbose_name_plural = _("throttles")
        constraints = [
            models.UniqueConstraint(fields=["scope", "subject"], name="sessions_plus_throttle_once")
        ]
        # To find what is forgotten with time.
        indexes = [
            models.Index(fields=["scope", "window_started_at"], name="sessions_plus_throttle_age")
        ]

    def __str__(self) -> str:
        return f"{self.scope}: {self.attempts}"
