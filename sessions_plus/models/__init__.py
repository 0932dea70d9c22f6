"""Facts about rows. What is done with them lives in the features."""

from django.apps import apps

if apps.apps_ready and not apps.is_installed("sessions_plus"):
    from sessions_plus.not_set_up import AppNotInstalled

    raise AppNotInstalled(
        "The settings use sessions_plus, and INSTALLED_APPS lacks it: add 'sessions_plus' there."
    )

from sessions_plus.models.adoption import AdoptedKey, AdoptionBar
from sessions_plus.models.authenticator import Algorithm, Authenticator, AuthenticatorKind
from sessions_plus.models.challenge import Challenge
from sessions_plus.models.cursor import Cursor
from sessions_plus.models.device import Device
from sessions_plus.models.device_key import DeviceKey
from sessions_plus.models.event import Event, Outcome, SessionEvent
from sessions_plus.models.failure_count import FailureCount
from sessions_plus.models.hour_count import HourCount, Measure, Overview, Span
from sessions_plus.models.notice import Notice
from sessions_plus.models.recovery_code import RecoveryCode
from sessions_plus.models.session import Kind, Reason, Session
from sessions_plus.models.signing_key import SigningKey
from sessions_plus.models.throttle import Scope, Throttle
from sessions_plus.models.used_nonce import UsedNonce

__all__ = [
    "AdoptedKey",
    "AdoptionBar",
    "Algorithm",
    "Authenticator",
    "AuthenticatorKind",
    "Challenge",
    "Cursor",
    "Device",
    "DeviceKey",
    "Event",
    "FailureCount",
    "HourCount",
    "Kind",
    "Measure",
    "Notice",
    "Outcome",
    "Overview",
    "Reason",
    "RecoveryCode",
    "Scope",
    "Session",
    "SessionEvent",
    "SigningKey",
    "Span",
    "Throttle",
    "UsedNonce",
]
