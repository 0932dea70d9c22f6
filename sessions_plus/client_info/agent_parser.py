"""
The parser of user agents: built once in a process, whoever asks first.

The only home of ``ua_parser``. Its tables take tens of megabytes and a noticeable part of a
second, so they are not loaded by an import, and no two threads load them beside each other.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ua_parser import PartialResult, Resolver


class AgentParser:
    """The parser of this process."""

    def __init__(self) -> None:
        self._resolver: Resolver | None = None
        self._renew_lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew_lock)

    def _renew_lock(self) -> None:
        """Give a forked process a lock that no lost thread holds."""
        self._lock = Lock()

    def warm_up(self) -> Resolver:
        """Build it, unless it was built: before a server forks its workers, for all of them."""
        if self._resolver is None:
            with self._lock:
                if self._resolver is None:
                    self._resolver = _build()
        return self._resolver

    def parse(self, text: str) -> PartialResult:
        """Return what is known of a user agent."""
        resolver = self._resolver or self.warm_up()
        from ua_parser import Domain

        return resolver(text, Domain.USER_AGENT | Domain.OS)


def _build() -> Resolver:
    """
    Return the Rust matcher where it is installed, or else the pure Python one, 60 times slower.

    Not the library's own parser: that has a cache of its own, and ours is enough. Without the
    models of telephones, which make up half of it and are not what we tell people.
    """
    from ua_parser import BestAvailableResolver, load_lazy_builtins

    browsers, systems, _devices = load_lazy_builtins()
    return BestAvailableResolver((browsers, systems, []))


agent_parser = AgentParser()
