"""Two tenants with people of one name: ``python -m tests.integrations.tenants.scenario``."""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.integrations.tenants.settings")

HOSTS = {"alpha": "alpha.example", "beta": "beta.example"}


def main() -> None:
    from asgiref.sync import async_to_sync
    from django.contrib.auth import aget_user
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.test import Client
    from django.utils.module_loading import import_string

    from sessions_plus.lifecycle import revoke_all
    from sessions_plus.models import Session, SessionEvent
    from sessions_plus.store.engine import site_engine
    from sessions_plus.testing import sign_in
    from tests.integrations.tenants.models import Domain, Tenant

    inside: Any = import_string("django_tenants.utils.schema_context")
    redis: Any = import_string("redis.Redis").from_url(os.environ["SITE_REDIS"])
    redis.flushdb()
    call_command("migrate_schemas", "--shared", verbosity=0)
    browsers: dict[str, Client] = {}
    for name, host in HOSTS.items():
        tenant = Tenant(schema_name=name, name=name)
        tenant.save(verbosity=0)
        Domain(domain=host, tenant=tenant, is_primary=True).save()
        with inside(name):
            user = User.objects.create_user(f"ann of {name}")
            browsers[name] = Client(headers={"host": host})
            sign_in(browsers[name], user, methods=("pwd",))

    def hello(browser: str, at: str) -> str:
        client = Client(headers={"host": HOSTS[at]})
        client.cookies.load(browsers[browser].cookies)
        return client.get("/").content.decode()

    def ahello(browser: str, at: str) -> str:
        store = site_engine()(browsers[browser].cookies["sessionid"].value)
        with inside(at):
            who: Any = SimpleNamespace(session=store)
            return f"hello {async_to_sync(aget_user)(who)}"

    found: dict[str, Any] = {}
    pairs = [(browser, at) for browser in HOSTS for at in HOSTS]
    for again in ("first", "again"):
        found[again] = {f"{b} at {at}": hello(b, at) for b, at in pairs}
    found["async"] = {f"{b} at {at}": ahello(b, at) for b, at in pairs}
    keys = [key.decode() for key in redis.keys("*")]
    found["names"] = sorted({key.partition(":")[0] for key in keys})
    found["rows"] = {}
    for name in HOSTS:
        with inside(name):
            found["rows"][name] = Session.objects.count()
    with inside("alpha"):
        revoke_all(User.objects.get())
        found["events"] = SessionEvent.objects.filter(event="session.revoked").count()
    found["after"] = {name: hello(name, name) for name in HOSTS}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    django.setup()
    main()
