"""
Second factors as other packages keep them: read, and deleted once they are here.

Their models are found by the names of their apps; nothing of theirs is imported before its app
is known to be there. Secrets are in no ``repr``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models, router
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.mfa.totp import step_at
from sessions_plus.mfa.typed_code import DIGITS, IMPORTED, canonical
from sessions_plus.moving.left import Left
from sessions_plus.moving.old_passkeys import OldPasskey, of_allauth, of_otp_webauthn
from sessions_plus.named_types import OthersRow, OthersRows, UserId

LONGEST_PERIOD = 120


@dataclass(frozen=True, slots=True, repr=False)
class OldApp:
    """One authenticator app. ``name`` is what ``Authenticator.imported_from`` says of it."""

    name: str
    secret: bytes
    digits: int = 6
    period: int = 30
    last_step: int = -1
    label: str = ""
    confirmed_at: datetime | None = None
    last_used_at: datetime | None = None
    failures: int = 0


@dataclass(frozen=True, slots=True, repr=False)
class OldCodes:
    """Unused recovery codes that were made together, as they are typed here."""

    name: str
    codes: tuple[str, ...]
    is_whole: bool = True
    """Whether these are all that there are: none of them is too short."""


@dataclass(slots=True, repr=False)
class OldFactors:
    """What one user has there."""

    apps: list[OldApp] = field(default_factory=list)
    passkeys: list[OldPasskey] = field(default_factory=list)
    codes: list[OldCodes] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        found: list[OldApp | OldPasskey | OldCodes] = [*self.apps, *self.passkeys, *self.codes]
        return [one.name for one in found]

    def add_passkey(self, found: OldPasskey | Left) -> None:
        if isinstance(found, OldPasskey):
            self.passkeys.append(found)
        else:
            self.left.append(found)


class Source(Protocol):
    """A package that keeps second factors."""

    needs: str
    """What ``INSTALLED_APPS`` has to name."""

    def is_installed(self) -> bool: ...

    def read(self, user_ids: Collection[UserId]) -> dict[UserId, OldFactors]:
        """Return what those of the users have who have anything."""
        ...

    def delete(self, names: Collection[str]) -> None: ...

    def add_app(self, user_id: UserId, app: OldApp) -> str:
        """Give a user an app there; return its name, or "" where there is no place for it."""
        ...

    def catch_up(self, user_id: UserId, app: OldApp) -> None:
        """Void there what was used up here, of an app that came from there."""
        ...

    def void_codes(self, user_id: UserId, name: str, used: Collection[str]) -> None:
        """Void recovery codes there that were used up here."""
        ...


def _rows(label: str) -> OthersRows:
    model = apps.get_model(label)
    return models.QuerySet(model, using=router.db_for_write(model))


def _split(names: Iterable[str]) -> dict[str, list[int]]:
    """``{"otp_totp.totpdevice": [12, 13]}``."""
    found: dict[str, list[int]] = {}
    for name in names:
        label, _slash, key = name.rpartition("/")
        found.setdefault(label, []).append(int(key))
    return found


@sensitive_variables()
def _readable(codes: Iterable[str]) -> tuple[list[str], int]:
    """Return those codes that can be typed here, and how many cannot."""
    plain = ["".join(code.split()).replace("-", "") for code in codes]
    good = [code for code in plain if len(code) in IMPORTED and code.isascii() and code.isalnum()]
    return [canonical(code) for code in good], len(plain) - len(good)


class Otp:
    """django-otp, and so django-two-factor-auth and django-otp-webauthn."""

    needs = "django_otp"
    TOTP, STATIC = "otp_totp.totpdevice", "otp_static.staticdevice"
    HANDLES = "django_otp_webauthn.webauthnuserhandle"

    def is_installed(self) -> bool:
        return apps.is_installed(self.needs)

    def read(self, user_ids: Collection[UserId]) -> dict[UserId, OldFactors]:
        """See ``Source.read()``."""
        found: dict[UserId, OldFactors] = {}
        handles = self._handles(user_ids)
        for label, row in self._devices(user_ids):
            factors = found.setdefault(row.user_id, OldFactors())
            if label == self.TOTP:
                self._read_app(row, factors)
            elif label == self.STATIC:
                self._read_codes(row, factors)
            elif hasattr(row, "credential_id_sha256"):
                handle = handles.get(row.user_id)
                factors.add_passkey(of_otp_webauthn(row, f"{label}/{row.pk}", handle))
            else:
                factors.left.append(Left.OTHER)
        return found

    def _handles(self, user_ids: Collection[UserId]) -> dict[UserId, bytes]:
        """Return what authenticators know users by."""
        if not apps.is_installed("django_otp_webauthn"):
            return {}
        rows = _rows(self.HANDLES).filter(user_id__in=user_ids)
        pairs = rows.values_list("user_id", "handle_hex")
        return {user_id: bytes.fromhex(text) for user_id, text in pairs}

    def _devices(self, user_ids: Collection[UserId]) -> Iterator[tuple[str, OthersRow]]:
        for model in apps.get_models():
            if hasattr(model, "persistent_id") and hasattr(model, "verify_token"):
                label = model._meta.label_lower
                rows = _rows(label).filter(user_id__in=user_ids, confirmed=True).order_by("pk")
                if label == self.STATIC:
                    rows = rows.prefetch_related("token_set")
                elif hasattr(model, "credential_id_sha256") and hasattr(model, "attestation"):
                    rows = rows.select_related("attestation")
                for row in rows:
                    yield label, row

    @sensitive_variables()
    def _read_app(self, row: OthersRow, factors: OldFactors) -> None:
        if row.t0 or abs(row.drift) > conf.TOTP_TOLERANCE or not 0 < row.step <= LONGEST_PERIOD:
            factors.left.append(Left.CLOCK)
            return
        if row.digits not in DIGITS:
            factors.left.append(Left.DIGITS)
            return
        try:
            secret = bytes.fromhex(row.key)
        except ValueError:
            secret = b""
        if not secret:
            factors.left.append(Left.DAMAGED)
            return
        factors.apps.append(
            OldApp(
                name=f"{self.TOTP}/{row.pk}",
                secret=secret,
                digits=row.digits,
                period=row.step,
                last_step=row.last_t,
                label="" if row.name == "default" else row.name,
                confirmed_at=getattr(row, "created_at", None),
                last_used_at=getattr(row, "last_used_at", None),
                failures=row.throttling_failure_count,
            )
        )

    @sensitive_variables()
    def _read_codes(self, row: OthersRow, factors: OldFactors) -> None:
        codes, short = _readable(token.token for token in row.token_set.all())
        factors.left += [Left.SHORT] * short
        if codes:
            factors.codes.append(OldCodes(f"{self.STATIC}/{row.pk}", tuple(codes), not short))

    def delete(self, names: Collection[str]) -> None:
        """See ``Source.delete()``."""
        for label, keys in _split(names).items():
            _rows(label).filter(pk__in=keys).delete()

    @sensitive_variables()
    def add_app(self, user_id: UserId, app: OldApp) -> str:
        """See ``Source.add_app()``."""
        if not apps.is_installed("django_otp.plugins.otp_totp"):
            return ""
        model = apps.get_model(self.TOTP)
        made = model(
            user_id=user_id,
            name=app.label or "default",
            key=app.secret.hex(),
            step=app.period,
            digits=app.digits,
            last_t=app.last_step,
            confirmed=True,
        )
        made.save(using=router.db_for_write(model), force_insert=True)
        return f"{self.TOTP}/{made.pk}"

    def catch_up(self, user_id: UserId, app: OldApp) -> None:
        """See ``Source.catch_up()``."""
        rows = _rows(self.TOTP).filter(user_id=user_id, pk__in=_split([app.name])[self.TOTP])
        rows.filter(last_t__lt=app.last_step).update(last_t=app.last_step)

    @sensitive_variables()
    def void_codes(self, user_id: UserId, name: str, used: Collection[str]) -> None:
        """See ``Source.void_codes()``."""
        for row in _rows(self.STATIC).filter(user_id=user_id, pk__in=_split([name])[self.STATIC]):
            for token in row.token_set.all():
                if set(_readable([token.token])[0]) & set(used):
                    token.delete()


class Allauth:
    """``allauth.mfa``."""

    needs = "allauth.mfa"
    LABEL = "mfa.authenticator"

    def is_installed(self) -> bool:
        return apps.is_installed(self.needs)

    def read(self, user_ids: Collection[UserId]) -> dict[UserId, OldFactors]:
        """See ``Source.read()``."""
        found: dict[UserId, OldFactors] = {}
        for row in _rows(self.LABEL).filter(user_id__in=user_ids).order_by("pk"):
            factors = found.setdefault(row.user_id, OldFactors())
            if row.type == "totp":
                self._read_app(row, factors)
            elif row.type == "recovery_codes":
                self._read_codes(row, factors)
            elif row.type == "webauthn":
                handle = self._handle_of(row.user_id)
                factors.add_passkey(of_allauth(row, f"{self.LABEL}/{row.pk}", handle))
            else:
                factors.left.append(Left.OTHER)
        return found

    @sensitive_variables()
    def _read_app(self, row: OthersRow, factors: OldFactors) -> None:
        digits, period = getattr(settings, "MFA_TOTP_DIGITS", 6), self._period()
        if digits not in DIGITS or not 0 < period <= LONGEST_PERIOD:
            factors.left.append(Left.DIGITS if digits not in DIGITS else Left.CLOCK)
            return
        secret = self._open(row)
        if not secret:
            factors.left.append(Left.DAMAGED)
            return
        factors.apps.append(
            OldApp(
                name=f"{self.LABEL}/{row.pk}",
                secret=secret,
                digits=digits,
                period=period,
                last_step=self._last_step(row.last_used_at),
                confirmed_at=row.created_at,
                last_used_at=row.last_used_at,
            )
        )

    def _handle_of(self, user_id: UserId) -> bytes:
        """Return what authenticators know a user by, as the site's adapter says."""
        user = get_user_model()._default_manager.get(pk=user_id)
        adapter = import_string("allauth.mfa.adapter.get_adapter")()
        handle: bytes = adapter.get_public_key_credential_user_entity(user)["id"]
        return handle

    def _period(self) -> int:
        return int(getattr(settings, "MFA_TOTP_PERIOD", 30))

    def _last_step(self, used_at: datetime | None) -> int:
        """Return the latest step that may have been used: it remembers codes, not steps."""
        if used_at is None:
            return -1
        return step_at(used_at, period=self._period()) + int(
            getattr(settings, "MFA_TOTP_TOLERANCE", 0)
        )

    @sensitive_variables()
    def _open(self, row: OthersRow) -> bytes:
        try:
            text = import_string("allauth.mfa.adapter.get_adapter")().decrypt(row.data["secret"])
            return base64.b32decode(text + "=" * (-len(text) % 8), casefold=True)
        except (KeyError, binascii.Error):
            return b""
        except Exception:  # a site's own adapter has errors of its own
            return b""

    @sensitive_variables()
    def _read_codes(self, row: OthersRow, factors: OldFactors) -> None:
        try:
            unused = row.wrap().get_unused_codes()
        except Exception:  # a site's own adapter has errors of its own
            factors.left.append(Left.DAMAGED)
            return
        codes, short = _readable(unused)
        factors.left += [Left.SHORT] * short
        if codes:
            factors.codes.append(OldCodes(f"{self.LABEL}/{row.pk}", tuple(codes), not short))

    def delete(self, names: Collection[str]) -> None:
        """See ``Source.delete()``."""
        _rows(self.LABEL).filter(pk__in=_split(names).get(self.LABEL, [])).delete()

    @sensitive_variables()
    def add_app(self, user_id: UserId, app: OldApp) -> str:
        """See ``Source.add_app()``. It has one app for each user, and one form of codes."""
        if (app.digits, app.period) != (getattr(settings, "MFA_TOTP_DIGITS", 6), self._period()):
            return ""
        if _rows(self.LABEL).filter(user_id=user_id, type="totp").exists():
            return ""
        adapter = import_string("allauth.mfa.adapter.get_adapter")()
        model = apps.get_model(self.LABEL)
        text = base64.b32encode(app.secret).decode()
        made = model(user_id=user_id, type="totp", data={"secret": adapter.encrypt(text)})
        made.save(using=router.db_for_write(model), force_insert=True)
        return f"{self.LABEL}/{made.pk}"

    def catch_up(self, user_id: UserId, app: OldApp) -> None:
        """See ``Source.catch_up()``. It remembers codes for a minute, and no steps."""

    @sensitive_variables()
    def void_codes(self, user_id: UserId, name: str, used: Collection[str]) -> None:
        """See ``Source.void_codes()``."""
        keys = _split([name]).get(self.LABEL, [])
        for row in _rows(self.LABEL).filter(user_id=user_id, pk__in=keys, type="recovery_codes"):
            for code in list(row.wrap().get_unused_codes()):
                if set(_readable([code])[0]) & set(used):
                    row.wrap().validate_code(code)


SOURCES: dict[str, Source] = {"otp": Otp(), "allauth": Allauth()}
