"""Redis in its three forms, and Memcached."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


def start_memcached() -> Server:
    port = free_port()
    user = account("nobody")
    command = [find_program("memcached"), "-l", HOST, "-p", str(port), "-m", "64"]
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


def start_redis(*options: str) -> Server:
    port = free_port()
    directory = new_directory()
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


def ask_redis(server: Server, *words: str) -> str:
    """Send one command through redis-cli."""
    command = [find_program("redis-cli"), "-h", HOST, "-p", str(server.port), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


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
            sentinels.append(_start_sentinel(primary))
            servers.append(sentinels[-1])
        group = RedisSentinel(servers, primary=primary, replica=replica, sentinels=sentinels)
        _wait_for_quorum(group)
    except BaseException:
        Group(servers).stop()
        raise
    return group


def _start_sentinel(primary: Server) -> Server:
    port = free_port()
    directory = new_directory()
    name = RedisSentinel.service_name
    configuration = directory / "sentinel.conf"
    configuration.write_text(
        f"port {port}\nbind {HOST}\ndir {directory}\n"
        f"sentinel monitor {name} {HOST} {primary.port} 2\n"
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
