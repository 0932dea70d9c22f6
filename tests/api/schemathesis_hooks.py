"""
How schemathesis signs in to the demo: anew whenever what it sent has ended its session.

Loaded by schemathesis itself (``SCHEMATHESIS_HOOKS``). From the environment: ``DEMO_URL``,
``DEMO_USERNAME``, ``DEMO_PASSWORD``; ``DEMO_CALLER``, a "program" (bearer token) or a "browser"
(session cookie, with its CSRF token); ``DEMO_ANSWERS``, a file for a line such as
``device_list 200`` about each answer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import schemathesis

from tests.support.services.process import PATIENCE_SECONDS

URL = os.environ["DEMO_URL"]
ACCOUNT = {"username": os.environ["DEMO_USERNAME"], "password": os.environ["DEMO_PASSWORD"]}
ANSWERS = Path(os.environ["DEMO_ANSWERS"])

# What may end the session that asks, or give it another key.
ENDING = {"revoke_all", "logout", "login", "session_revoke", "device_revoke", "staff_revoke_all"}


def program() -> dict[str, str]:
    response = httpx.post(f"{URL}/api/tokens/", json=ACCOUNT, timeout=PATIENCE_SECONDS)
    return {"Authorization": f"Bearer {response.raise_for_status().json()['access']}"}


def browser() -> dict[str, str]:
    with httpx.Client(base_url=URL, timeout=PATIENCE_SECONDS) as client:
        client.get("/account/login/")
        token = {"X-CSRFToken": client.cookies["csrftoken"]}
        client.post("/api/login/", json=ACCOUNT, headers=token).raise_for_status()
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return {"Cookie": cookies, "X-CSRFToken": client.cookies["csrftoken"]}


sign_in = {"program": program, "browser": browser}[os.environ["DEMO_CALLER"]]
signed_in: dict[str, str] = {}


@schemathesis.auth(refresh_interval=None)
class Account:
    """Sends with each request what the last sign-in gave."""

    def get(self, case: Any, context: Any) -> dict[str, str]:
        if not signed_in:
            signed_in.update(sign_in())
        return signed_in

    def set(self, case: Any, data: dict[str, str], context: Any) -> None:
        case.headers.update(data)


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    name = case.operation.definition.raw["operationId"]
    if name in ENDING and response.status_code < 300:
        signed_in.clear()
    with ANSWERS.open("a") as answers:
        answers.write(f"{name} {response.status_code}\n")
