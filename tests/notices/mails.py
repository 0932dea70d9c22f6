"""What was sent, and people who sign in on devices."""

from __future__ import annotations

import re
from typing import Any

from django.core import mail

from tests.conftest import World
from tests.support.browsers import FIREFOX, SAFARI, Browser

LINK = re.compile(r"https?://\S+/notices/\S+/")


def only_mail() -> Any:
    """The one mail that was sent."""
    (found,) = mail.outbox
    return found


def html_of(message: Any) -> str:
    ((content, kind),) = message.alternatives
    assert kind == "text/html"
    return str(content)


def link_in(message: Any) -> str:
    """The address of "this wasn't me"."""
    found = LINK.search(message.body)
    assert found is not None
    return found[0]


def sign_in_elsewhere(name: str = "ann", *, user_agent: str = SAFARI) -> Browser:
    """Sign in on two devices in turn: the account's first, and one that is new."""
    Browser(World("sync"), user_agent=FIREFOX).get("sign-in", name=name)
    browser = Browser(World("sync"), user_agent=user_agent)
    assert browser.text("sign-in", name=name) == "signed in"
    return browser
