"""What a ``User-Agent`` header may tell: text that is safe to keep, and a name for people."""

from __future__ import annotations

import re
from codecs import utf_8_decode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

from sessions_plus.client_info.agent_names import (
    BROWSERS,
    OWN_BROWSERS,
    SHELLS,
    WORN,
    find_machine,
    find_product,
    find_token,
)
from sessions_plus.client_info.agent_parser import agent_parser
from sessions_plus.client_info.bots import (
    is_bot,
    name_of_bot,
    without_addresses,
    without_model,
)

if TYPE_CHECKING:
    from ua_parser import PartialResult

Kind = Literal["desktop", "mobile", "tablet", "bot", "program", "unknown"]

MAX_USER_AGENT_LENGTH = 512
MAX_NAME_LENGTH = 64
MAX_VERSION_LENGTH = 16

# UTF-8 needs at most four bytes, four characters of a header, for one of ours.
MAX_HEADER_LENGTH = 4 * MAX_USER_AGENT_LENGTH


@dataclass(frozen=True, slots=True)
class UserAgent:
    """
    What a user agent says of itself; nothing of it is proven.

    browser          "Firefox", or the program's or bot's name; "" if unknown
    browser_version  its major version: "128"
    system           "Windows", "macOS", "Android", or the machine: "PlayStation 5";
                     "" if unknown, and of bots
    system_version   "17.5"; "" if unknown, or frozen by the browsers (see _FROZEN)
    kind             "program" is curl, a script or an app that is no browser;
                     televisions, consoles, headsets and watches are "unknown"

    Names are at most 64 characters long, versions 16.
    """

    browser: str = ""
    browser_version: str = ""
    system: str = ""
    system_version: str = ""
    kind: Kind = "unknown"

    @property
    def label(self) -> str:
        """What people read, in the active language: "Firefox on Linux"."""
        if self.browser and self.system:
            return _("%(browser)s on %(system)s") % {
                "browser": self.browser,
                "system": self.system,
            }
        return self.browser or self.system or _("Unknown browser")


def sanitise_user_agent(raw: str) -> str:
    """
    Return the header as text that is safe to store, log and show: one printable line.

    ``raw`` is as ``request.META`` has it: bytes read as Latin-1. Valid UTF-8 among
    them is read as such, the rest stays Latin-1 (RFC 9110 §5.5). Whatever does not
    print becomes a blank: NUL (PostgreSQL refuses it), line breaks (they forge log
    lines), escape sequences, bidirectional overrides and lone surrogates. At most
    512 characters are kept.
    """
    if not (raw.isascii() and raw.isprintable()):
        text = _read_utf_8(raw[:MAX_HEADER_LENGTH])
        printable = (char if char.isprintable() else " " for char in text)
        raw = " ".join("".join(printable).split())
    return raw.strip()[:MAX_USER_AGENT_LENGTH].rstrip()


def _read_utf_8(text: str) -> str:
    try:
        # Not final: the cut may have gone through the last character.
        return utf_8_decode(text.encode("latin-1"), "strict", False)[0]
    except UnicodeError:
        return text


def parse_user_agent(text: str) -> UserAgent:
    """Say which browser, system and kind of device a user agent stands for. Never raises."""
    return _parse(sanitise_user_agent(text))


@lru_cache(maxsize=1024)
def _parse(text: str) -> UserAgent:
    if not text:
        return UserAgent()
    bare = without_addresses(text)
    if is_bot(text, bare):
        name, version = name_of_bot(bare)
        return _agent(name, version, kind="bot")
    found = agent_parser.parse(without_model(bare))
    machine = find_machine(bare)
    system, system_version = (machine, "") if machine else _system_of(bare, found)
    if not _is_browsers(bare):
        name, version = _program_of(bare, found)
        return _agent(name, version, system, system_version, kind="program" if name else "unknown")
    browser, browser_version = _browser_of(bare, found)
    kind: Kind = "unknown" if machine else _kind_of_browser(bare, system)
    if machine and browser in OWN_BROWSERS:
        browser, browser_version = "", ""  # it has one, and a person names the machine
    return _agent(browser, browser_version, system, system_version, kind=kind)


def _agent(
    browser: str,
    browser_version: str,
    system: str = "",
    system_version: str = "",
    *,
    kind: Kind,
) -> UserAgent:
    if _letters(browser) == _letters(system):  # "Roku on Roku"
        browser = ""
    return UserAgent(
        # Apple's programs write a blank as addresses do. Nothing else is decoded: it would not
        # be printable any more.
        browser=browser.replace("%20", " ")[:MAX_NAME_LENGTH],
        browser_version=browser_version[:MAX_VERSION_LENGTH],
        system=system[:MAX_NAME_LENGTH],
        system_version=system_version[:MAX_VERSION_LENGTH],
        kind=kind,
    )


