"""What `docs/security/` says is so (OWASP ASVS 11.1, 13.1, 16.1)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sessions_plus.conf import Conf
from sessions_plus.crypto import Purpose
from sessions_plus.models import Event
from sessions_plus.notices.letters import LETTERS

TESTS = Path(__file__).resolve().parent.parent
PAGES = {page.name: page.read_text() for page in (TESTS.parent / "docs/security").glob("*.md")}

SECRETS = {"ENCRYPTION_KEYS", "SIGNING_KEYS", "METRICS_TOKEN"}
LINK = re.compile(r"\]\(([\w./-]*\.md)?(?:#([\w-]+))?\)")


def headings(page: str) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("purpose", Purpose)
def test_asvs_11_1_1_each_purpose(purpose: Purpose) -> None:
    """The page on keys says of each purpose what its key does."""
    assert f"| `{purpose}` |" in PAGES["keys.md"]


def test_no_purpose_that_is_none() -> None:
    """It names no purpose that there is not."""
    section = PAGES["keys.md"].split("## What is derived")[1].split("\n## ")[0]

    assert set(re.findall(r"^\| `([\w-]+)` \|", section, re.MULTILINE)) == set(Purpose)


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_asvs_13_1_4_each_secret(name: str) -> None:
    """It names each setting that is a secret."""
    assert f"| `SESSIONS_PLUS_{name}`" in PAGES["keys.md"]


def test_no_secret_setting_is_left_out() -> None:
    """There is no setting of keys and tokens but those."""
    secret = ("_KEYS", "_TOKEN")
    named = {setting.name for setting in Conf.declared() if setting.name.endswith(secret)}

    assert named == SECRETS


def test_threats_are_tested() -> None:
    """Every test that the threat model names is there, and every row names one."""
    table = PAGES["threat-model.md"].split("| Who | ")[1].split("\n\n")[0]
    rows = table.splitlines()[2:]

    assert rows
    for row in rows:
        named = re.findall(r"`([\w/.]+)`", row.rsplit("|", 2)[1])
        assert named, row
        assert all((TESTS / name).exists() for name in named), row


@pytest.mark.parametrize("event", LETTERS)
def test_asvs_16_1_1_mails(event: str) -> None:
    """The page on events says of which events people are told by mail."""
    section = PAGES["events.md"].split("## What people are told by mail")[1]

    assert f"| `{event}` | {LETTERS[event].subject} |" in section
    assert event in set(Event)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    """Each link to another page, and to a place on it, finds it."""
    for target, anchor in LINK.findall(PAGES[page]):
        path = TESTS.parent / "docs/security" / target if target else None
        assert path is None or path.exists(), target
        text = path.read_text() if path is not None else PAGES[page]
        assert not anchor or anchor in headings(text), f"{target}#{anchor}"


@pytest.mark.parametrize("page", PAGES)
def test_settings_are_real(page: str) -> None:
    """Each setting that a page names exists."""
    names = set(re.findall(r"SESSIONS_PLUS_([A-Z_]+)", PAGES[page]))

    assert names <= {setting.name for setting in Conf.declared()}
