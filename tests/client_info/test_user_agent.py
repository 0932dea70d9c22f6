"""User agents: what is kept of the header, and what it is read as."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from sessions_plus.client_info.user_agent import (
    MAX_NAME_LENGTH,
    MAX_USER_AGENT_LENGTH,
    MAX_VERSION_LENGTH,
    UserAgent,
    parse_user_agent,
    sanitise_user_agent,
)

WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

FIREFOX_LINUX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CHROME_ANDROID = (
    f"Mozilla/5.0 (Linux; Android 10; K) {WEBKIT} Chrome/127.0.0.0 Mobile Safari/537.36"
)
SAFARI_IPHONE = (
    f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE}"
    " Version/17.5 Mobile/15E148 Safari/604.1"
)
SAFARI_IPAD = (
    f"Mozilla/5.0 (iPad; CPU OS 16_6 like Mac OS X) {APPLE} Version/16.6 Mobile/15E148 Safari/604.1"
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param(FIREFOX_LINUX, FIREFOX_LINUX, id="an honest one"),
        pytest.param("", "", id="empty"),
        pytest.param("  curl/8.5.0 ", "curl/8.5.0", id="blanks around"),
        pytest.param("a\x00b", "a b", id="NUL"),
        pytest.param("a\r\nERROR forged\n", "a ERROR forged", id="line breaks"),
        pytest.param("a\x1b[31mb", "a [31mb", id="escape sequence"),
        pytest.param("a\x7fb", "a b", id="DEL"),
        pytest.param("a\x85b\x9fc", "a b c", id="C1 controls"),
        pytest.param("a\u202eb\u2066c\u200fd", "a b c d", id="bidirectional controls"),
        pytest.param("a\u2028b\u2029c", "a b c", id="line separators"),
        pytest.param("a\u200b\ufeffb", "a b", id="invisible characters"),
        pytest.param("a\ud800b", "a b", id="lone surrogate"),
        pytest.param("a\U0010ffffb", "a b", id="no character"),
        pytest.param("Ünïcode/1 日本", "Ünïcode/1 日本", id="text that was read already"),
        pytest.param(
            "Bj\u00f6rn/1 日本 😀".encode().decode("latin-1"), "Björn/1 日本 😀", id="UTF-8 in META"
        ),
        pytest.param("Bj\xf6rn/1", "Björn/1", id="Latin-1 in META"),
        pytest.param(b"a\xe2\x80\xaeb".decode("latin-1"), "a b", id="bidi in UTF-8 in META"),
        pytest.param(b"a\xed\xa0\x80b".decode("latin-1"), "aí b", id="surrogate in UTF-8 in META"),
        pytest.param("\x00\x01\u202e", "", id="nothing printable"),
        pytest.param("x" * 511 + " y", "x" * 511, id="cut behind a blank"),
    ],
)
def test_sanitise(raw: str, expected: str) -> None:
    """What is kept of a user agent is one printable line."""
    assert sanitise_user_agent(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("x" * 1_000_000, id="ASCII"),
        pytest.param(("é" * 1_000_000).encode().decode("latin-1"), id="UTF-8"),
        pytest.param(("x" + "😀" * 1_000_000).encode().decode("latin-1"), id="UTF-8, cut inside"),
    ],
)
def test_sanitise_length(raw: str) -> None:
    """The first 512 characters are kept, and a character is never cut in two."""
    kept = sanitise_user_agent(raw)

    assert len(kept) == MAX_USER_AGENT_LENGTH
    assert len(set(kept)) <= 2


def test_a_huge_header_costs_little() -> None:
    """Of a megabyte no more is looked at than could be kept."""
    raw = "\xe9" * 1_000_000

    tracemalloc.start()
    sanitise_user_agent(raw)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak_bytes < 200_000


@given(st.one_of(st.text(max_size=700), st.binary(max_size=700).map(lambda b: b.decode("latin-1"))))
def test_sanitise_anything(raw: str) -> None:
    """Whatever a client sends, what is kept prints, is short, and can be encoded and stored."""
    kept = sanitise_user_agent(raw)

    assert kept.isprintable()
    assert kept == kept.strip()
    assert len(kept) <= MAX_USER_AGENT_LENGTH
    assert kept.encode("utf-8").decode("utf-8") == kept


PEOPLE = [
    pytest.param(FIREFOX_LINUX, "Firefox on Linux", "desktop", id="Firefox, Linux"),
    pytest.param(
        "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
        "Firefox on Ubuntu",
        "desktop",
        id="Firefox, Ubuntu",
    ),
    pytest.param(
        f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT} Chrome/127.0.0.0 Safari/537.36"
        " Edg/127.0.0.0",
        "Edge on Windows",
        "desktop",
        id="Edge, Windows",
    ),
    pytest.param(
        f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {APPLE} Version/17.5 Safari/605.1.15",
        "Safari on macOS",
        "desktop",
        id="Safari, Mac",
    ),
    pytest.param(
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/127.0.0.0 Safari/537.36",
        "Chrome on ChromeOS",
        "desktop",
        id="Chrome, Chromebook",
    ),
    pytest.param(
        "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; Tablet PC 2.0; rv:11.0) like Gecko",
        "Internet Explorer on Windows",
        "desktop",
        id="a Windows PC with a pen",
    ),
    pytest.param(
        f"Mozilla/5.0 (X11; Linux x86_64) {WEBKIT} HeadlessChrome/127.0.0.0 Safari/537.36",
        "Headless Chrome on Linux",
        "desktop",
        id="Chrome without a window",
    ),
    pytest.param(SAFARI_IPHONE, "Safari on iOS", "mobile", id="iPhone"),
    pytest.param(
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {APPLE}"
        " CriOS/127.0.6533.77 Mobile/15E148 Safari/604.1",
        "Chrome on iOS",
        "mobile",
        id="Chrome, iPhone",
    ),
    pytest.param(SAFARI_IPAD, "Safari on iOS", "tablet", id="iPad"),
    pytest.param(CHROME_ANDROID, "Chrome on Android", "mobile", id="Android telephone"),
    pytest.param(
        CHROME_ANDROID.replace("Mobile ", ""), "Chrome on Android", "tablet", id="Android tablet"
    ),
    pytest.param(
        "Mozilla/5.0 (Android 14; Mobile; rv:128.0) Gecko/128.0 Firefox/128.0",
        "Firefox on Android",
        "mobile",
        id="Firefox, Android telephone",
    ),
    pytest.param(
        "Mozilla/5.0 (Android 14; Tablet; rv:128.0) Gecko/128.0 Firefox/128.0",
        "Firefox on Android",
        "tablet",
        id="Firefox, Android tablet",
    ),
    pytest.param(
        f"Mozilla/5.0 (Linux; Android 9; CUBOT_X19) {WEBKIT} Chrome/127.0.0.0 Mobile Safari/537.36",
        "Chrome on Android",
        "mobile",
        id="a telephone named like a bot",
    ),
    pytest.param(
        "Mozilla/5.0 (Mobile; Nokia 8110 4G; rv:48.0) Gecko/48.0 Firefox/48.0 KAIOS/2.5",
        "Firefox on KaiOS",
        "mobile",
        id="KaiOS",
    ),
    pytest.param(
        f"Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) {WEBKIT} Version/6.0 TV Safari/537.36",
        "Samsung TV",
        "unknown",
        id="television",
    ),
]

MACHINES = [
    pytest.param("curl/8.5.0", "curl", "program", id="curl"),
    pytest.param("python-requests/2.32.3", "Python Requests", "program", id="requests"),
    pytest.param("Python-urllib/3.11", "Python-urllib", "program", id="urllib"),
    pytest.param("python-httpx/0.28.1", "python-httpx", "program", id="httpx"),
    pytest.param("okhttp/4.12.0", "okhttp", "program", id="okhttp"),
    pytest.param("Java/17.0.1", "Java", "program", id="Java"),
    pytest.param("Go-http-client/2.0", "Go-http-client", "program", id="Go"),
    pytest.param("node", "node", "program", id="node"),
    pytest.param("MyCompany/3.2 (iOS 17)", "MyCompany", "program", id="an app"),
    pytest.param(
        "MyApp/12 CFNetwork/1496.0.7 Darwin/23.5.0", "MyApp on iOS", "program", id="an iOS app"
    ),
    pytest.param(
        "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.4522",
        "PowerShell on Windows",
        "program",
        id="PowerShell",
    ),
    pytest.param(
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Googlebot",
        "bot",
        id="Googlebot",
    ),
    pytest.param(
        f"Mozilla/5.0 {WEBKIT.replace('Gecko)', 'Gecko; compatible; GPTBot/1.2)')}",
        "GPTBot",
        "bot",
        id="GPTBot",
    ),
    pytest.param("UptimeRobot/2.0", "UptimeRobot", "bot", id="UptimeRobot"),
    pytest.param("Example-Site-Crawler/2", "Example-Site-Crawler", "bot", id="a bot of one's own"),
    pytest.param("", "Unknown browser", "unknown", id="empty"),
    pytest.param("asdf qwer", "Unknown browser", "unknown", id="garbage"),
    pytest.param("\ud800", "Unknown browser", "unknown", id="surrogate"),
]


@pytest.mark.parametrize(("text", "label", "kind"), PEOPLE + MACHINES)
def test_parse(text: str, label: str, kind: str) -> None:
    """A user agent is read as a browser, a system and a kind of device."""
    agent = parse_user_agent(text)

    assert (agent.label, agent.kind) == (label, kind)


COLLECTED = [
    tuple(line.split("\t"))
    for line in (Path(__file__).parent / "user_agents.tsv").read_text("utf-8").splitlines()
    if line and not line.startswith("#")
]


@pytest.mark.parametrize(("label", "kind", "text"), COLLECTED)
def test_what_a_person_would_say(label: str, kind: str, text: str) -> None:
    """Browsers, apps, machines, programs and robots of our day are called what people call them."""
    agent = parse_user_agent(text)

    assert (agent.label, agent.kind) == (label, kind)


def test_the_collection_is_large_and_has_no_doubles() -> None:
    assert len({text for _, _, text in COLLECTED}) == len(COLLECTED) >= 100


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Mozilla/5.0 (compatible; +https://Chrome/99.example)", id="https"),
        pytest.param("fetch (http://Firefox/128.0/bot.html)", id="http"),
        pytest.param("Mozilla/5.0 (compatible; www.Opera/9.example)", id="www"),
        pytest.param("Mozilla/5.0 (compatible; Edge@example.com)", id="mail"),
    ],
)
def test_no_name_comes_from_an_address(text: str) -> None:
    """What stands in a link or a mail address names nobody."""
    agent = parse_user_agent(text)

    assert agent.kind == "bot"
    assert agent.browser not in {"Chrome", "Firefox", "Opera", "Edge"}


PHONE = f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {WEBKIT} Chrome/131.0.0.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    "says",
    [
        "(compatible; ExampleBot/1.0)",
        "(compatible; Example-Crawler/2.0; +https://example.com)",
        "ExampleSpider/1",
        "(+https://example.com/about)",
        "Chrome-Lighthouse",
        "Example-User/1.0",
    ],
)
def test_a_robot_on_a_telephone_is_a_robot(says: str) -> None:
    """Whatever telephone a robot calls itself, it is one, and its name is its own."""
    agent = parse_user_agent(f"{PHONE} {says}")

    assert (agent.kind, agent.system) == ("bot", "")
    assert agent.browser != "Chrome"


@pytest.mark.parametrize("model", ["CUBOT X30", "M bot 54", "Spider 8", "XBot Junior"])
def test_a_telephone_called_like_a_robot_is_a_telephone(model: str) -> None:
    """The name of somebody's telephone makes nobody a robot."""
    agent = parse_user_agent(PHONE.replace("Pixel 8", model))

    assert (agent.label, agent.kind) == ("Chrome on Android", "mobile")


