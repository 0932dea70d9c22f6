"""Rows are read and changed by a cursor that its connection keeps; nothing else is otherwise."""

from __future__ import annotations

import gc
import threading
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, IntegrityError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sessions_plus.devices.session_rows import DEVICES
from sessions_plus.models import Device, Session
from sessions_plus.models.session import Kind
from sessions_plus.rows import kept_cursor as module
from sessions_plus.rows import session_row
from sessions_plus.rows.kept_cursor import KEPT, take_cursor, text_of
from sessions_plus.rows.session_row import SESSIONS, Row
from sessions_plus.rows.table import fetched
from tests.support.services.databases import start_pgbouncer, start_postgresql
from tests.support.services.process import Server
from tests.support.stores import signed_in

pytestmark = pytest.mark.django_db(transaction=True)

ON_POSTGRESQL = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="others have no such cursor"
)

ADDRESSES = [
    "10.0.0.1",
    "0.0.0.0",  # noqa: S104 - no address to listen at
    "::1",
    "::",
    "2001:db8::1",
    "2001:db8:0:1:1:1:1:1",
    "2001:0:0:1::1",
    "::ffff:10.0.0.1",
    "::10.0.0.1",
    "fe80::1:0:0:1",
]


@pytest.fixture(autouse=True)
def _none_is_kept() -> Iterator[None]:
    vars(connections["default"]).pop(KEPT, None)
    yield
    vars(connections["default"]).pop(KEPT, None)


@pytest.fixture
def session(user: User) -> Session:
    signed_in(user)
    found: Session = Session.objects.get()
    return found


