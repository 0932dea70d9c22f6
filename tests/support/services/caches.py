"""Redis in its three forms, and Memcached."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.services.process import (
    HOST,
    Server,
    account,
    answers,
    find_program,
    free_port,
    new_directory,
    wait_until,
)


def start_memcached(*options: str) -> Server:
    port = free_port()
    user = account("nobody")
    command = [find_program("memcached"), "-l", HOST, "-p", str(port), "-m", "64"]
    command += options
    server = Server(
        name="memcached",
        command=[*command, "-u", user] if user else command,
        port=port,
        url=f"{HOST}:{port}",
        directory=new_directory(),
        is_ready=lambda: answers(port, b"version\r\n", b"VERSION"),
    )
    server.start()
    return server


def start_redis(*options: str, directory: Path | None = None) -> Server:
    port = free_port()
    directory = directory or new_directory()
    command: list[str | Path] = [find_program("redis-server"), "--port", str(port)]
    command += ["--bind", HOST, "--save", "", "--appendonly", "no", "--dir", directory, *options]
    server = Server(
        name="redis-server",
        command=command,
        port=port,
        url=f"redis://{HOST}:{port}/0",
        directory=directory,
        is_ready=lambda: answers(port, b"PING\r\n", b"+PONG"),
    )
    server.start()
    return server


@dataclass
class TLSServer(Server):
    """A Redis that also listens with TLS, under a certificate of its own for its address."""

    tls_port: int = 0

    @property
    def certificate(self) -> Path:
        return self.directory / "certificate.pem"

    @property
    def tls_url(self) -> str:
        return f"rediss://{HOST}:{self.tls_port}/0?ssl_ca_certs={self.certificate}"


def start_redis_tls() -> TLSServer:
    tls_port = free_port()
    directory = new_directory()
    certificate, key = write_certificate(directory)
    options = ["--tls-port", str(tls_port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    plain = start_redis(*options, directory=directory)
    known = {field.name: getattr(plain, field.name) for field in fields(Server)}
    return TLSServer(**known, tls_port=tls_port)


def write_certificate(directory: Path) -> tuple[Path, Path]:
    """Write a key and a certificate for loopback, signed by itself; return where they stand."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), False)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


def ask_redis(server: Server, *words: str) -> str:
    """Send one command through redis-cli."""
    command = [find_program("redis-cli"), "-h", HOST, "-p", str(server.port), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout


@dataclass
class Group:
    """Several servers that are one service."""

    servers: Sequence[Server]

    def kill(self) -> None:
        for server in self.servers:
            server.kill()

    def pause(self) -> None:
        for server in self.servers:
            server.pause()

    def resume(self) -> None:
        for server in self.servers:
            server.resume()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()


@dataclass
class RedisCluster(Group):
    """Three primaries without replicas."""

    @property
    def url(self) -> str:
        return self.servers[0].url


def start_redis_cluster() -> RedisCluster:
    find_program("redis-server")
    nodes = [_start_cluster_node() for _ in range(3)]
    addresses = [f"{HOST}:{node.port}" for node in nodes]
    cluster = RedisCluster(nodes)
    try:
        ask_redis(nodes[0], "--cluster", "create", *addresses, "--cluster-yes")
        wait_until(
            lambda: all("cluster_state:ok" in ask_redis(node, "cluster", "info") for node in nodes),
            what="Redis Cluster",
        )
    except BaseException:
        cluster.stop()
        raise
    return cluster


def _start_cluster_node() -> Server:
    options = "--cluster-enabled yes --cluster-config-file nodes.conf --cluster-node-timeout 2000"
    return start_redis(*options.split(), "--cluster-port", str(free_port()))


@dataclass
class RedisSentinel(Group):
    """One primary, one replica, three sentinels that fail over after half a second."""

    primary: Server
    replica: Server
    sentinels: Sequence[Server]
    service_name: str = "sessions"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        return [sentinel.address for sentinel in self.sentinels]


def start_redis_sentinel() -> RedisSentinel:
    find_program("redis-sentinel")
    primary = start_redis("--repl-diskless-sync-delay", "0")
    replica = start_redis("--replicaof", f"{HOST} {primary.port}")
    servers = [primary, replica]
    try:
        # Sentinel asks for the replicas every ten seconds only: it must find this one at once.
        wait_until(
            lambda: "state=online" in ask_redis(primary, "info", "replication"),
            what="Redis replica",
        )
        sentinels = []
        for _ in range(3):
            sentinels.append(start_sentinel(primary.port))
            servers.append(sentinels[-1])
        group = RedisSentinel(servers, primary=primary, replica=replica, sentinels=sentinels)
        _wait_for_quorum(group)
    except BaseException:
        Group(servers).stop()
        raise
    return group


def start_sentinel(primary_port: int, *, quorum: int = 2) -> Server:
    port = free_port()
    directory = new_directory()
    name = RedisSentinel.service_name
    configuration = directory / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind {HOST}\ndir {directory}\n"
        f"sentinel monitor {name} {HOST} {primary_port} {quorum}\n"
        f"sentinel down-after-milliseconds {name} 500\n"
        f"sentinel failover-timeout {name} 3000\n"
    )
    server = Server(
        name="redis-sentinel",
        command=[find_program("redis-sentinel"), configuration],
        port=port,
        url=f"redis://{HOST}:{port}",
        directory=directory,
        is_ready=lambda: answers(port, b"PING\r\n", b"+PONG"),
    )
    server.start()
    return server


def _wait_for_quorum(group: RedisSentinel) -> None:
    def knows_everybody(sentinel: Server) -> bool:
        told = ask_redis(sentinel, "info", "sentinel")
        return "slaves=1,sentinels=3" in told

    wait_until(lambda: all(map(knows_everybody, group.sentinels)), what="Redis Sentinel")