def test_names_are_printable_whatever_they_encode() -> None:
    """A blank in the name of an app of Apple's is one; nothing else is decoded."""
    agent = parse_user_agent("My%20App%0d%0aX/1 CFNetwork/1496.0.7 Darwin/23.5.0")

    assert agent.browser == "My App%0d%0aX"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 512,
        "a@" * 256,
        "a." * 256,
        "(" * 512,
        "+a." * 170,
        "TV " * 170,
        "x/1 " * 128,
        "1.2/" * 128,
    ],
)
def test_nothing_is_slow(text: str) -> None:
    """
    No text makes an expression look at it again and again.

    What takes a millisecond at 512 characters would take seconds, were it exponential.
    """
    parse_user_agent(text)


@pytest.mark.parametrize(
    ("text", "browser_version", "system_version"),
    [
        pytest.param(FIREFOX_LINUX, "128", "", id="the system tells none"),
        pytest.param(SAFARI_IPHONE, "17", "17.5", id="iOS"),
        pytest.param(CHROME_ANDROID, "127", "", id="Android, frozen"),
        pytest.param(CHROME_ANDROID.replace("10; K", "13; SM-S918B"), "127", "13", id="Android"),
        pytest.param(
            "Mozilla/5.0 (Windows NT 10.0; rv:128.0) Gecko/20100101 Firefox/128.0",
            "128",
            "",
            id="Windows 10, frozen",
        ),
        pytest.param(
            "Mozilla/5.0 (Windows NT 6.3; rv:115.0) Gecko/20100101 Firefox/115.0",
            "115",
            "8.1",
            id="Windows 8.1",
        ),
        pytest.param("curl/8.5.0", "8", "", id="program"),
    ],
)
def test_versions(text: str, browser_version: str, system_version: str) -> None:
    """Versions are the browser's major one, and the system's where browsers still tell it."""
    agent = parse_user_agent(text)

    assert (agent.browser_version, agent.system_version) == (browser_version, system_version)


