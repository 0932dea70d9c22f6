"""What a ``User-Agent`` header may tell: text that is safe to keep, and a name for people."""

from __future__ import annotations

import re
from codecs import utf_8_decode
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from django.utils.translation import gettext as _

from sessions_plus.client_info.agent_parser import agent_parser

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
    system           "Windows", "macOS", "Android"; "" if unknown
    system_version   "17.5"; "" if unknown, or frozen by the browsers (see _FROZEN)
    kind             "program" is curl, a script or an app that is no browser;
                     televisions and consoles are "unknown"

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
    found = agent_parser.parse(text)
    browser, browser_version = _browser_of(text, found)
    system, system_version = _system_of(text, found)
    return UserAgent(
        browser=browser[:MAX_NAME_LENGTH],
        browser_version=browser_version[:MAX_VERSION_LENGTH],
        system=system[:MAX_NAME_LENGTH],
        system_version=system_version[:MAX_VERSION_LENGTH],
        kind=_kind_of(text, found, system),
    )


# The same browser under the names it has on telephones; and names people know.
_BROWSERS = {
    "Chrome Mobile": "Chrome",
    "Chrome Mobile iOS": "Chrome",
    "Chrome Mobile WebView": "Android WebView",
    "Edge Mobile": "Edge",
    "Firefox Mobile": "Firefox",
    "Firefox iOS": "Firefox",
    "HeadlessChrome": "Headless Chrome",
    "IE": "Internet Explorer",
    "IE Mobile": "Internet Explorer",
    "Mobile Safari": "Safari",
    "Mobile Safari UI/WKWebView": "Safari",
    "Opera Mobile": "Opera",
}

_SYSTEMS = {"Mac OS X": "macOS", "Chrome OS": "ChromeOS"}

# Browsers no longer tell these apart from their successors (Windows 10 may be 11,
# macOS 10.15 any later one), so showing them would mislead.
_FROZEN = {("Windows", "10"), ("macOS", "10.15"), ("ChromeOS", "14541.0")}
_FROZEN_ANDROID = "Android 10; K)"

_BROWSER_PREFIXES = ("Mozilla/", "Opera/")
_PRODUCT = re.compile(r"([A-Za-z][\w .-]{0,63}?)/v?(\d+)")
_PROGRAM = re.compile(
    r"(?:axios|curl|dart|faraday|go-http-client|got|guzzlehttp|httpie|java|ktor|libwww-perl"
    r"|node|okhttp|postmanruntime|python|reqwest|ruby|undici|wget)\b",
    re.IGNORECASE,
)
_POWERSHELL = "PowerShell/"
_BOT = re.compile(r"(?:bot|crawler|spider)\b", re.IGNORECASE)
_TABLET = re.compile(r"\b(?:iPad|Tablet(?! PC)|PlayBook|Kindle)\b")
_NO_COMPUTER = re.compile(
    r"TV\b|\bAFT[A-Z]{1,3}\b|BRAVIA|CrKey|Nintendo|PlayStation|Roku|Web0S|Xbox"
)
_MOBILE_SYSTEMS = {"iOS", "Windows Phone", "KaiOS", "BlackBerry OS"}


def _browser_of(text: str, found: PartialResult) -> tuple[str, str]:
    """Return name and major version; of a program not known by name, its product token."""
    if found.user_agent is not None:
        family = found.user_agent.family
        return _BROWSERS.get(family, family), found.user_agent.major or ""
    if not text.startswith(_BROWSER_PREFIXES) and (product := _PRODUCT.match(text)):
        return product[1], product[2]
    if program := _PROGRAM.match(text):
        return program[0], ""
    return "", ""


def _system_of(text: str, found: PartialResult) -> tuple[str, str]:
    if found.os is None:
        return "", ""
    system = _SYSTEMS.get(found.os.family, found.os.family)
    version = ".".join(filter(None, (found.os.major, found.os.minor)))
    if (system, version) in _FROZEN or _FROZEN_ANDROID in text:
        version = ""
    return system, version


def _kind_of(text: str, found: PartialResult, system: str) -> Kind:
    if _PROGRAM.match(text) or _POWERSHELL in text:
        return "program"
    if found.device is not None and found.device.family == "Spider":
        return "bot"
    if text.startswith(_BROWSER_PREFIXES):
        return _kind_of_browser(text, system)
    if _BOT.search(text):
        return "bot"
    return "program" if _PRODUCT.match(text) else "unknown"


def _kind_of_browser(text: str, system: str) -> Kind:
    """Order matters: a tablet may say "Mobile", and a television "Android"."""
    if _NO_COMPUTER.search(text):
        return "unknown"
    if _TABLET.search(text):
        return "tablet"
    if system in _MOBILE_SYSTEMS or "Mobi" in text:
        return "mobile"
    if system == "Android":  # Google's rule: a telephone says "Mobile", a tablet does not
        return "tablet"
    return "desktop" if system else "unknown"
