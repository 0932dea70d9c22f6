"""What other processes of a site do: ``python -m tests.integrations.processes NAME [ARGUMENT]``."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integrations.worker_settings")
WHO = "ann"


def tell(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def prepare() -> None:
    """Make the site's tables, and somebody."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    User.objects.create_user(WHO)


def serve_socket() -> None:
    """Open a socket of somebody who is signed in, and tell when and how it closes."""
    from django.contrib.auth.models import User

    from sessions_plus.testing import sign_in
    from tests.integrations.test_channels import socket

    cookies = sign_in(None, User.objects.get(username=WHO), methods=("pwd",))
    asyncio.run(_until_closed(socket(None), cookies))


async def _until_closed(opened: Any, cookies: dict[str, str]) -> None:
    text = "; ".join(f"{name}={value}" for name, value in cookies.items())
    opened.scope["headers"].append((b"cookie", text.encode()))
    assert (await opened.connect(timeout=60))[0]
    await opened.send_json_to({})
    tell(user=(await opened.receive_json_from(timeout=60))["user"])
    tell(code=(await opened.receive_output(timeout=300))["code"])
    await opened.disconnect()


def end(how: str) -> None:
    """End the sessions of that person here."""
    from django.contrib.auth.models import User

    from sessions_plus.lifecycle import revoke_all
    from sessions_plus.models import Session

    user = User.objects.get(username=WHO)
    if how == "revoke_all":
        revoke_all(user)
    elif how == "delete":
        Session.objects.all().delete()
    else:
        user.set_password("another one")
        user.save()


def queue() -> None:
    """Queue tasks for somebody's session, and replace its key before anybody runs them."""
    from django.contrib.auth.models import User
    from django.utils import timezone

    from sessions_plus.models import Session
    from sessions_plus.store.engine import site_engine
    from sessions_plus.testing import sign_in
    from tests.integrations import tasks

    key = sign_in(None, User.objects.get(username=WHO), methods=("pwd",))["sessionid"]
    public_id = str(Session.objects.get().public_id)
    found = [tasks.make_report.delay(public_id).id, tasks.look_with_key.delay(key).id]
    store = site_engine()(key)
    store.load()
    store.rotate(timezone.now())
    newer = site_engine()(store.session_key)
    newer.cycle_key()
    newer.save()
    tell(tasks=found, key=newer.session_key)


def outcome(facts: str) -> None:
    """Tell what became of the tasks, and of the session; then of a task for one that ended."""
    from sessions_plus.lifecycle import revoke
    from sessions_plus.models import Session, SessionEvent
    from sessions_plus.store.engine import site_engine
    from tests.integrations import tasks

    known = json.loads(facts)
    results = [tasks.app.AsyncResult(name).get(timeout=300) for name in known["tasks"]]
    session = dict(site_engine()(known["key"]).items())
    row = Session.objects.get()
    revoke(row)
    after = tasks.make_report.delay(str(row.public_id)).get(timeout=300)
    accused = SessionEvent.objects.filter(event="key.reused").exists()
    tell(results=results, report=session.get("report"), after=after, accused=accused)


if __name__ == "__main__":
    django.setup()
    acts = (prepare, serve_socket, end, queue, outcome)
    {act.__name__: act for act in acts}[sys.argv[1]](*sys.argv[2:])
