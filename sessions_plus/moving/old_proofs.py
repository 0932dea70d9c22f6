"""What other packages wrote into a session of how its user proved themselves. Values only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth import SESSION_KEY

from sessions_plus.mfa.methods import EXTERNAL, PASSWORD
from sessions_plus.moments import from_timestamp
from sessions_plus.named_types import JsonObject

OTP_KEYS = ("otp_device_id",)
"""Where django-otp, and so two-factor-auth, keeps which device was used."""

ALLAUTH_KEYS = ("account_authentication_methods", "account_authentication_methods_user")
"""Where allauth keeps a record of each proof, and of whom."""


@dataclass(frozen=True, slots=True)
class OldProofs:
    """
    What a session tells of its user's proofs.

    ``first``
        the method of the first factor; None: it does not tell.
    ``factors``
        second factors, named as ``Authenticator.imported_from`` names them.
    ``began_at``
        when the first proof was; None: it does not tell.
    """

    first: str | None = None
    factors: frozenset[str] = frozenset()
    began_at: datetime | None = None


def read_proofs(data: Mapping[str, object]) -> OldProofs:
    """
    Read what django-otp and allauth wrote.

    ``{"otp_device_id": "otp_totp.totpdevice/3"}``;
    ``{"account_authentication_methods": [{"method": "password", "at": 1700000000.0},
    {"method": "mfa", "at": 1700000009.0, "id": 5, "type": "totp"}]}``.
    """
    records = _records(data)
    return OldProofs(
        first=_first(records),
        factors=frozenset(_factors(data.get(OTP_KEYS[0]), records)),
        began_at=_began_at(records),
    )


def _records(data: Mapping[str, object]) -> list[JsonObject]:
    found, owner = data.get(ALLAUTH_KEYS[0]), data.get(ALLAUTH_KEYS[1])
    if not isinstance(found, list) or owner not in (None, data.get(SESSION_KEY)):
        return []
    return [entry for entry in found if isinstance(entry, dict)]


def _first(records: list[JsonObject]) -> str | None:
    methods = {entry.get("method") for entry in records} - {"mfa"}
    if not methods:
        return EXTERNAL if records else None  # a passkey alone
    return PASSWORD if "password" in methods else EXTERNAL


def _factors(device: object, records: list[JsonObject]) -> Iterator[str]:
    if isinstance(device, str):
        # It was a full path once: ``django_otp.plugins.otp_totp.models.TOTPDevice/3``.
        parts = device.lower().split(".")
        yield f"{parts[-3]}.{parts[-1]}" if len(parts) > 2 else device.lower()
    for entry in records:
        if entry.get("method") == "mfa":
            yield f"mfa.authenticator/{entry.get('id')}"


def _began_at(records: list[JsonObject]) -> datetime | None:
    moments = [entry["at"] for entry in records if isinstance(entry.get("at"), int | float)]
    if not moments:
        return None
    return from_timestamp(min(moments))
