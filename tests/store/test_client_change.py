"""The rule of a changed client: what differs, and what follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import override_settings

from sessions_plus.client_info import ClientInfo
from sessions_plus.conf import conf
from sessions_plus.rows.columns import EMPTY_ROW
from sessions_plus.rows.session_row import ATTRIBUTES, Row
from sessions_plus.store.client_change import (
    ClientChange,
    Reaction,
    change_to_act_on,
    differences,
)
from tests.support.browsers import FIREFOX, SAFARI
from tests.support.moments import START

NOW = START
ELSEWHERE = ClientInfo.of(ip_address="203.0.113.7", user_agent=SAFARI)
SAME = ClientInfo.of(ip_address="198.51.100.9", user_agent=FIREFOX)


def a_row(**facts: Any) -> Row:
    known = {
        "user_id": 1,
        "kind": "browser",
        "ip_address": "198.51.100.7",
        "user_agent": FIREFOX,
        "browser": "Firefox",
        "system": "Linux",
    }
    values = {**dict.fromkeys(ATTRIBUTES), **EMPTY_ROW, **known, **facts}
    return Row.of({name: values[name] for name in ATTRIBUTES}, payload=b"")


def choose(client: str, network: str) -> override_settings:
    return override_settings(
        SESSIONS_PLUS_CLIENT_CHANGE=client, SESSIONS_PLUS_NETWORK_CHANGE=network
    )


@pytest.mark.parametrize(
    ("client", "network", "what", "reaction"),
    [
        ("ignore", "ignore", None, None),
        ("record", "ignore", ("browser", "system"), Reaction.RECORD),
        ("ignore", "record", ("network",), Reaction.RECORD),
        ("record", "revoke", ("browser", "system", "network"), Reaction.REVOKE),
        ("reauthenticate", "record", ("browser", "system", "network"), Reaction.REAUTHENTICATE),
        ("Revoke ", "ignore", ("browser", "system"), Reaction.RECORD),
    ],
    ids=["both off", "client", "network", "strictest wins", "strictest wins too", "typing error"],
)
def test_reaction(
    client: str, network: str, what: tuple[str, ...] | None, reaction: Reaction | None
) -> None:
    """The strictest of what is chosen for what is different follows."""
    with choose(client, network):
        found = change_to_act_on(a_row(), ELSEWHERE, NOW)

    assert found == (None if what is None or reaction is None else ClientChange(what, reaction))


def test_api_clients_sign_in_again() -> None:
    """A program has no page to prove itself on, so its session ends."""
    with choose("reauthenticate", "ignore"):
        found = change_to_act_on(a_row(kind="api"), ELSEWHERE, NOW)

    assert found is not None
    assert found.reaction is Reaction.REVOKE


@pytest.mark.parametrize(
    ("facts", "client"),
    [
        pytest.param({}, SAME, id="same browser, same network"),
        pytest.param({}, None, id="no request"),
        pytest.param({"user_id": None}, ELSEWHERE, id="nobody signed in"),
        pytest.param({"user_agent": "", "ip_address": None}, ELSEWHERE, id="never known"),
        pytest.param({"must_reauthenticate": True}, ELSEWHERE, id="asked for already"),
    ],
)
def test_nothing_to_act_on(facts: dict[str, Any], client: ClientInfo | None) -> None:
    """Where nothing is known to differ, or was asked for already, nothing follows."""
    with choose("revoke", "revoke"):
        assert change_to_act_on(a_row(**facts), client, NOW) is None


def test_what_a_database_could_not_hold_is_no_change() -> None:
    """A name that was kept with `?` for what its database does not have is still that name."""
    agent = "Łódź/1.0 CFNetwork/1410 Darwin/22.6.0"  # as an app on a telephone is called
    client = ClientInfo.of(user_agent=agent)
    name, system = client.agent.browser, client.agent.system
    kept = {"user_agent": agent.replace("Ł", "?"), "system": system}

    assert name.startswith("Ł")
    with choose("revoke", "ignore"):
        assert differences(a_row(browser=name.replace("Ł", "?"), **kept), client) == ()
        assert differences(a_row(browser="?ódz", **kept), client) == ("browser",)


def test_no_user_agent_is_another_one() -> None:
    """A request that does not say what it is does not pass for a browser that did."""
    with choose("revoke", "ignore"):
        assert differences(a_row(), ClientInfo.of(user_agent="")) == ("browser", "system")


@pytest.mark.parametrize(
    ("since", "is_due"),
    [
        pytest.param(lambda: conf.ACTIVITY_INTERVAL - timedelta(seconds=1), False, id="lately"),
        pytest.param(lambda: conf.ACTIVITY_INTERVAL, True, id="interval exactly"),
    ],
)
@pytest.mark.parametrize("chosen", ["record", "reauthenticate", "revoke"])
def test_once_per_interval(since: Callable[[], timedelta], is_due: bool, chosen: str) -> None:
    """What is only recorded waits for the interval; what is refused never waits."""
    row = a_row(client_changed_at=NOW - since())
    with choose(chosen, "ignore"):
        found = change_to_act_on(row, ELSEWHERE, NOW)

    assert (found is not None) is (is_due or chosen != "record")