@given(
    st.one_of(
        st.text(max_size=600),
        st.from_regex(
            r"(Mozilla/5\.0 \(|Opera/|curl/)?.{0,300}(bot|Mobile|Android [0-9]+)?/\d{1,40}"
        ),
    )
)
def test_parse_anything(text: str) -> None:
    """Whatever a client sends is read without an error, into names of a bounded length."""
    agent = parse_user_agent(text)

    assert max(len(agent.browser), len(agent.system)) <= MAX_NAME_LENGTH
    assert max(len(agent.browser_version), len(agent.system_version)) <= MAX_VERSION_LENGTH
    assert agent.label


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A" * 100 + "bot/" + "9" * 100, id="bot"),
        pytest.param("MyApp" * 30 + "/1 CFNetwork/1 Darwin/23.5.0", id="app"),
        pytest.param(
            "Mozilla/5.0 (compatible; " + "A" * 400 + "bot/" + "9" * 60 + ")", id="Mozilla"
        ),
        pytest.param("X" * 64 + "/" + "9" * 400, id="program"),
    ],
)
def test_long_names_are_cut(text: str) -> None:
    """An invented name or version is not longer than the columns that keep it."""
    agent = parse_user_agent(text)

    assert 0 < len(agent.browser) <= MAX_NAME_LENGTH
    assert len(agent.browser_version) <= MAX_VERSION_LENGTH


