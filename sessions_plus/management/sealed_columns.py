"""Every column of envelopes that we have, for the commands that look after the keys."""

from __future__ import annotations

from sessions_plus.crypto import Purpose
from sessions_plus.maintenance.resealing import SealedColumn, sessions_column
from sessions_plus.mfa.passkeys.credentials import key_context
from sessions_plus.mfa.totp import secret_context
from sessions_plus.models import AdoptedKey, Authenticator, DeviceKey, SigningKey
from sessions_plus.models.device_key import jwk_context
from sessions_plus.models.signing_key import private_key_context
from sessions_plus.store.kept_old_keys import old_key_context


def sealed_columns() -> dict[str, SealedColumn]:
    """Return each of them by what it holds."""
    return {
        "sessions": sessions_column(),
        "authenticators": SealedColumn(
            Authenticator,
            "sealed_secret",
            Purpose.TOTP_SECRET,
            lambda row: secret_context(row.public_id, row.user_id),
        ),
        "passkeys": SealedColumn(
            Authenticator,
            "sealed_public_key",
            Purpose.PASSKEY,
            lambda row: key_context(row.public_id, row.user_id),
        ),
        "signing keys": SealedColumn(
            SigningKey,
            "sealed_private_key",
            Purpose.SIGNING_KEY,
            lambda row: private_key_context(row.kid),
        ),
        "kept old keys": SealedColumn(
            AdoptedKey, "sealed_old_key", Purpose.OLD_KEY, old_key_context
        ),
        "device keys": SealedColumn(
            DeviceKey,
            "sealed_jwk",
            Purpose.DEVICE_KEY,
            lambda row: jwk_context(row.public_id, row.session.public_id),
            owner="session",
        ),
    }