@contextmanager
def by_django(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setattr(module, "_may_have", lambda connection: False)
        yield


def fetch(session: Session) -> Row:
    row = session_row.fetch(session.public_id)
    assert row is not None
    return row


@ON_POSTGRESQL
@pytest.mark.parametrize("address", [None, *ADDRESSES])
def test_same_values(
    session: Session, monkeypatch: pytest.MonkeyPatch, address: str | None
) -> None:
    """Each column comes as Django's own cursor has it, whatever is in it."""
    moment = timezone.now() - timedelta(microseconds=1)
    Session._base_manager.update(
        ip_address=address,
        rotated_at=moment,
        sealed_successor=b"\x00\xff%s",
        user_agent="ä % {} \\",
        must_reauthenticate=True,
    )

    kept = fetch(session)
    with by_django(monkeypatch):
        as_ever = fetch(session)

    assert kept == as_ever
    assert [type(getattr(kept, name)) for name in session_row.ATTRIBUTES] == [
        type(getattr(as_ever, name)) for name in session_row.ATTRIBUTES
    ]
    assert (take_cursor(connections["default"]) is not None) is (connection.timezone is not None)


@ON_POSTGRESQL
def test_same_devices(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """So does each column of a device, which a sign-in looks up."""

    def found() -> dict[str, tuple[object, type]]:
        (device,) = DEVICES.find_instances("default", {"user_id": session.user_id})
        names = [field.attname for field in Device._meta.concrete_fields]
        return {name: (getattr(device, name), type(getattr(device, name))) for name in names}

    Device.objects.update(name="ä %", trusted_until=timezone.now(), revoked_at=timezone.now())
    kept = found()
    with by_django(monkeypatch):
        assert kept == found()


@ON_POSTGRESQL
def test_keys_of_an_extensions_type(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What users are called in the database may be of a type that psycopg reads as text alone."""
    known = ["bigint", "integer", "uuid", "varchar(39)", "text", "numeric(20, 0)"]
    assert all(module.is_read_in_binary(name) for name in known)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TYPE mood AS ENUM ('ok')")
    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, "_type_of_keys", lambda alias: "mood")
            assert fetched(connections["default"], "SELECT 'ok'::mood", []) == [("ok",)]
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP TYPE mood")


def test_network_of_an_address() -> None:
    """PostgreSQL says so where an address stands for a network."""
    assert text_of(bytes([2, 24, 0, 4, 10, 0, 0, 0])) == "10.0.0.0/24"


@ON_POSTGRESQL
def test_it_is_kept(session: Session) -> None:
    """One for all reads of a connection, and another for the next connection."""
    kept = vars(connections["default"])
    fetch(session)
    first = kept[KEPT]
    fetch(session)
    assert kept[KEPT] is first

    connection.close()
    fetch(session)

    assert kept[KEPT] is not first


@ON_POSTGRESQL
def test_who_counts_statements_sees_them(session: Session) -> None:
    """Logged ones, and those that an execute wrapper is told of."""
    fetch(session)
    seen: list[str] = []

    def watch(execute: Any, sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        fetch(session)
    with CaptureQueriesContext(connection) as captured:
        fetch(session)

    assert (len(seen), len(captured)) == (1, 1)


def noting_who(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
    """Tell the database who acts, before each statement, as django-pghistory does."""
    told = f"SELECT set_config('site.who', %s, true); {sql}"
    executed = execute(told, ["ann", *(params or ())], many, context)
    while executed is not None and executed.nextset():
        pass
    return executed


@ON_POSTGRESQL
def test_who_puts_statements_before_others(session: Session) -> None:
    """It gets Django's own cursor, which takes several at once, for reads and changes alike."""
    where = {"public_id": session.public_id}
    fetch(session)  # keeps one

    with connection.execute_wrapper(noting_who):
        assert fetch(session).public_id == session.public_id
        SESSIONS.update("default", {"location": "here"}, where)
        SESSIONS.delete("default", where)

    assert not Session.objects.exists()


@ON_POSTGRESQL
def test_who_makes_cursors_makes_these_too(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrapper of the site's, a patched connection, and a traced one make each cursor."""

    own = connections["default"]
    of_tenants = type("OfTenants", (type(own),), {"_cursor": lambda self, name=None: None})
    assert not module._is_djangos(of_tenants)
    assert (take_cursor(own) is not None) is (own.timezone is not None)
    with monkeypatch.context() as patch:
        patch.setitem(vars(own), "cursor", own.cursor)
        assert take_cursor(own) is None

    fetch(session)
    raw: Any = own.connection
    monkeypatch.setattr(raw, "cursor_factory", type("Traced", (raw.cursor_factory,), {}))
    vars(own).pop(KEPT, None)
    assert take_cursor(own) is None
    assert fetch(session).public_id == session.public_id


class Traced:
    """A connection of psycopg as tracers wrap it: theirs make the cursors, the rest is its own."""

    def __init__(self, raw: Any) -> None:
        self.raw = raw
        self.traced: list[object] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.traced.append(args)
        return self.raw.cursor(*args, **kwargs)


@ON_POSTGRESQL
def test_who_wraps_connections_traces_these_reads_too(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy in the connection's place passes all through but the making of cursors."""
    own: Any = connections["default"]
    own.ensure_connection()
    proxy = Traced(own.connection)
    with monkeypatch.context() as patch:
        patch.setattr(own, "connection", proxy)
        fetch(session)

    assert len(proxy.traced) == 1


@ON_POSTGRESQL
def test_it_ends_with_its_thread(session: Session) -> None:
    """A thread that ends takes its connection along, also where nobody closed that."""
    ended: list[weakref.ref[Any]] = []

    def read() -> None:
        fetch(session)
        own: Any = connections["default"]
        ended.append(weakref.ref(own.connection))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # psycopg's, of a connection left open
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        gc.collect()

    assert [raw() for raw in ended] == [None]


@ON_POSTGRESQL
def test_read_within_a_read(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called for each statement may read a session, too: each gets its own row."""
    inner: list[Row] = []
    execute = CursorWrapper.execute

    def reading(*args: Any) -> Any:
        executed = execute(*args)
        with monkeypatch.context() as patch:
            patch.setattr(CursorWrapper, "execute", execute)
            inner.append(fetch(session))
        return executed

    fetch(session)  # keeps one
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", reading)
        outer = fetch(session)

    assert inner == [outer]


@ON_POSTGRESQL
def test_threads_that_share_a_connection(session: Session, other_user: User) -> None:
    """Each gets the row that it asked for, whoever asks while it has not fetched it yet."""
    signed_in(other_user)
    other = Session.objects.exclude(pk=session.pk).get()
    own: Any = connections["default"]
    fetch(other)  # keeps one
    taken = take_cursor(own)
    if taken is None:
        pytest.skip("See test_same_values.")
    taken.execute("SELECT %s::int", [1])

    assert fetch(other).public_id == other.public_id
    assert taken.fetchall() == [(1,)]


@ON_POSTGRESQL
def test_errors_are_djangos(session: Session) -> None:
    """And a transaction that is broken takes no more statements."""
    fetch(session)
    with pytest.raises(DatabaseError):
        fetched(connections["default"], "SELECT nothing", [])
    assert fetch(session).public_id == session.public_id

    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            fetch(session)


# What is changed with it

WRITTEN: dict[str, list[object]] = {
    "ip_address": [None, *ADDRESSES],
    "user_agent": ["", "ä % {} \\ ' %s"],
    "data": [b"", b"\x00\xff%s"],
    "sealed_successor": [None, b"\x00"],
    "must_reauthenticate": [True, False],
    "version": [1, 2**15, 2**31, 2**53],
    "device_key_id": [None, UUID("0197b9f2-4c3e-7cc1-9d5f-2f5f3f1b8a11")],
    "rotated_at": [None, timezone.now()],
    "kind": [Kind.API],
}


@ON_POSTGRESQL
@pytest.mark.parametrize("name", WRITTEN)
def test_same_values_are_written(
    session: Session, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Each value is stored, and found again by a condition, as with Django's own cursor."""

    def written(value: object) -> tuple[int, Row]:
        where = {"public_id": session.public_id}
        SESSIONS.update("default", {name: value}, where)
        found = SESSIONS.update("default", {"location": "here"}, {**where, name: value})
        return found, fetch(session)

    for value in WRITTEN[name]:
        kept = written(value)
        with by_django(monkeypatch):
            as_ever = written(value)
        assert kept == as_ever
        assert kept[0] == 1


@ON_POSTGRESQL
def test_change_within_a_change(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is called for each statement may change a row, too."""
    where = {"public_id": session.public_id}
    counts: list[int] = []
    execute = CursorWrapper.execute

    def changing(*args: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(CursorWrapper, "execute", execute)
            counts.append(SESSIONS.update("default", {"location": "inner"}, {"version": -1}))
        return execute(*args)

    SESSIONS.update("default", {"location": "first"}, where)  # keeps one
    with monkeypatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", changing)
        counts.append(SESSIONS.update("default", {"location": "outer"}, where))

    assert counts == [0, 1]
    session.refresh_from_db()
    assert session.location == "outer"


@ON_POSTGRESQL
def test_refused_change(session: Session, other_user: User) -> None:
    """It is Django's error, the next one is made, and a transaction around it is known to fail."""
    signed_in(other_user)
    other = Session.objects.exclude(pk=session.pk).get()
    taken, where = {"public_id": other.public_id}, {"public_id": session.public_id}
    with pytest.raises(IntegrityError):
        SESSIONS.update("default", taken, where)
    assert SESSIONS.update("default", {"location": "here"}, where) == 1

    with transaction.atomic():
        with pytest.raises(IntegrityError):
            SESSIONS.update("default", taken, where)
        assert connection.needs_rollback
        transaction.set_rollback(True)


# Behind a pooler that lends connections for a transaction each


@pytest.fixture(scope="module")
def pooler() -> Iterator[tuple[Server, Server]]:
    postgresql = start_postgresql()
    try:
        server = start_pgbouncer(postgresql)
        try:
            yield postgresql, server
        finally:
            server.stop()
    finally:
        postgresql.stop()


PREPARED = "SELECT count(*) FROM pg_prepared_statements"
READ = "SELECT %s::uuid, %s::timestamptz, pg_backend_pid()"


def connected_to(server: Server, **options: Any) -> Any:
    from django.db.backends.postgresql.base import DatabaseWrapper

    found: Any = connections["default"]
    defaults = found.settings_dict if found.vendor == "postgresql" else {}
    settings = {
        **connections.settings["default"],
        **defaults,
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "postgres",
        "USER": "postgres",
        "PASSWORD": "",
        "HOST": "127.0.0.1",
        "PORT": str(server.port),
        "OPTIONS": options,
    }
    return DatabaseWrapper(settings, alias="default")


def test_behind_a_pooler(pooler: tuple[Server, Server]) -> None:
    """Two clients take turns on the server's connections, and nothing stays behind there."""
    _, server = pooler
    clients = [connected_to(server) for _ in range(2)]
    name, moment = "0197b9f2-4c3e-7cc1-9d5f-2f5f3f1b8a11", timezone.now()
    for client in clients:
        client.timezone = timezone.get_fixed_timezone(0)
    try:
        for _ in range(20):
            for client in clients:
                kept = take_cursor(client)
                assert kept is not None
                kept.execute(READ, [name, moment])
                (found,) = kept.fetchall()
                assert str(found[0]) == name
                kept.execute("CREATE TABLE IF NOT EXISTS pooled (at timestamptz)", [])
                kept.execute("UPDATE pooled SET at = %s", [moment])
                kept.execute(PREPARED, [])
                assert kept.fetchall() == [(0,)]
    finally:
        for client in clients:
            client.close()


def test_site_may_have_it_prepared(pooler: tuple[Server, Server]) -> None:
    """Django's own option says so, for connections that are the client's own."""
    postgresql, _ = pooler
    client = connected_to(postgresql, prepare_threshold=0)
    client.timezone = timezone.get_fixed_timezone(0)
    try:
        kept = take_cursor(client)
        for _ in range(2):
            kept.execute(READ, ["0197b9f2-4c3e-7cc1-9d5f-2f5f3f1b8a11", timezone.now()])
            kept.fetchall()
        kept.execute(PREPARED, [])

        assert kept.fetchall()[0][0] >= 1
    finally:
        client.close()
