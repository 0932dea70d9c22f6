"""An enrolled second factor."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id
from sessions_plus.models.text import FittedCharField


class AuthenticatorKind(models.TextChoices):
    TOTP = "totp", _("Authenticator app")


class Algorithm(models.TextChoices):
    """The hashes of RFC 6238 §1.2, by the names that ``otpauth`` links use."""

    SHA1 = "SHA1", "SHA-1"
    SHA256 = "SHA256", "SHA-256"
    SHA512 = "SHA512", "SHA-512"


class AuthenticatorQuerySet(models.QuerySet["Authenticator"]):
    def for_user(self, user: models.Model) -> Self:
        return self.filter(user_id=user.pk)

    def confirmed(self) -> Self:
        """
        Those that ask for a code at sign-in, the disabled among them.

        Who guessed a factor into being disabled must not get in without one.
        """
        return self.exclude(confirmed_at=None)

    def usable(self) -> Self:
        """Those whose codes are accepted."""
        return self.confirmed().filter(disabled_at=None)

    def pending(self) -> Self:
        """Those whose enrolment has begun; it may have expired."""
        return self.filter(confirmed_at=None)


class Authenticator(models.Model):
    """
    One TOTP app of one user (RFC 6238).

    Fields:

    ``public_id``
        UUIDv7; the harmless name in URLs and the API.
    ``kind``
        ``totp``.
    ``name``
        given by its user; empty: named after its kind.
    ``sealed_secret``
        the secret shared with the app, sealed for this row and owner.
    ``digits``, ``period``, ``algorithm``
        of its codes: 6 to 8; seconds; the hash.
    ``created_at``, ``confirmed_at``
        when enrolment began, and when a first code completed it; None: pending.
    ``enrolling_session``
        public id of the session that began the enrolment, which alone may complete it.
    ``last_used_step``
        the time step of the last accepted code, and never again that one or an
        earlier one; -1: none yet, as NULL is less than nothing in SQL.
    ``last_used_at``
        when a code was last accepted.
    ``disabled_at``
        when too many wrong codes in a row switched it off; None: in use.
    ``imported_from``
        what it was in the package that the site comes from, such as
        ``otp_totp.totpdevice/12``; empty: it was enrolled here.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("user"),
    )
    kind = models.CharField(
        _("kind"),
        max_length=8,
        choices=AuthenticatorKind.choices,
        default=AuthenticatorKind.TOTP,
    )
    name = FittedCharField(_("name"), max_length=100, blank=True)
    sealed_secret = models.BinaryField()
    digits = models.PositiveSmallIntegerField(_("digits"), default=6)
    period = models.PositiveSmallIntegerField(_("seconds"), default=30)
    algorithm = models.CharField(
        _("algorithm"), max_length=8, choices=Algorithm.choices, default=Algorithm.SHA1
    )
    created_at = models.DateTimeField(_("added"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    enrolling_session = models.UUIDField(null=True, editable=False)
    last_used_step = models.BigIntegerField(default=-1, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    disabled_at = models.DateTimeField(_("disabled"), null=True, blank=True)
    imported_from = models.CharField(max_length=64, blank=True, editable=False)

    objects = models.Manager.from_queryset(AuthenticatorQuerySet)()

    class Meta:
        verbose_name = _("authenticator")
        verbose_name_plural = _("authenticators")
        ordering = ["pk"]
        permissions = [("remove_any_authenticator", _("Can remove any user's second factor"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(digits__gte=6, digits__lte=8), name="sessions_plus_totp_digits"
            ),
            # NIST SP 800-63B-4 §3.1.4.1: a new code at least every two minutes.
            models.CheckConstraint(
                condition=Q(period__gte=1, period__lte=120), name="sessions_plus_totp_period"
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name its user gave it, or its kind."""
        return self.name or str(AuthenticatorKind(self.kind).label)