@pytest.mark.parametrize(
    ("agent", "label"),
    [
        (UserAgent(browser="Firefox", system="Linux"), "Firefox on Linux"),
        (UserAgent(browser="curl"), "curl"),
        (UserAgent(system="Linux"), "Linux"),
        (UserAgent(), "Unknown browser"),
    ],
)
def test_label(agent: UserAgent, label: str) -> None:
    """The label names what is known, and says so where nothing is."""
    with translation.override("en"):
        assert agent.label == label


def run_python(program: str) -> str:
    """Run a program in a Python of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_importing_is_cheap() -> None:
    """The parser's tables and the database library are not loaded before they are needed."""
    printed = run_python(
        "import sys, sessions_plus.client_info;"
        "print([name for name in ('ua_parser', 'ua_parser_rs', 'geoip2', 'maxminddb')"
        " if name in sys.modules])"
    )

    assert printed == "[]"


def test_without_the_rust_parser() -> None:
    """Without the fast matcher the pure Python one reads the same."""
    agents = [FIREFOX_LINUX, SAFARI_IPAD, CHROME_ANDROID, "curl/8.5.0"]

    printed = run_python(
        "import sys; sys.modules['ua_parser_rs'] = None\n"
        "from sessions_plus.client_info.user_agent import parse_user_agent\n"
        f"for text in {agents!r}: print(parse_user_agent(text))\n"
        "assert 'ua_parser.regex' not in sys.modules"
    )

    assert printed.splitlines() == [repr(parse_user_agent(text)) for text in agents]
