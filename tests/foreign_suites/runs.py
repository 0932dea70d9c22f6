"""One run of a suite, in a process of its own, and what became of each of its tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from tests.foreign_suites.sources import CACHE
from tests.foreign_suites.suites import Suite
from tests.support.environments import ROOT

PLUGIN = Path(__file__).with_name("in_place.py")
AS_IT_IS = ""


@dataclass(frozen=True)
class Run:
    """
    ``outcomes``: by a test's name, ``passed``, ``failed`` or ``skipped``.

    ``said``: what each test left behind that failed: its error, and what was logged meanwhile.
    """

    outcomes: Mapping[str, str]
    output: str
    said: Mapping[str, str] = field(default_factory=dict)

    def count(self, outcome: str) -> int:
        return sum(each == outcome for each in self.outcomes.values())

    def differences(self, other: Run) -> dict[str, str]:
        """Return what became of each test that did not end as in another run; None: it is not."""
        return {
            test: f"{self.outcomes.get(test)} → {other.outcomes.get(test)}"
            for test in self.outcomes.keys() | other.outcomes.keys()
            if self.outcomes.get(test) != other.outcomes.get(test)
        }


def run(suite: Suite, source: Path, *, engine: str, database: Mapping[str, Any] | None) -> Run:
    """Run a suite with one of our engines in place; ``AS_IT_IS``: with nothing of ours."""
    with tempfile.TemporaryDirectory(prefix="sp-foreign-") as directory:
        report = Path(directory) / "report.xml"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "in_place", "-p", "no:cacheprovider"),
                *("-o", "addopts=", "-o", "django_find_project=false"),
                *(f"--junitxml={report}", "-o", "junit_logging=all", "--log-level=INFO"),
                *("-n", "2", *suite.options),
                *(() if suite.is_configured else ("-c", os.devnull, f"--rootdir={source}")),
                *suite.tests,
            ],
            cwd=source,
            env=_environment(suite, source, engine, database),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        cases = _cases(report) if report.exists() else {}
    outcomes = {name: _outcome(case) for name, case in cases.items()}
    failed = [name for name, outcome in outcomes.items() if outcome == "failed"]
    return Run(outcomes, done.stdout, {name: "".join(cases[name].itertext()) for name in failed})


def _environment(
    suite: Suite, source: Path, engine: str, database: Mapping[str, Any] | None
) -> dict[str, str]:
    own = [str(source / path) for path in suite.paths]
    settings = {"DJANGO_SETTINGS_MODULE": suite.settings} if suite.settings else {}
    inherited = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
    return {
        **inherited,
        **settings,
        "PYTHONPATH": os.pathsep.join([*own, str(_ours())]),
        "FOREIGN_ENGINE": engine,
        "FOREIGN_DATABASE": json.dumps(database) if database else "",
        "FOREIGN_WITHOUT": json.dumps(suite.without),
    }


def _ours() -> Path:
    """Return a directory with our app and the plugin alone: our tests are named as others' are."""
    directory = CACHE / "ours"
    directory.mkdir(parents=True, exist_ok=True)
    for target in (ROOT / "sessions_plus", PLUGIN):
        link = directory / target.name
        if not link.exists():
            link.symlink_to(target)
    return directory


def _cases(report: Path) -> dict[str, Element]:
    found = ElementTree.parse(report).iter("testcase")  # noqa: S314 - pytest wrote it
    return {f"{case.get('classname')}.{case.get('name')}": case for case in found}


def _outcome(case: Element) -> str:
    kinds = {child.tag for child in case}
    return (
        "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
    )
