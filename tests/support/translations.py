"""Reading of ``.po`` and ``.mo`` files, so that the one can be held against the other."""

from __future__ import annotations

import ast
import gettext
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Where texts are: each of these has a ``locale`` folder.
PACKAGES = ("sessions_plus", "demo_project")
SOURCES = sorted(
    p for name in PACKAGES for p in ROOT.glob(f"{name}/locale/*/LC_MESSAGES/django.po")
)
LANGUAGES = sorted({path.parent.parent.name for path in SOURCES})

PLACE = re.compile(r"%\((\w+)\)[sd]|\{(\w*)\}")
TAG = re.compile(r"</?\w[^>]*>")


@dataclass
class Message:
    """
    One entry: the text with its context as ``.mo`` files name it, and its translations.

    ``forms`` is how many of them the language needs: more than one if it depends on a number.
    """

    context: str = ""
    singular: str = ""
    plural: str = ""
    translations: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    forms: int = 1

    @property
    def name(self) -> str:
        return f"{self.context}\x04{self.singular}" if self.context else self.singular

    @property
    def most_places(self) -> set[str]:
        """What a translation may leave open."""
        return places(self.singular) | places(self.plural)

    @property
    def least_places(self) -> set[str]:
        """What it has to: where the number is spelt out in the text, it need not."""
        return places(self.singular) & places(self.plural or self.singular)

    def compiled(self) -> dict[str | tuple[str, int], str]:
        """What a ``.mo`` file holds of it."""
        if not self.plural:
            return {self.name: self.translations[0]}
        return {(self.name, number): text for number, text in enumerate(self.translations)}


def read_source(path: Path) -> list[Message]:
    """Return the entries of a ``.po`` file without its header and what is commented out."""
    text = path.read_text(encoding="utf-8")
    blocks = [block for block in text.split("\n\n") if re.search(r"^msgid ", block, re.MULTILINE)]
    header, *messages = map(_read_block, blocks)
    for message in messages:
        if message.plural:
            message.forms = _number_of_forms(header)
    return messages


def _number_of_forms(header: Message) -> int:
    found = re.search(r"^Plural-Forms: nplurals=(\d+);", header.translations[0], re.MULTILINE)
    assert found, "The header has no Plural-Forms."
    return int(found[1])


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
    return {percent or brace for percent, brace in PLACE.findall(text)}


def tags(text: str) -> list[str]:
    """The HTML tags of a text, which is written onto the page as it is."""
    return sorted(TAG.findall(text))