_SYSTEMS = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}

# Browsers no longer tell these apart from their successors (Windows 10 may be 11,
# macOS 10.15 any later one), so showing them would mislead.
_FROZEN = {("Windows", "10"), ("macOS", "10.15"), ("ChromeOS", "14541.0")}
_FROZEN_ANDROID = "Android 10; K)"

_BROWSER_PREFIXES = ("Mozilla/", "Opera/")
_PROGRAM = re.compile(
    r"(?:axios|curl|dart|faraday|go-http-client|got|guzzlehttp|httpie|java|ktor|libwww-perl"
    r"|node|okhttp\d?|postmanruntime|python|reqwest|ruby|undici|wget)\b",
    re.IGNORECASE,
)
_IS_NO_BROWSERS = re.compile(r"PowerShell/|CFNetwork/")
_LEADING_PRODUCT = re.compile(r"([^\W\d_][^/;()]*?)(?:/v?| v?(?=\d))(\d*)")
_APP = "App"  # of whom nothing is known but that it is none that shows pages
_TABLET = re.compile(r"\b(?:iPad|Tablet(?! PC)|PlayBook|Kindle)\b")
_MOBILE_SYSTEMS = {"iOS", "Windows Phone", "KaiOS", "BlackBerry OS"}
_INTEL_MAC = re.compile(r"\bDarwin/\S+ \(x86_64\)")
_HARMONY = re.compile(r"\b(?:Open)?Harmony ?OS\b|\bOpenHarmony\b")


def _is_browsers(text: str) -> bool:
    """Say whether it is a browser's, or that of something that shows pages as one does."""
    return text.startswith(_BROWSER_PREFIXES) and not _IS_NO_BROWSERS.search(text)


def _browser_of(text: str, found: PartialResult) -> tuple[str, str]:
    """Return name and major version; of an app the app's, not those of what it is built on."""
    name, version = find_product(text)
    if name:
        return name, version
    family = found.user_agent.family if found.user_agent is not None else ""
    browser = BROWSERS.get(family, family)
    if browser in SHELLS and _shows_an_app(text, browser):
        name, version = find_token(text)
        if name:
            return name, version
    return browser, (found.user_agent.major or "") if found.user_agent is not None else ""


def _shows_an_app(text: str, browser: str) -> bool:
    """Say whether a page is shown inside an app. Safari itself tells both of these tokens."""
    return browser != "Safari" or not ("Version/" in text and " Safari/" in text)


def _program_of(text: str, found: PartialResult) -> tuple[str, str]:
    """Return name and major version of a program; of one not known by name, its product token."""
    name, version = find_product(text)
    if name:
        return name, version
    family = found.user_agent.family if found.user_agent is not None else ""
    lead = _LEADING_PRODUCT.match(text)
    if text.startswith(("Dalvik/", "Darwin/")):  # what the program runs on
        name, version = find_token(text)
        return (BROWSERS.get(family, family), "") if _is_app(family) else (name or _APP, version)
    if lead is not None and ("/" in family or not _is_the_same(family, lead[1])):
        return lead[1].strip(), lead[2]
    if found.user_agent is not None and (lead is not None or _PROGRAM.match(text)):
        return BROWSERS.get(family, family), found.user_agent.major or ""
    program = _PROGRAM.match(text)
    return (program[0], "") if program is not None else ("", "")


def _is_app(family: str) -> bool:
    return family not in ("", "Android", "Darwin", "Dalvik")


def _is_the_same(name: str, other: str) -> bool:
    """Say whether two spellings name one program: "Python Requests", "python-requests"."""
    short, long = sorted((_letters(name), _letters(other)), key=len)
    return bool(short) and long.startswith(short)


def _letters(name: str) -> str:
    return "".join(char for char in name.lower() if char.isalnum())


def _system_of(text: str, found: PartialResult) -> tuple[str, str]:
    if _HARMONY.search(text):
        return "HarmonyOS", ""
    if _INTEL_MAC.search(text):
        return "macOS", ""
    if found.os is None:
        return "", ""
    system = _SYSTEMS.get(found.os.family, found.os.family)
    version = ".".join(filter(None, (found.os.major, found.os.minor)))
    if (system, version) in _FROZEN or _FROZEN_ANDROID in text:
        version = ""
    return system, version


def _kind_of_browser(text: str, system: str) -> Kind:
    """Order matters: a tablet may say "Mobile", and a television "Android"."""
    if WORN.search(text):
        return "unknown"
    if _TABLET.search(text):
        return "tablet"
    if system in _MOBILE_SYSTEMS or "Mobi" in text or "(Phone;" in text:
        return "mobile"
    if system in ("Android", "HarmonyOS") and "(PC;" not in text:
        return "tablet"  # Google's rule: a telephone says "Mobile", a tablet does not
    return "desktop" if system else "unknown"
