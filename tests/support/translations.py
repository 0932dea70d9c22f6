"""Reading of ``.po`` and ``.mo`` files, so that the one can be held against the other."""

from __future__ import annotations

import ast
import gettext
import re
from dataclasses import dataclass, field
from pathlib import Path

PLACE = re.compile(r"%\((\w+)\)[sd]")


@dataclass
class Message:
    """One entry: the text with its context as ``.mo`` files name it, and its translations."""

    context: str = ""
    singular: str = ""
    plural: str = ""
    translations: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)

    @property
    def name(self) -> str:
        return f"{self.context}\x04{self.singular}" if self.context else self.singular

    def compiled(self) -> dict[str | tuple[str, int], str]:
        """What a ``.mo`` file holds of it."""
        if not self.plural:
            return {self.name: self.translations[0]}
        return {(self.name, number): text for number, text in enumerate(self.translations)}


def read_source(path: Path) -> list[Message]:
    """Return the entries of a ``.po`` file without its header and what is commented out."""
    blocks = path.read_text(encoding="utf-8").split("\n\n")
    found = [_read_block(block) for block in blocks if re.search(r"^msgid ", block, re.MULTILINE)]
    return [message for message in found if message.singular]


def _read_block(block: str) -> Message:
    message, part = Message(), ""
    texts: dict[str, str] = {}
    for line in block.splitlines():
        if line.startswith("#,"):
            message.flags |= {flag.strip() for flag in line[2:].split(",")}
        elif not line.startswith("#"):
            keyword, _, quoted = line.rpartition(' "') if line[0] != '"' else ("", "", line[1:])
            part = keyword or part
            texts[part] = texts.get(part, "") + ast.literal_eval(f'"{quoted}')
    message.context = texts.pop("msgctxt", "")
    message.singular = texts.pop("msgid", "")
    message.plural = texts.pop("msgid_plural", "")
    message.translations = list(texts.values())
    return message


def read_compiled(path: Path) -> dict[str | tuple[str, int], str]:
    """Return what a ``.mo`` file holds, without its header."""
    with path.open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    return {name: text for name, text in catalogue.items() if name}


def places(text: str) -> set[str]:
    """The names that a text leaves open: ``%(count)d`` and the like."""
    return set(PLACE.findall(text))
