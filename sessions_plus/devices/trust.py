"""
Trusted devices: browsers that may skip the second factor for a while.

The trust token is random, used once, and followed by the next at each use, so that a
copied one is found out. It stands for one user on one device, and ends with the
password, with any change of factors, and with the device.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models

from sessions_plus.conf import conf
from sessions_plus.crypto import Purpose, digest
from sessions_plus.devices.recognition import SignIn
from sessions_plus.events import record
from sessions_plus.keys import new_token, read_token
from sessions_plus.models import Device, Event
from sessions_plus.models.device import DeviceQuerySet
from sessions_plus.named_types import SiteUser
from sessions_plus.rows import session_row
from sessions_plus.store.session_store import SessionStore

if TYPE_CHECKING:
    from sessions_plus.client_info import ClientInfo


def trust_lifetime(user: models.Model) -> timedelta | None:
    """
    Return how long a device of ``user`` may be trusted; None: not at all.

    Never for staff, and never under ``aal3``, whatever the setting says
    (NIST SP 800-63B-4 §5.1).
    """
    if conf.PROFILE == "aal3" or getattr(user, "is_staff", False):
        return None
    return None if getattr(user, "is_superuser", False) else conf.TRUSTED_DEVICE_LIFETIME


class TrustingSignIn(SignIn):
    """A sign-in whose user also said that this device is theirs."""

    def written(self, store: SessionStore, now: datetime) -> None:
        super().written(store, now)
        lifetime = trust_lifetime(self.user)
        if self.found is None or lifetime is None:
            return
        device = self.found.device
        token = new_token(device.public_id, purpose=Purpose.TRUST)
        store.issued_trust_token = token
        device.trust_hash = trust_hash(token, self.user)
        device.trusted_until = now + lifetime
        device.save(update_fields=["trust_hash", "trusted_until"])
        record(Event.DEVICE_TRUSTED, user=self.user, device=device, client=store.client)


def use_trust(
    user: AbstractBaseUser,
    token: str | None,
    *,
    device_token: str | None,
    client: ClientInfo | None,
    now: datetime,
) -> str | None:
    """
    Use a trust token up; return the next one, or None where the device is not trusted.

    A token that was replaced, or is of before a change of password, ends the trust.
    """
    public_id = read_token(token, purpose=Purpose.TRUST)
    if token is None or public_id is None or trust_lifetime(user) is None:
        return None
    trusted = _trusted(user).filter(public_id=public_id, trusted_until__gt=now)
    successor = new_token(public_id, purpose=Purpose.TRUST)
    same_browser = trusted.filter(token_hash=digest(device_token or ""))
    current = same_browser.filter(trust_hash=trust_hash(token, user))
    if current.update(trust_hash=trust_hash(successor, user)):
        return successor
    for device in trusted:
        distrust(device, reason="stale_token", client=client)
    return None


def distrust(
    device: Device,
    *,
    actor: models.Model | None = None,
    reason: str = "",
    client: ClientInfo | None = None,
) -> bool:
    """End trust in ``device``. Return False if there was none."""
    trusted = Device.objects.using(session_row.database()).exclude(trusted_until=None)
    if not trusted.filter(pk=device.pk).update(trusted_until=None, trust_hash=""):
        return False
    device.trusted_until, device.trust_hash = None, ""
    record(
        Event.DEVICE_DISTRUSTED,
        user_id=device.user_id,
        device=device,
        actor=actor,
        reason=reason,
        client=client,
    )
    return True


def distrust_all(
    user: models.Model,
    *,
    actor: models.Model | None = None,
    reason: str = "",
    client: ClientInfo | None = None,
) -> int:
    """End trust in all devices of ``user``; return in how many. See distrust()."""
    return sum(
        distrust(device, actor=actor, reason=reason, client=client) for device in _trusted(user)
    )


def trust_hash(token: str, user: SiteUser) -> str:
    """A digest of the token and of what changes with the password."""
    return digest(f"{token}:{user.get_session_auth_hash()}")


def _trusted(user: models.Model) -> DeviceQuerySet:
    devices = Device.objects.using(session_row.database()).for_user(user).active()
    return devices.exclude(trusted_until=None)
