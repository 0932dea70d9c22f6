"""Every setting, check, event and signal is documented, as it is in the code."""

from __future__ import annotations

import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
from django.dispatch import Signal
from django.utils.module_loading import import_string

from sessions_plus import __version__, signals
from sessions_plus.checks import catalogue
from sessions_plus.conf import Conf
from sessions_plus.models import Event, Reason
from sessions_plus.templatetags import sessions_plus as templatetags
from tests.servers.kinds import KINDS, Kind

DOCS = Path(__file__).resolve().parent.parent / "docs"
WRITTEN = [*sorted(DOCS.rglob("*.md")), *sorted(DOCS.parent.glob("*.md"))]
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]+))?\)")
STYLES = DOCS.parent / "sessions_plus" / "static" / "sessions_plus" / "sessions_plus.css"
PROPERTY = re.compile(r"^ +(--sp-[\w-]+):", re.MULTILINE)
REMEDY = "run `python docs/build_tables.py` and commit the page"


def _load() -> ModuleType:
    """Load the script: the documentation is no package."""
    spec = importlib.util.spec_from_file_location("build_tables", DOCS / "build_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


build_tables = _load()

DOCUMENTED = [
    *(("settings.md", setting.full_name) for setting in Conf.declared()),
    *(("checks.md", finding.full_id) for finding in catalogue.findings()),
    *(("signals.md", name) for name, value in vars(signals).items() if isinstance(value, Signal)),
    *(("security/events.md", event.value) for event in Event),
    *(("security/events.md", reason.value) for reason in Reason),
    *(("troubleshooting.md", reason.value) for reason in Reason),
    *(("templates.md", name) for name in sorted(templatetags.register.filters)),
    *(("templates.md", name) for name in sorted(set(PROPERTY.findall(STYLES.read_text())))),
]


@pytest.mark.parametrize(("page", "name"), DOCUMENTED, ids=[name for _, name in DOCUMENTED])
def test_is_documented(page: str, name: str) -> None:
    """Each name that a site can write or meet stands on its page."""
    assert f"`{name}`" in (DOCS / page).read_text(), f"docs/{page} lacks {name}: {REMEDY}"


@pytest.mark.parametrize("name", sorted(templatetags.register.tags))
def test_tags_are_documented(name: str) -> None:
    """Each tag stands in the table of the page on templates, with all that it takes."""
    (row,) = re.findall(rf"^\| `{{% {name}\b.*$", (DOCS / "templates.md").read_text(), re.MULTILINE)

    taken = inspect.signature(getattr(templatetags, name)).parameters.values()
    options = [one.name for one in taken if one.default is not one.empty]
    assert [option for option in options if option not in row] == []


@pytest.mark.parametrize("page", build_tables.PAGES)
def test_tables_are_up_to_date(page: str) -> None:
    """A page's tables say what the code says."""
    written = (DOCS / page).read_text()

    assert written == build_tables.rebuilt(page), f"docs/{page} is out of date: {REMEDY}"


def test_each_table_stands_on_a_page() -> None:
    """No table is built for nobody."""
    pages = "".join((DOCS / page).read_text() for page in build_tables.PAGES)

    for name in build_tables.TABLES:
        assert f"<!-- table: {name} -->" in pages


def test_each_signal_says_what_it_means() -> None:
    """Below each signal stands its meaning."""
    named = {name for name, value in vars(signals).items() if isinstance(value, Signal)}

    assert {name.strip("`") for name, _ in build_tables.documented_signals()} == named


@pytest.mark.parametrize("setting", [pytest.param(s, id=s.name) for s in Conf.declared()])
def test_each_setting_says_what_it_means(setting: object) -> None:
    """A meaning is a sentence or more."""
    meaning = getattr(setting, "meaning", "")

    assert len(meaning) > 20
    assert meaning.endswith(".")


@pytest.mark.parametrize("page", [pytest.param(p, id=p.name) for p in WRITTEN])
def test_links_lead_somewhere(page: Path) -> None:
    """Each link names a file that exists, and a heading of it."""
    for path, heading in LINK.findall(page.read_text(encoding="utf-8")):
        target = (page.parent / path).resolve() if path else page

        assert target.exists(), f"{page.name} links to {path}"
        assert not heading or heading in _headings(target), f"{page.name} links to #{heading}"


def _headings(page: Path) -> set[str]:
    """The names under which a page's headings are linked to, as GitHub makes them."""
    lines = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", line).strip().lower().replace(" ", "-") for line in lines}


def test_the_index_links_every_page() -> None:
    """No page is left for nobody to find."""
    linked = {path for path, _ in LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))}
    pages = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}
    shown_for_files_beside = {page for page in pages if page.startswith("project/")}

    assert pages - shown_for_files_beside - {"index.md"} <= linked


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_servers_are_those_of_the_table(kind: Kind) -> None:
    """The page that says which servers it runs with has each that is tried, and its database."""
    _, _, table = (DOCS / "deploying.md").read_text().partition("| Between it and PostgreSQL |")
    row = next(line for line in table.splitlines() if line.startswith(f"| {kind.server} "))

    assert kind.between in row


NAMED = re.compile(r"from (sessions_plus[\w.]*) import ([\w, ]+)")
LISTED = re.compile(
    r"^\.\. auto(?:function|class):: (\S+)$|^\.\. automodule:: (\S+)\n   :members:(.*)$",
    re.MULTILINE,
)


def _names_in_examples() -> set[str]:
    """What the pages tell a site to import."""
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    found = (pair for page in pages for pair in NAMED.findall(page.read_text(encoding="utf-8")))
    return {f"{module}.{name.strip()}" for module, names in found for name in names.split(",")}


def _names_in_the_reference() -> set[str]:
    listed: set[str] = set()
    for alone, module, members in LISTED.findall((DOCS / "reference.md").read_text()):
        listed |= {f"{module}.{name.strip()}" for name in members.split(",") if name.strip()}
        listed |= {alone} if alone else set()
    return listed


@pytest.mark.parametrize("name", sorted(_names_in_examples()))
def test_the_reference_lists_what_a_site_imports(name: str) -> None:
    """Signals have a page of their own; all else stands in the reference."""
    assert name in _names_in_the_reference() or name.startswith("sessions_plus.signals.")


@pytest.mark.parametrize("name", sorted(_names_in_the_reference()))
def test_what_the_reference_lists_says_what_it_does(name: str) -> None:
    assert inspect.getdoc(import_string(name))


def test_the_changelog_has_this_version() -> None:
    """Whoever releases a version dates what is new in it."""
    newest = re.search(r"^## (.+)$", (DOCS.parent / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert newest is not None
    assert re.fullmatch(re.escape(__version__) + r" \(\d{4}-\d\d-\d\d\)|Unreleased", newest[1])


def test_every_picture_is_taken_by_the_script() -> None:
    """Each screenshot is shown somewhere, and the script that takes them anew knows it."""
    script = (DOCS / "build_pictures.py").read_text(encoding="utf-8")
    taken = set(re.findall(r'^        "([\w-]+)": \(', script, re.MULTILINE))
    shown = "\n".join(path.read_text(encoding="utf-8") for path in WRITTEN)

    assert {path.stem for path in (DOCS / "images").iterdir()} == taken
    assert {name for name in taken if f"images/{name}.png" in shown} == taken
