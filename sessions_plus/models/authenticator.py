"""An enrolled factor: a TOTP app, or a passkey, which can be the only one."""

from __future__ import annotations

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from sessions_plus.keys import new_public_id
from sessions_plus.models.authenticator_makes import AUTHENTICATOR_MAKES
from sessions_plus.models.binary import BytesField
from sessions_plus.models.text import FittedCharField


class AuthenticatorKind(models.TextChoices):
    TOTP = "totp", _("Authenticator app")
    PASSKEY = "passkey", _("Passkey")


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

    def totp(self) -> Self:
        return self.filter(kind=AuthenticatorKind.TOTP)

    def passkeys(self) -> Self:
        return self.filter(kind=AuthenticatorKind.PASSKEY)


# What a row of each kind has, and a row of the other has not.
TOTP_COLUMNS = ("sealed_secret", "digits", "period", "algorithm", "last_used_step")
CREDENTIAL_COLUMNS = (
    "credential_id",
    "credential_hash",
    "sealed_public_key",
    "sign_count",
    "aaguid",
    "backup_eligible",
    "backed_up",
    "verifies_user",
    "is_discoverable",
)
PASSKEY_COLUMNS = ("user_handle", "rp_id", *CREDENTIAL_COLUMNS)


def _all(names: tuple[str, ...], *, are_null: bool) -> Q:
    return Q(**{f"{name}__isnull": are_null for name in names})


class Authenticator(models.Model):
    """
    One TOTP app (RFC 6238) or one passkey (a WebAuthn credential) of one user.

    Fields of both kinds:

    ``public_id``
        UUIDv7; the harmless name in URLs and the API.
    ``kind``
        ``totp`` or ``passkey``.
    ``name``
        given by its user; empty: named after what made it, or its kind.
    ``created_at``, ``confirmed_at``
        when enrolment began, and when a first code or the new credential completed it;
        None: pending.
    ``enrolling_session``
        public id of the session that began the enrolment, which alone may complete it.
    ``last_used_at``
        when it was last accepted.
    ``disabled_at``
        when too many wrong codes in a row switched it off; None: in use. Never of a passkey.
    ``imported_from``
        what it was in the package that the site comes from, such as
        ``otp_totp.totpdevice/12``; empty: it was enrolled here.

    Of a TOTP app; None for a passkey:

    ``sealed_secret``
        the secret shared with the app, sealed for this row and owner.
    ``digits``, ``period``, ``algorithm``
        of its codes: 6 to 8; seconds; the hash.
    ``last_used_step``
        the time step of the last accepted code, and never again that one or an
        earlier one; -1: none yet, as NULL is less than nothing in SQL.

    Of a passkey; None for a TOTP app, and but for the first two while it is pending:

    ``user_handle``
        what the authenticator knows its user by: random, of at most 64 bytes, the same for
        all passkeys of one user. No primary key and no name (WebAuthn §14.6.1).
    ``rp_id``
        the domain that it was made for, and is never used outside of.
    ``credential_id``, ``credential_hash``
        its own name, at most 1023 bytes, and the SHA-256 (hex) by which it is found.
    ``sealed_public_key``
        the COSE key that its signatures are verified with, sealed for this row and owner, so
        that nobody who writes to the database can put theirs in its place.
    ``sign_count``
        how often it has signed, as it says; always 0 where it does not count.
    ``aaguid``
        which make of authenticator it says it is; zeros: it does not.
    ``transports``
        how browsers reach it, by their words, parted by spaces; empty: not known.
    ``backup_eligible``, ``backed_up``
        whether it may be synced to other devices, which never changes, and whether it is.
    ``verifies_user``
        whether it has shown that it asks for a finger, a face or a PIN: then it is a first and
        a second factor, else a second one only.
    ``is_discoverable``
        whether it is found without a user's name, as far as the browser said.
    ``replaces_password``
        whether its user gave up their password for it.
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
    created_at = models.DateTimeField(_("added"), default=timezone.now)
    confirmed_at = models.DateTimeField(_("confirmed"), null=True, blank=True)
    enrolling_session = models.UUIDField(null=True, editable=False)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True)
    disabled_at = models.DateTimeField(_("disabled"), null=True, blank=True)
    imported_from = models.CharField(max_length=64, blank=True, editable=False)

    sealed_secret = BytesField(null=True)
    digits = models.PositiveSmallIntegerField(_("digits"), default=6, null=True)
    period = models.PositiveSmallIntegerField(_("seconds"), default=30, null=True)
    algorithm = models.CharField(
        _("algorithm"), max_length=8, choices=Algorithm.choices, default=Algorithm.SHA1, null=True
    )
    last_used_step = models.BigIntegerField(default=-1, null=True, editable=False)

    user_handle = BytesField(max_length=64, null=True)
    rp_id = models.CharField(_("domain"), max_length=253, null=True, editable=False)
    credential_id = BytesField(max_length=1023, null=True)
    credential_hash = models.CharField(max_length=64, unique=True, null=True, editable=False)
    sealed_public_key = BytesField(null=True)
    sign_count = models.PositiveBigIntegerField(null=True, editable=False)
    aaguid = models.UUIDField(null=True, editable=False)
    transports = models.CharField(max_length=100, blank=True, editable=False)
    backup_eligible = models.BooleanField(_("can be synced"), null=True, editable=False)
    backed_up = models.BooleanField(_("synced"), null=True, editable=False)
    verifies_user = models.BooleanField(_("asks for PIN or finger"), null=True, editable=False)
    is_discoverable = models.BooleanField(null=True, editable=False)
    replaces_password = models.BooleanField(default=False, editable=False)

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
            models.CheckConstraint(
                condition=Q(kind=AuthenticatorKind.PASSKEY)
                | Q(kind=AuthenticatorKind.TOTP)
                & _all(TOTP_COLUMNS, are_null=False)
                & _all(PASSKEY_COLUMNS, are_null=True),
                name="sessions_plus_totp_columns",
            ),
            models.CheckConstraint(
                condition=Q(kind=AuthenticatorKind.TOTP)
                | Q(user_handle__isnull=False, rp_id__isnull=False)
                & _all(TOTP_COLUMNS, are_null=True)
                & (Q(confirmed_at=None) | _all(CREDENTIAL_COLUMNS, are_null=False)),
                name="sessions_plus_passkey_columns",
            ),
            # WebAuthn §6.1.3: what cannot be synced is not synced.
            models.CheckConstraint(
                condition=Q(backed_up=None) | Q(backed_up=False) | Q(backup_eligible=True),
                name="sessions_plus_passkey_backup",
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def label(self) -> str:
        """The name that its user gave it, or of what made it, or its kind."""
        return self.name or self.unnamed_label

    @property
    def unnamed_label(self) -> str:
        return self.made_by or str(AuthenticatorKind(self.kind).label)

    @property
    def made_by(self) -> str:
        """What made a passkey, as far as it says and we know; else ""."""
        return AUTHENTICATOR_MAKES.get(str(self.aaguid), "")

    @property
    def is_passkey(self) -> bool:
        return self.kind == AuthenticatorKind.PASSKEY
