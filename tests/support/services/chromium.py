"""The Chromium of the system, for pytest-playwright's ``page`` and ``context`` fixtures."""

from __future__ import annotations

from pathlib import Path

from tests.support.services.process import find_program

# QUIC, updates and sync would only reach for a network that tests don't have. Root needs the
# sandbox off.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str:
    """
    Return the path of a Chromium or Chrome.

    Raises:
        Missing: there is none.
    """
    # Debian's /usr/bin/chromium is a shell script around this one, which warns of nothing.
    packaged = Path("/usr/lib/chromium/chromium")
    if packaged.exists():
        return str(packaged)
    return find_program("chromium", "chromium-browser", "google-chrome")
