"""When the circuit breaker opens, how long it waits, and who may probe."""

from __future__ import annotations

from typing import Any

import pytest

from sessions_plus.cache import breaker as module
from sessions_plus.cache.breaker import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker


class Clock:
    """Time that passes only when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def __call__(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    replaced: Any = clock
    monkeypatch.setattr(module, "time", replaced)
    return clock


def test_one_fault_opens_it_and_one_caller_is_told(wait: Clock) -> None:
    breaker = Breaker()

    assert [breaker.trip() for _ in range(3)] == [True, False, False]
    assert breaker.is_open


def test_many_that_fail_at_once_are_one_fault(wait: Clock) -> None:
    """Fifty threads that waited for the same dead cache put the probe off no further than one."""
    breaker = Breaker()

    for _ in range(50):
        breaker.trip()
        wait(FIRST_PAUSE_SECONDS / 1000)
    wait(FIRST_PAUSE_SECONDS)

    assert breaker.may_probe()


def test_one_caller_probes(wait: Clock) -> None:
    breaker = Breaker()
    breaker.trip()
    assert not breaker.may_probe()

    wait(FIRST_PAUSE_SECONDS)

    assert [breaker.may_probe(), breaker.may_probe()] == [True, False]


def test_failed_probes_come_less_and_less_often(wait: Clock) -> None:
    """Each pause is twice the one before, up to the longest; success begins anew."""
    breaker = Breaker()
    breaker.trip()
    pauses = []
    for _ in range(6):
        started = wait.now
        while not breaker.may_probe():
            wait(0.25)
        pauses.append(wait.now - started)
        breaker.put_off()

    assert pauses == [0.5, 1.0, 2.0, 4.0, LONGEST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS]
    assert [breaker.close(), breaker.close()] == [True, False]
    breaker.trip()
    wait(FIRST_PAUSE_SECONDS)
    assert breaker.may_probe()


def test_a_probe_that_never_reports_holds_nobody_up_for_good(wait: Clock) -> None:
    breaker = Breaker()
    breaker.trip()
    wait(FIRST_PAUSE_SECONDS)
    assert breaker.may_probe()  # by a thread that dies

    wait(LONGEST_PAUSE_SECONDS)

    assert breaker.may_probe()
