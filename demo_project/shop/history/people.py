"""The made-up people of the demo, their browsers and their places."""

from __future__ import annotations

from dataclasses import dataclass

# For all of them: this is a demo, and the command that makes them prints it.
PASSWORD = "figs-on-toast"

# Who has a second factor.
CAREFUL = "noor"


@dataclass(frozen=True, slots=True)
class Person:
    """``role`` is "owner" (may do everything), "support" (sees and ends sessions) or "customer"."""

    username: str
    name: str
    role: str = "customer"
    story: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """An address from the ranges kept for documentation (RFC 5737, RFC 3849)."""

    ip_address: str
    location: str = ""


PEOPLE = (
    Person("olga", "Olga Lindqvist", "owner", "runs the shop: may do everything in the admin"),
    Person("sam", "Sam Okafor", "support", "the help desk: ends sessions, and resets a factor"),
    Person("maya", "Maya Keller", story="four devices, one of them a stranger's"),
    Person(CAREFUL, "Noor Haddad", story="has a second factor: her sign-in asks for a code"),
    Person("jonas", "Jonas Meyer", story="one laptop, used every day"),
    Person("priya", "Priya Nair", story="travels a lot"),
    Person("tom", "Tom Hughes", story="signed out everywhere by support, then forgot his password"),
    Person("ines", "Ines Duarte", story="lost her phone: support took her second factor away"),
    Person("lena", "Lena Novak", story="shares a tablet with Emil"),
    Person("emil", "Emil Novak", story="shares a tablet with Lena"),
)

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64"
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
_KHTML = "AppleWebKit/537.36 (KHTML, like Gecko)"
_APPLE = "AppleWebKit/605.1.15 (KHTML, like Gecko)"

# By the name of whose it is: one entry is one browser, with a device cookie of its own.
BROWSERS = {
    "maya's laptop": f"{_MAC} {_APPLE} Version/18.4 Safari/605.1.15",
    "maya's phone": (
        f"Mozilla/5.0 (iPhone; CPU iPhone OS 18_4 like Mac OS X) {_APPLE} "
        "Version/18.4 Mobile/15E148 Safari/604.1"
    ),
    "maya's office": f"{_WINDOWS}) {_KHTML} Chrome/137.0.0.0 Safari/537.36 Edg/137.0.0.0",
    "a stranger's": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "noor's laptop": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) "
    "Gecko/20100101 Firefox/139.0",
    "noor's phone": (
        f"Mozilla/5.0 (Linux; Android 10; K) {_KHTML} Chrome/136.0.0.0 Mobile Safari/537.36"
    ),
    "jonas' laptop": "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
    "the library's": f"{_WINDOWS}; rv:138.0) Gecko/20100101 Firefox/138.0",
    "priya's laptop": f"{_MAC} {_KHTML} Chrome/137.0.0.0 Safari/537.36",
    "priya's phone": (
        f"Mozilla/5.0 (Linux; Android 10; K) {_KHTML} Chrome/137.0.0.0 Mobile Safari/537.36"
    ),
    "hotel lobby": f"{_WINDOWS}; rv:139.0) Gecko/20100101 Firefox/139.0",
    "tom's computer": f"{_WINDOWS}) {_KHTML} Chrome/136.0.0.0 Safari/537.36",
    "tom's phone": ("Mozilla/5.0 (Android 15; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0"),
    "ines' laptop": f"{_WINDOWS}) {_KHTML} Chrome/137.0.0.0 Safari/537.36",
    "the Novaks' tablet": (
        f"Mozilla/5.0 (iPad; CPU OS 17_7 like Mac OS X) {_APPLE} "
        "Version/17.7 Mobile/15E148 Safari/604.1"
    ),
    "emil's chromebook": (
        f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {_KHTML} Chrome/137.0.0.0 Safari/537.36"
    ),
    "olga's computer": f"{_MAC} {_APPLE} Version/18.4 Safari/605.1.15",
    "sam's computer": f"{_WINDOWS}) {_KHTML} Chrome/137.0.0.0 Safari/537.36",
    "a script": "python-requests/2.32.3",
}

PLACES = {
    "maya's home": Place("203.0.113.24", "Bern, Switzerland"),
    "maya's train": Place("2001:db8:40:12::7", "Olten, Switzerland"),
    "maya's office": Place("198.51.100.61", "Zurich, Switzerland"),
    "far away": Place("192.0.2.199", "Porto Alegre, Brazil"),
    "noor's home": Place("203.0.113.142", "Utrecht, Netherlands"),
    "noor's tram": Place("198.51.100.33", "Rotterdam, Netherlands"),
    "jonas' home": Place("203.0.113.87", "Leipzig, Germany"),
    "the library": Place("203.0.113.201", "Halle, Germany"),
    "priya's home": Place("2001:db8:91:5::21", "Kochi, India"),
    "Lisbon": Place("198.51.100.140", "Lisbon, Portugal"),
    "Oslo": Place("192.0.2.14", "Oslo, Norway"),
    "tom's home": Place("203.0.113.170", "Cardiff, United Kingdom"),
    "ines' home": Place("198.51.100.77", "Porto, Portugal"),
    "the Novaks'": Place("198.51.100.9", "Ljubljana, Slovenia"),
    "the shop": Place("192.0.2.50", "Basel, Switzerland"),
    "nowhere known": Place("192.0.2.230"),
}
