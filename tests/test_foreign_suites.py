"""The command that runs tests of others fails on what nobody expects, and on nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.foreign_suites import __main__ as command
from tests.foreign_suites.expected import EXPECTED, Reason
from tests.foreign_suites.runs import Run
from tests.foreign_suites.suites import SUITES, Suite

SUITE = Suite("shop", "1.0", ("tests",))
AS_IT_IS = {"a": "passed", "b": "failed", "c": "skipped"}
RIGHTLY = Reason("Rightly so.", shown_by="we said no")


@pytest.mark.parametrize(
    ("with_ours", "said", "expected", "unexpected"),
    [
        pytest.param({}, "", {}, 0, id="the same"),
        pytest.param({"a": "failed"}, "", {}, 1, id="one fails"),
        pytest.param({"b": "passed"}, "", {}, 1, id="one passes that failed"),
        pytest.param({"d": "passed"}, "", {}, 1, id="one more"),
        pytest.param({"a": "failed"}, "as we said no", {"a": RIGHTLY}, 0, id="as the list says"),
        pytest.param({"a": "failed"}, "as we said no", {"*": RIGHTLY}, 0, id="by how it begins"),
        pytest.param({"a": "failed"}, "no such name", {"a": RIGHTLY}, 1, id="for another reason"),
        pytest.param({}, "", {"a": RIGHTLY}, 1, id="not as the list says"),
    ],
)
def test_differences(
    with_ours: Mapping[str, str],
    said: str,
    expected: Mapping[str, Reason],
    unexpected: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each difference with each engine counts, unless the list has it, and it shows the reason."""

    def run(suite: Suite, source: Path, *, engine: str, database: object) -> Run:
        return Run({**AS_IT_IS, **(with_ours if engine else {})}, "output", {"a": said})

    monkeypatch.setattr(command, "find_source", lambda suite: Path())
    monkeypatch.setattr(command, "run", run)
    monkeypatch.setattr(command, "EXPECTED", {("shop", "SQLite"): expected})

    assert command.compare(SUITE, None) == unexpected * len(command.ENGINES)


def test_tests_that_did_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing passes even without us, nothing is shown, so it counts."""
    monkeypatch.setattr(command, "find_source", lambda suite: Path())
    monkeypatch.setattr(command, "run", lambda *_, **__: Run({}, "no module of that name"))

    assert command.compare(SUITE, None) == 1


def test_each_reason_is_one() -> None:
    """What is expected is of a suite that is run, and says why, and what shows it."""
    names = {str(suite) for suite in SUITES}
    reasons = [reason for tests in EXPECTED.values() for reason in tests.values()]

    assert {name for name, _ in EXPECTED} <= names
    assert all(reason.text.endswith(".") and reason.shown_by for reason in reasons)
