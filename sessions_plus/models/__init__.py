"""Facts about rows. What is done with them lives in the features."""

from sessions_plus.models.device import Device
from sessions_plus.models.event import Event, Outcome, SessionEvent
from sessions_plus.models.session import Kind, Reason, Session
from sessions_plus.models.signing_key import SigningKey

__all__ = ["Device", "Event", "Kind", "Outcome", "Reason", "Session", "SessionEvent", "SigningKey"]
