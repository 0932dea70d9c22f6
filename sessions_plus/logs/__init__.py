"""
Events for others' systems: their formats, and how they get there.

``OcsfFormatter`` and ``EcsFormatter`` are for ``LOGGING``, which is read before any model is there.
"""

from sessions_plus.logs.formatters import EcsFormatter, OcsfFormatter

__all__ = ["EcsFormatter", "OcsfFormatter"]
