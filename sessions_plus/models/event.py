"""The audit trail: one row for each thing that happened to sessions, devices and factors."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.models.device import Device
from sessions_plus.models.text import FittedCharField


class Event(models.TextChoices):
    """What happened, as ``noun.past``."""

    SESSION_STARTED = "session.started", _("Signed in")
    SESSION_ADOPTED = "session.adopted", _("Still signed in after an update of the site")
    SESSION_SIGNED_OUT = "session.signed_out", _("Signed out")
    SESSION_EXPIRED = "session.expired", _("Session expired")
    SESSION_REVOKED = "session.revoked", _("Session ended")
    SESSION_DELETED = "session.deleted", _("Session deleted")
    SESSION_UNREADABLE = "session.unreadable", _("Session data could not be read")
    SESSION_CLIENT_CHANGED = "session.client_changed", _("Browser or network changed")
    KEY_REUSED = "key.reused", _("An old session key was used")
    LIMIT_REACHED = "session_limit.reached", _("Too many sessions")
    SIGN_IN_FAILED = "sign_in.failed", _("Sign-in failed")
    DEVICE_FIRST_SEEN = "device.first_seen", _("New device")
    DEVICE_RENAMED = "device.renamed", _("Device renamed")
    DEVICE_REVOKED = "device.revoked", _("Device removed")
    DEVICE_TRUSTED = "device.trusted", _("Device trusted")
    DEVICE_DISTRUSTED = "device.distrusted", _("Trust in a device ended")
    DEVICE_KEY_REGISTERED = "device_key.registered", _("Session bound to its device")
    DEVICE_KEY_REFUSED = "device_key.refused", _("Session not bound to a device")
    DEVICE_KEY_MISSING = "device_key.missing", _("Session used without a proof of its device")
    PASSWORD_CHANGED = "password.changed", _("Password changed")
    PASSWORD_RESET_REQUESTED = "password_reset.requested", _("Password reset asked for")
    CHALLENGE_STARTED = "challenge.started", _("Second factor asked for")
    CHALLENGE_FAILED = "challenge.failed", _("Second factor refused")
    AUTHENTICATOR_ADDED = "authenticator.added", _("Authenticator added")
    AUTHENTICATOR_REMOVED = "authenticator.removed", _("Authenticator removed")
    AUTHENTICATOR_RENAMED = "authenticator.renamed", _("Authenticator renamed")
    AUTHENTICATOR_DISABLED = "authenticator.disabled", _("Authenticator disabled")
    AUTHENTICATOR_CLONED = "authenticator.cloned", _("A passkey may have been copied")
    PASSWORD_REMOVED = "password.removed", _("Password given up")
    ENROLMENT_FAILED = "enrolment.failed", _("New authenticator refused")
    RECOVERY_CODES_MADE = "recovery_codes.made", _("New recovery codes made")
    RECOVERY_CODE_USED = "recovery_code.used", _("Recovery code used")
    REAUTHENTICATED = "session.reauthenticated", _("Proved themselves again")
    REAUTHENTICATION_FAILED = "reauthentication.failed", _("Re-authentication failed")
    THROTTLED = "throttle.reached", _("Too many attempts")
    TOKEN_REFUSED = "token.refused", _("Token refused")
    SIGNING_KEY_ROTATED = "signing_key.rotated", _("Signing key rotated")
    ACCESS_DENIED = "access.denied", _("Access denied")
    DATA_EXPORTED = "data.exported", _("Personal data downloaded")
    DATA_ERASED = "data.erased", _("Personal data erased")
    NOTICE_FAILED = "notice.failed", _("Mail could not be sent")


# Of somebody's account, but nothing that they did, suffered, or could do anything about.
INTERNAL = (Event.NOTICE_FAILED,)


class Outcome(models.TextChoices):
    SUCCESS = "success", _("Success")
    FAILURE = "failure", _("Failure")


class SessionEventQuerySet(models.QuerySet["SessionEvent"]):
    def for_user(self, user: models.Model) -> Self:
        return self.filter(user_id=user.pk)

    def shown_to(self, user: models.Model) -> Self:
        """What ``user`` is shown of themselves: all but what concerns the site's staff alone."""
        return self.for_user(user).exclude(event__in=INTERNAL)


class SessionEvent(models.Model):
    """
    One audit row. Written once; only its age removes it, and only an erasure changes it:
    then it keeps time and kind, and names nobody.

    Fields:

    ``at``
        when it happened.
    ``event``, ``outcome``, ``reason``
        what happened, whether it succeeded, and why.
    ``user``
        whose session it is; None: unknown.
    ``actor``
        who did it, where that is not the user; None: the user, or the site itself.
    ``session_public_id``, ``device``
        what it happened to.
    ``ip_address``, ``user_agent``, ``request_id``
        of the request that caused it. ``request_id`` is the ``X-Request-ID`` header.
    ``count``
        how many of its kind the row stands for; whoever counts events adds it up.
    """

    at = models.DateTimeField(_("time"), default=timezone.now)
    event = models.CharField(_("event"), max_length=32, choices=Event.choices)
    outcome = models.CharField(
        _("outcome"), max_length=8, choices=Outcome.choices, default=Outcome.SUCCESS
    )
    reason = FittedCharField(_("reason"), max_length=64, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("actor"),
    )
    session_public_id = models.UUIDField(_("session"), null=True, blank=True)
    device = models.ForeignKey(
        Device,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("device"),
    )
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    user_agent = FittedCharField(_("user agent"), max_length=512, blank=True)
    request_id = FittedCharField(_("request"), max_length=64, blank=True)
    count = models.PositiveIntegerField(_("count"), default=1)

    objects = models.Manager.from_queryset(SessionEventQuerySet)()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-id"]
        # Few events have an actor. MariaDB has no index of a part of a table, so it makes none.
        indexes = [
            models.Index(fields=["at"], name="sessions_plus_event_at"),
            models.Index(
                fields=["actor"],
                condition=models.Q(actor__isnull=False),
                name="sessions_plus_event_actor",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.at:%Y-%m-%d %H:%M}"

    @property
    def is_by_another(self) -> bool:
        """Whether somebody else did it: where from is theirs, not the user's to see."""
        return self.actor_id is not None and self.actor_id != self.user_id
