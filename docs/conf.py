"""
The site of the documentation: Sphinx, with Markdown pages that also read well in the repository.

The order of the pages is that of the tables on ``index.md``; the reference is made of our
docstrings.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import django
from sphinx.application import Sphinx

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_project.settings")
os.environ.setdefault("DATABASE_URL", "sqlite://:memory:")
django.setup()

from sessions_plus import __version__  # noqa: E402  (needs the path from above)

project = "django-sessions-plus"
author = "The django-sessions-plus contributors"
copyright = author  # noqa: A001  (Sphinx names it)
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "index"
exclude_patterns = ["examples"]
myst_enable_extensions = ["attrs_inline", "colon_fence"]
myst_heading_anchors = 4
nitpicky = False

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_use_type_comments = False

html_theme = "furo"
html_title = f"django-sessions-plus {release}"
html_copy_source = False
html_show_sphinx = False
html_theme_options = {
    "sidebar_hide_name": False,
    "top_of_page_buttons": [],
}

# What stands beside the folder of the pages, and the page of the site that shows it.
BESIDE = {
    "README.md": "project/readme.md",
    "CHANGELOG.md": "project/changes.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "LICENSE": "project/license.md",
    "benchmarks/README.md": "project/benchmarks.md",
}
SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
FIRST_LINK_OF_ROW = re.compile(r"^\| \[[^]]+\]\(([^)#:]+\.md)\)", re.MULTILINE)
LINK_UPWARDS = re.compile(r"\]\(((?:\.\./)+)([\w./-]+)")


def lead_within_the_site(app: Sphinx, name: str, source: list[str]) -> None:
    """Let a link to a file beside the folder lead to the page that shows it."""
    depth = name.count("/")

    def page_of(found: re.Match[str]) -> str:
        upwards, file = found.groups()
        is_beside = upwards.count("../") == depth + 1 and file in BESIDE
        return f"]({'../' * depth}{BESIDE[file]}" if is_beside else found.group()

    source[0] = LINK_UPWARDS.sub(page_of, source[0])


def lead_within_the_site_from_beside(
    app: Sphinx, relative_path: Path, name: str, content: list[str]
) -> None:
    """The same in a file beside the folder, whose links begin there."""
    for file, page in BESIDE.items():
        # Relative to docs/, as the page says that shows it.
        content[0] = content[0].replace(f"]({file})", f"](docs/{page})")


def add_contents(app: Sphinx, name: str, source: list[str]) -> None:
    """Make the site's contents of the tables of ``index.md``, so that a page is listed once."""
    if name != root_doc:
        return
    titles = SECTION.split(source[0])
    for title, text in zip(titles[1::2], titles[2::2], strict=True):
        pages = FIRST_LINK_OF_ROW.findall(text)
        if pages:
            lines = [f":caption: {title}", ":hidden:", "", *pages]
            source[0] += "\n```{toctree}\n" + "\n".join(lines) + "\n```\n"


def show_code(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Let the indented lines of a docstring after an empty one be code, without a mark in it."""
    last = ""
    shown: list[str] = []
    for line in lines:
        follows_an_empty_line = shown[-1:] == [""]
        if follows_an_empty_line and _indent(line) > _indent(last) == 0 and last[-2:] != "::":
            shown += ["::", ""]
        shown.append(line)
        last = line if line.strip() else last
    lines[:] = shown


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def setup(app: Sphinx) -> None:
    # Before the extension that understands "Raises:".
    app.connect("autodoc-process-docstring", show_code, priority=400)
    app.connect("source-read", lead_within_the_site)
    app.connect("include-read", lead_within_the_site_from_beside)
    app.connect("source-read", add_contents)
