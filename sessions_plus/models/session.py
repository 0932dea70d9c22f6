"""The server's record of one signed-in (or anonymous) browser or API client."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import models, router
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from sessions_plus.crypto import Purpose, context, unseal
from sessions_plus.keys import new_public_id
from sessions_plus.models.agent import AgentColumns
from sessions_plus.models.binary import BytesField
from sessions_plus.models.device import Device
from sessions_plus.models.text import FittedCharField
from sessions_plus.named_types import SessionData, UserId
from sessions_plus.signals import rows_changed


class Kind(models.TextChoices):
    BROWSER = "browser", _("Browser")
    API = "api", _("API client")


class Reason(models.TextChoices):
    """Why a session ended."""

    SIGNED_OUT = "signed_out", _("Signed out")
    FLUSHED = "flushed", _("Ended by the site")
    REVOKED = "revoked", _("Ended by you from another device")
    REVOKED_BY_STAFF = "revoked_by_staff", _("Ended by an administrator")
    REPLACED = "replaced", _("Signed in again on the same device")
    DEVICE_REVOKED = "device_revoked", _("Device removed")
    IDLE = "idle_timeout", _("Not used for too long")
    ABSOLUTE = "absolute_lifetime", _("Signed in for the longest time allowed")
    KEY_REUSED = "key_reused", _("An old key was used: perhaps it was stolen")
    LIMIT = "session_limit", _("Signed in on too many devices")
    USER_INACTIVE = "user_inactive", _("Account disabled")
    USER_DELETED = "user_deleted", _("Account deleted")
    PASSWORD_CHANGED = "password_changed", _("Password changed")
    FACTOR_CHANGED = "factor_changed", _("Second factor changed")
    CLIENT_CHANGED = "client_changed", _("Browser or network changed")
    REPORTED = "reported", _("Reported as not yours")
    ACTED = "acted", _("Signed in as somebody else, to help them")
    DELETED = "deleted", _("Deleted")


# Rows that one statement of a bulk update changes. SQLite allows 999 parameters in old builds.
UPDATED_AT_ONCE = 500


class SessionQuerySet(models.QuerySet["Session"]):
    def for_user(self, user: models.Model) -> Self:
        return self.filter(user_id=user.pk)

    def of_people(self, user_ids: Iterable[UserId]) -> Self:
        """Those of users with these primary keys, and those in which they act as others."""
        keys = tuple(user_ids)
        return self.filter(Q(user_id__in=keys) | Q(actor_id__in=keys))

    def active(self) -> Self:
        """Those that neither ended nor expired."""
        return self.filter(revoked_at=None, expire_date__gt=timezone.now())

    def ended(self) -> Self:
        """Those that were revoked or have expired."""
        return self.exclude(revoked_at=None, expire_date__gt=timezone.now())

    def from_network(self, network: IPv4Network | IPv6Network) -> Self:
        """
        Those that were last used from an address of the network.

        Reads every address there is once: no database but PostgreSQL knows networks.
        """
        addresses = self.exclude(ip_address=None).order_by().values_list("ip_address", flat=True)
        return self.filter(
            ip_address__in=[
                address
                for address in addresses.distinct().iterator()
                if ip_address(address) in network
            ]
        )

    def named(self, public_id: UUID | None) -> Session | None:
        """Return the row of that name with its device, ended or not, or None. One statement."""
        if public_id is None:
            return None
        rows = self.using(router.db_for_write(self.model)).select_related("device")
        return rows.filter(public_id=public_id).first()

    def update(self, **kwargs: object) -> int:
        """
        Update the rows, and whatever copies of them the cache tier holds.

        The version moves on, so that no reader that is under way can put its
        older copy back. The rows are those that matched when it began, in parts: one
        that appears meanwhile is left alone, copy and all.
        """
        self._for_write = True
        matched = [] if self.query.is_sliced else list(self.values_list("pk", "public_id"))
        kwargs.setdefault("version", F("version") + 1)
        if self.query.is_sliced:
            return super().update(**kwargs)  # which says that it can't be done
        count = 0
        for start in range(0, len(matched), UPDATED_AT_ONCE):
            part = matched[start : start + UPDATED_AT_ONCE]
            rows = self.filter(pk__in=[pk for pk, _ in part])
            count += super(SessionQuerySet, rows).update(**kwargs)
            rows_changed.send(
                sender=self.model,
                public_ids=[public_id for _, public_id in part],
                ended=kwargs.get("revoked_at") is not None,
            )
        return count

    update.alters_data = True  # type: ignore[attr-defined]  # asked by templates


KEPT_BY_ENGINE = frozenset(
    {
        "public_id",
        "kind",
        "user",
        "actor",
        "device",
        "key_hash",
        "previous_key_hash",
        "rotated_at",
        "sealed_successor",
        "successor_seen",
        "successor_told_at",
        "data",
        "version",
        "authenticated_at",
        "reauthenticated_at",
        "auth_methods",
        "reauth_methods",
        "client_changed_at",
        "must_reauthenticate",
        "device_key_id",
        "device_key_at",
        "device_key_seen",
        "last_activity",
        "expire_date",
        "revoked_at",
        "revoked_reason",
        "revoked_by",
    }
)


class Session(AgentColumns):
    """
    One session of one browser or API client.

    The row decides: a cache entry is a copy that expires. Rotation replaces
    ``key_hash`` in place, so that the row, its ``public_id`` and ``created_at``
    survive it.

    Fields:

    ``public_id``
        UUIDv7; the harmless name in URLs, API and events. The session key begins
        with it, so a row is found by it; ``key_hash`` needs no index of its own and
        rotation moves no index entry.
    ``kind``
        browser, or API client (whose refresh token is the session key).
    ``user``
        who is signed in; None: anonymous. No database constraint, so that sessions
        may live in another database.
    ``actor``
        who acts as the user in it, by impersonation; None: the user themselves.
    ``device``
        the browser or app installation; None for anonymous sessions, and where an actor acts.
    ``key_hash``, ``previous_key_hash``
        SHA-256 (hex) of the session key, and of the one before the last rotation.
    ``rotated_at``
        when the key last changed.
    ``sealed_successor``
        the current key, sealed under the previous one; None after a change of
        privilege, when the previous key is dead at once.
    ``successor_seen``
        whether the current key was ever presented.
    ``successor_told_at``
        when the current key was last given out to the previous one after the grace
        period, which then begins anew; None: it was not.
    ``data``
        the session's dictionary, serialised and sealed; empty once it ended.
    ``version``
        moves with each write of ``data`` or of the key: the guard against lost updates.
    ``created_at``, ``authenticated_at``, ``reauthenticated_at``
        first stored; signed in; last proved themselves again.
    ``auth_methods``
        space-separated methods of the sign-in: ``pwd``, ``otp``, ``rcv``, ``pky``, ``sec``,
        ``dev``, ``ext`` (see ``mfa.methods``), and those proved since.
    ``reauth_methods``
        the methods that were proved at ``reauthenticated_at``.
    ``client_changed_at``
        when another browser, system or network was last seen to use it; None: never.
    ``must_reauthenticate``
        whether nothing may be done with it before its user proved themselves again.
    ``device_key_id``
        public id of the ``DeviceKey`` that it is bound to (DBSC); None: to none.
    ``device_key_at``, ``device_key_seen``
        when it was bound, and whether the browser has shown a proof since.
    ``last_activity``
        last request, to ``SESSIONS_PLUS_ACTIVITY_INTERVAL``. In no index, so that
        PostgreSQL can update it in place.
    ``expire_date``
        when it ends unless it is used again; moves with ``last_activity``, and is in
        no index for the same reason.
    ``ip_address``, ``location``
        of the last recorded request, as far as the privacy setting lets it be stored.
    ``revoked_at``, ``revoked_reason``, ``revoked_by``
        when, why and by whom it was ended; None: it was not.
    """

    public_id = models.UUIDField(unique=True, default=new_public_id, editable=False)
    kind = models.CharField(_("kind"), max_length=8, choices=Kind.choices, default=Kind.BROWSER)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # an index below begins with it
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("user"),
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # an index below begins with it
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("acted in by"),
    )
    device = models.ForeignKey(
        Device,
        on_delete=models.SET_NULL,
        db_index=False,  # an index below begins with it
        null=True,
        blank=True,
        related_name="sessions",
        verbose_name=_("device"),
    )
    key_hash = models.CharField(max_length=64, editable=False)
    previous_key_hash = models.CharField(max_length=64, blank=True, editable=False)
    rotated_at = models.DateTimeField(_("key rotated"), null=True, blank=True)
    sealed_successor = BytesField(null=True)
    successor_seen = models.BooleanField(default=True, editable=False)
    successor_told_at = models.DateTimeField(null=True, editable=False)
    data = BytesField(default=b"")
    version = models.PositiveBigIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), default=timezone.now)
    authenticated_at = models.DateTimeField(_("signed in"), null=True, blank=True)
    reauthenticated_at = models.DateTimeField(_("proved again"), null=True, blank=True)
    auth_methods = models.CharField(_("sign-in methods"), max_length=64, blank=True)
    reauth_methods = models.CharField(max_length=64, blank=True, editable=False)
    client_changed_at = models.DateTimeField(_("browser changed"), null=True, blank=True)
    must_reauthenticate = models.BooleanField(default=False, editable=False)
    device_key_id = models.UUIDField(null=True, editable=False)
    device_key_at = models.DateTimeField(_("bound to its device"), null=True, blank=True)
    device_key_seen = models.BooleanField(default=True, editable=False)
    last_activity = models.DateTimeField(_("last activity"), default=timezone.now)
    expire_date = models.DateTimeField(_("expires"))
    ip_address = models.GenericIPAddressField(_("IP address"), null=True, blank=True)
    location = FittedCharField(_("place"), max_length=200, blank=True)
    revoked_at = models.DateTimeField(_("ended"), null=True, blank=True)
    revoked_reason = models.CharField(
        _("reason"), max_length=20, choices=Reason.choices, blank=True
    )
    revoked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("ended by"),
    )

    objects = models.Manager.from_queryset(SessionQuerySet)()

    class Meta:
        verbose_name = _("session")
        verbose_name_plural = _("sessions")
        ordering = ["-id"]
        # Who is signed in, however many sessions ended on the account or device before.
        indexes = [
            models.Index(fields=["user", "revoked_at"], name="sessions_plus_session_user"),
            models.Index(fields=["device", "revoked_at"], name="sessions_plus_session_device"),
            models.Index(fields=["actor", "revoked_at"], name="sessions_plus_session_actor"),
        ]
        permissions = [("revoke_any_session", _("Can end any user's sessions"))]

    def __str__(self) -> str:
        return str(self.public_id)

    def save(self, *args: Any, **kwargs: Any) -> None:  # as Model.save() has them
        """
        Store a new row, or of an older one what the engine does not keep.

        An instance is a copy of a moment ago: saved whole, it would bring back an old
        key or a session that has ended since. Name ``update_fields`` to mean it.
        """
        if not self._state.adding and kwargs.get("update_fields") is None:
            names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = names - KEPT_BY_ENGINE
        super().save(*args, **kwargs)

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and self.expire_date > timezone.now()

    @property
    def is_bound(self) -> bool:
        """Whether only the device that it began on can go on with it."""
        return self.device_key_id is not None and self.device_key_seen

    @property
    def is_acted_in(self) -> bool:
        """Whether somebody acts in it as its user: where from is theirs, not the user's to see."""
        return self.actor_id is not None

    @property
    def label(self) -> str:
        """What its user is shown of where it is."""
        if self.is_acted_in:
            return gettext("Support staff, signed in as you")
        return self.device.label if self.device is not None else self.agent_label

    @property
    def methods(self) -> list[str]:
        return self.auth_methods.split()

    def get_decoded(self) -> SessionData:
        """
        Return the session's dictionary; empty once it ended.

        Raises:
            SealBroken: the data does not open (see ``crypto.unseal``).
        """
        if not self.data:
            return {}
        payload = unseal_data(bytes(self.data), self.public_id, self.user_id)
        serializer = _serializer()
        decoded: SessionData = serializer().loads(payload)
        return decoded


def _serializer() -> Any:  # a class, which the site names
    from django.utils.module_loading import import_string

    return import_string(settings.SESSION_SERIALIZER)


def data_context(public_id: UUID, user_id: object) -> bytes:
    """What a session's data is bound to: its table, column, row and owner."""
    return context("sessions_plus_session", "data", public_id, user_id)


def unseal_data(envelope: bytes, public_id: UUID, user_id: object) -> bytes:
    """Return the serialised dictionary of a row. Raises: SealBroken."""
    return unseal(envelope, purpose=Purpose.SESSION_DATA, bound_to=data_context(public_id, user_id))
