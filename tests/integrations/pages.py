"""The code of a page of the documentation, as a site that copied it has it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"```python\n# ([\w/]+)\.py\n(.*?)```", re.DOTALL)
SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)


def install(page: str, section: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Make the modules of a section, such as ``shop.tokens``; return the settings it names."""
    patch.setitem(sys.modules, "shop", ModuleType("shop"))
    settings: dict[str, Any] = {}
    for name, code in BLOCK.findall(_sections(page)[section]):
        if name == "settings":
            exec(code, settings)  # noqa: S102 - our own page
            continue
        module = ModuleType(name.replace("/", "."))
        patch.setitem(sys.modules, module.__name__, module)
        patch.setattr(sys.modules["shop"], name.rpartition("/")[2], module, raising=False)
        exec(code, module.__dict__)  # noqa: S102 - our own page
    return {name: value for name, value in settings.items() if name.isupper()}


def _sections(page: str) -> dict[str, str]:
    return dict(SECTION.findall((DOCS / page).read_text(encoding="utf-8")))
