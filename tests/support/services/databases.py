"""PostgreSQL (with PgBouncer) and MariaDB, tuned to forget everything and do it quickly."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.support.services.process import (
    HOST,
    Missing,
    Server,
    account,
    find_program,
    free_port,
    new_directory,
)


def start_postgresql() -> Server:
    programs = find_postgresql()
    user = account("postgres")
    directory = new_directory(user)
    port = free_port()
    data = directory / "data"
    initdb: list[str | Path] = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
    ]
    _run([*initdb, "--locale=C.UTF-8", "--no-sync"], directory, user=user)
    settings = {
        "listen_addresses": HOST,
        "port": str(port),
        "unix_socket_directories": str(directory),
        "max_connections": "300",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
    }
    server = Server(
        name="postgres",
        command=[
            *(programs / "postgres", "-D", data),
            *(f"--{name}={value}" for name, value in settings.items()),
        ],
        port=port,
        url=f"postgresql://postgres@{HOST}:{port}/postgres",
        directory=directory,
        is_ready=lambda: _succeeds([programs / "pg_isready", "-h", HOST, "-p", str(port)]),
        user=user,
    )
    server.start()
    return server


def start_pgbouncer(postgresql: Server) -> Server:
    """Start a PgBouncer that lends connections to a PostgreSQL for one transaction each."""
    program = find_program("pgbouncer")
    user = account("postgres")
    directory = new_directory(user)
    port = free_port()
    settings = {
        "listen_addr": HOST,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "pool_mode": "transaction",
        "auth_type": "any",
        "max_client_conn": "300",
        "default_pool_size": "10",
    }
    target = f"* = host={HOST} port={postgresql.port} user=postgres"
    lines = ["[databases]", target, "[pgbouncer]", *(f"{k} = {v}" for k, v in settings.items())]
    configuration = directory / "pgbouncer.ini"
    configuration.write_text("\n".join(lines) + "\n")
    configuration.chmod(0o644)
    server = Server(
        name="pgbouncer",
        command=[program, configuration],
        port=port,
        url=f"postgresql://postgres@{HOST}:{port}/postgres",
        directory=directory,
        is_ready=lambda: _succeeds([find_postgresql() / "pg_isready", "-h", HOST, "-p", str(port)]),
        user=user,
    )
    server.start()
    return server


def find_postgresql() -> Path:
    """
    Return the directory of the newest PostgreSQL's programs.

    Raises:
        Missing: there is none.
    """
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    if found := sorted(versions, key=lambda path: int(path.parts[-3])):
        return found[-1].parent
    try:
        return Path(find_program("postgres")).resolve().parent
    except Missing:
        raise Missing("PostgreSQL is not installed") from None


def start_mariadb() -> Server:
    program = find_program("mariadbd")
    install = find_program("mariadb-install-db")
    user = account("mysql")
    directory = new_directory(user)
    port = free_port()
    data = directory / "data"
    as_user = [f"--user={user}"] if user else []
    prepare = [install, "--no-defaults", f"--datadir={data}", "--skip-test-db", *as_user]
    _run([*prepare, "--auth-root-authentication-method=normal"], directory)
    ping = [find_program("mariadb-admin"), "--no-defaults", "--protocol=tcp", "--user=root"]
    server = Server(
        name="mariadbd",
        command=[
            *[program, "--no-defaults", f"--datadir={data}", *as_user],
            *[f"--socket={directory / 's.sock'}", f"--port={port}", f"--bind-address={HOST}"],
            *["--innodb-flush-log-at-trx-commit=0", "--innodb-buffer-pool-size=64M"],
            *["--innodb-doublewrite=OFF", "--character-set-server=utf8mb4"],
            "--max-connections=200",
        ],
        port=port,
        url=f"mysql://root@{HOST}:{port}/mysql",
        directory=directory,
        is_ready=lambda: _succeeds([*ping, f"--host={HOST}", f"--port={port}", "ping"]),
    )
    server.start()
    return server


def _run(command: Sequence[str | Path], directory: Path, *, user: str | None = None) -> None:
    """
    Run a preparing command in the server's directory.

    Raises:
        RuntimeError: it failed; the message holds what it said.
    """
    done = subprocess.run(
        command, cwd=directory, user=user, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


def _succeeds(command: Sequence[str | Path]) -> bool:
    return subprocess.run(command, capture_output=True, timeout=10, check=False).returncode == 0
