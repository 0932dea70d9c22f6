"""
Take each guard away in a copy of the tree, and see that a test fails for it.

``python -m tests.sabotage`` tries all, ``python -m tests.sabotage mark`` those whose name
holds the word. A guard whose removal fails no test is untested: then this fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BACKENDS = "sessions_plus/backends/"
RACES = "tests/security/test_revocation_races.py"
FAULTS = "tests/backends/test_cache_faults.py"
KINDS = "tests/backends/test_cache_kinds.py"
UPDATES = "tests/backends/test_lost_updates.py"
FORGERY = "tests/security/test_cache_forgery.py"
ASYNC = "tests/backends/test_async_cache.py"
GLANCE = "tests/backends/test_glance.py"
IN_REQUESTS = "tests/backends/test_glance_in_requests.py"
CONNECTIONS = "tests/backends/test_kept_connections.py"
GREETING = "tests/devices/test_greeting.py"

# The settings that a glance was worked out with.
STAMPED = (
    "settings.SESSION_COOKIE_AGE",
    "conf.ACTIVITY_INTERVAL",
    "conf.IDLE_TIMEOUT",
    "conf.ABSOLUTE_LIFETIME",
    "conf.ANONYMOUS_LIFETIME",
    "conf.REFRESH_IDLE_TIMEOUT",
    "conf.REFRESH_LIFETIME",
    "conf.ROTATION_INTERVAL",
    "conf.LIMITS is None",
    "conf.CLIENT_CHANGE",
    "conf.NETWORK_CHANGE",
)


@dataclass(frozen=True)
class Sabotage:
    """One guard: where it stands, what is put in its place, and the tests that must notice."""

    name: str
    path: str
    old: str
    new: str
    tests: str


SABOTAGES = (
    Sabotage(
        "store where nothing stands",
        BACKENDS + "redis_cache.py",
        "if not held then return 0 end\nlocal kind",
        "if not held then held = ARGV[1] end\nlocal kind",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "fill without looking at the reservation",
        BACKENDS + "places.py",
        "if held == seen or (",
        "if True or (",
        f"{RACES} -k Memcached",
    ),
    Sabotage(
        "fill without looking at the reservation, in Redis",
        BACKENDS + "redis_cache.py",
        "if held == ARGV[1] then",
        "if true then",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "count a copy under any reservation",
        BACKENDS + "portable_cache.py",
        "or copy[:_TAG_BYTES] != place",
        "",
        f"{RACES} -k files",
    ),
    Sabotage(
        "leave reservations standing at a write",
        BACKENDS + "redis_cache.py",
        "hold, places.reservation(), seconds)",
        'hold, b"", seconds)',
        f"{RACES} {KINDS} -k Redis",
    ),
    Sabotage(
        "let an older copy replace a newer",
        BACKENDS + "redis_cache.py",
        "<= tonumber(ARGV[3])",
        ">= 0",
        f"{RACES} {KINDS} -k Redis",
    ),
    Sabotage(
        "only remove, and leave no mark of the end",
        BACKENDS + "redis_cache.py",
        "client.set(name, places.ENDED, px=milliseconds)",
        "client.delete(name)",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "place something over an end",
        BACKENDS + "redis_cache.py",
        "if redis.call('GET', KEYS[1]) == 't' then return 0 end",
        "",
        f"{KINDS} -k redis",
    ),
    Sabotage(
        "do not hold the place until the commit",
        BACKENDS + "cache_tier.py",
        "tier().place(public_id, hold)",
        "pass",
        RACES,
    ),
    Sabotage(
        "tell the cache of an end only before the commit",
        BACKENDS + "cache_tier.py",
        "_after_commit(lambda: tier().bury(public_id))",
        "pass",
        RACES,
    ),
    Sabotage(
        "tell the cache of an end only after the commit",
        BACKENDS + "cache_tier.py",
        "reached = tier().bury(public_id)\n",
        "reached = True\n",
        RACES,
    ),
    Sabotage(
        "trust copies from before the fault",
        BACKENDS + "tier.py",
        "self.debts.settle(paid)\n        self.distrust()",
        "self.debts.settle(paid)",
        FAULTS + " tests/backends/test_random_schedules.py",
    ),
    Sabotage(
        "forget what the cache was not told",
        BACKENDS + "tier.py",
        "            self.debts.owe(name)\n",
        "",
        f"{FAULTS} -k before",
    ),
    Sabotage(
        "take no note of a restart",
        BACKENDS + "redis_cache.py",
        "            self._lost()\n",
        "            pass\n",
        f"{FAULTS} -k restart",
    ),
    Sabotage(
        "give up where Redis is full",
        BACKENDS + "redis_cache.py",
        "        self.clear([name])\n            return False",
        "        return False",
        f"{FAULTS} -k full",
    ),
    Sabotage(
        "wait for a dead cache in each request",
        BACKENDS + "breaker.py",
        "self.opened_at = time.time()",
        "self.opened_at = None",
        f"{FAULTS} -k timeout",
    ),
    Sabotage(
        "let each of many faults put the probe off",
        BACKENDS + "breaker.py",
        "if self.opened_at is not None:\n                return False",
        "pass",
        "tests/backends/test_breaker.py",
    ),
    Sabotage(
        "queue up behind a dead cache",
        BACKENDS + "redis_clients.py",
        "if self._failed_at >= asked_at:",
        "if False:",
        "tests/backends/test_async_cache.py -k queues",
    ),
    Sabotage(
        "take a busy loop for a dead cache",
        BACKENDS + "redis_clients.py",
        "if loop.time() - began < self._timeout + LATE_SECONDS:",
        "if True:",
        "tests/backends/test_async_cache.py -k busy",
    ),
    Sabotage(
        "wait as long as the alias does",
        BACKENDS + "drivers.py",
        "TIMEOUT_SECONDS = 0.25",
        "TIMEOUT_SECONDS = 3.0",
        f"{FAULTS} -k notices",
    ),
    Sabotage(
        "let errors of the cache through",
        BACKENDS + "redis_cache.py",
        "(RedisError, RedisClusterException, OSError)",
        "()",
        f"{FAULTS} -k notices",
    ),
    Sabotage(
        "bind no copy to its session",
        BACKENDS + "entries.py",
        " + public_id.bytes",
        "",
        "tests/backends/test_entries.py",
    ),
    Sabotage(
        "glance at copies from before the fault",
        BACKENDS + "entries.py",
        "if proven_at < proven_since:",
        "if False:",
        FAULTS + " tests/backends/test_entries.py",
    ),
    Sabotage(
        "glance: any key will do",
        BACKENDS + "glance.py",
        "            and has_digest(key, self.key_digest)\n",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: any kind will do",
        BACKENDS + "glance.py",
        "            and self.is_of_browser is is_browser\n",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: any settings will do",
        BACKENDS + "glance.py",
        "            and self.settings_stamp == settings_stamp()\n",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: any browser will do",
        BACKENDS + "glance.py",
        "            and (client is None or not self.user_agent or "
        "client.says_it_is(self.user_agent))\n",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: for ever",
        BACKENDS + "glance.py",
        "self.after < now < self.until",
        "self.after < now",
        GLANCE,
    ),
    Sabotage(
        "glance: also before the clock was set back",
        BACKENDS + "glance.py",
        "self.after < now < self.until",
        "now < self.until",
        GLANCE,
    ),
    Sabotage(
        "glance: whatever the site's own limits",
        BACKENDS + "glance.py",
        "conf.LIMITS is not None or ",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: whatever the network",
        BACKENDS + "glance.py",
        'conf.NETWORK_CHANGE != "ignore" or ',
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: whether or not a successor was seen",
        BACKENDS + "glance.py",
        " or not row.successor_seen",
        "",
        GLANCE,
    ),
    Sabotage(
        "glance: while activity is due, for a short idle timeout",
        BACKENDS + "glance.py",
        "pause = min(pause, limits.idle_timeout / TOUCHES_PER_IDLE_TIMEOUT)",
        "pass",
        GLANCE,
    ),
    Sabotage(
        "glance: while activity is due",
        BACKENDS + "glance.py",
        "        row.last_activity + pause,\n",
        "        row.last_activity + limits.idle_timeout,\n",
        GLANCE,
    ),
    Sabotage(
        "glance: after the end",
        BACKENDS + "glance.py",
        "        expires_at(started_at=row.started_at, last_activity=row.last_activity, "
        "limits=limits),\n",
        "        row.last_activity + pause,\n",
        GLANCE,
    ),
    Sabotage(
        "glance: while the key is to be rotated",
        BACKENDS + "glance.py",
        "if row.user_id is not None and conf.ROTATION_INTERVAL is not None:",
        "if False:",
        GLANCE,
    ),
    *(
        Sabotage(
            f"glance: whatever {setting} is by now",
            BACKENDS + "glance.py",
            f"        {setting},\n",
            "",
            GLANCE,
        )
        for setting in STAMPED
    ),
    Sabotage(
        "leave a changed session at rest",
        BACKENDS + "activity.py",
        "return self._copy is not None and not self.modified",
        "return self._copy is not None",
        IN_REQUESTS,
    ),
    Sabotage(
        "leave at rest what is saved with every request",
        "sessions_plus/middleware.py",
        "        and not settings.SESSION_SAVE_EVERY_REQUEST\n",
        "",
        IN_REQUESTS,
    ),
    Sabotage(
        "leave a cookie at rest that the view set",
        "sessions_plus/middleware.py",
        "        and settings.SESSION_COOKIE_NAME not in response.cookies  "
        "# the view may set it itself\n",
        "",
        IN_REQUESTS,
    ),
    Sabotage(
        "keep a copy beside the row that took its place",
        BACKENDS + "activity.py",
        "self._row, self._copy = row, None",
        "self._row = row",
        IN_REQUESTS,
    ),
    Sabotage(
        "greet whoever lacks a factor",
        "sessions_plus/mfa/sign_in.py",
        ", condition=asks_no_factor())",
        ")",
        GREETING,
    ),
    Sabotage(
        "greet another's device",
        "sessions_plus/devices/recognition.py",
        'known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}',
        'known = {"token_hash": digest(token), "revoked_at": None}',
        GREETING,
    ),
    Sabotage(
        "greet a removed device",
        "sessions_plus/devices/recognition.py",
        'known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}',
        'known = {"user_id": user.pk, "token_hash": digest(token)}',
        GREETING,
    ),
    Sabotage(
        "ask for anybody's factor",
        "sessions_plus/mfa/policy.py",
        '        f"{authenticators}.{user} = {devices}.{owner} "\n        f"AND ',
        '        f"',
        GREETING,
    ),
    Sabotage(
        "count factors whose enrolment is pending",
        "sessions_plus/mfa/policy.py",
        'f"AND {authenticators}.{confirmed_at} IS NOT NULL)"',
        '")"',
        GREETING,
    ),
    Sabotage(
        "keep a connection whose answer was not read",
        BACKENDS + "redis_cache.py",
        "        except BaseException:\n            connection.disconnect()\n            raise\n",
        "        except BaseException:\n"
        "            self._idle.append(connection)\n"
        "            raise\n",
        f"{CONNECTIONS} -k interruption",
    ),
    Sabotage(
        "share connections with a child process",
        BACKENDS + "redis_cache.py",
        "while (connection := idle.pop()).pid != process:",
        "while (connection := idle.pop()) is None:",
        f"{CONNECTIONS} -k child",
    ),
    Sabotage(
        "let two threads use one connection",
        BACKENDS + "redis_cache.py",
        "while (connection := idle.pop()).pid != process:",
        "while (connection := idle[-1]).pid != process:",
        f"{CONNECTIONS} -k threads",
    ),
    Sabotage(
        "share a salt for ever",
        "sessions_plus/crypto.py",
        "        self.left -= 1\n",
        "",
        "tests/test_crypto.py",
    ),
    Sabotage(
        "share a salt with a child process",
        "sessions_plus/crypto.py",
        "if not self.left or self.process != os.getpid():",
        "if not self.left:",
        "tests/test_crypto.py",
    ),
    Sabotage(
        "renew a copy of any version",
        BACKENDS + "reading.py",
        "self._touch(copy, now, version=copy.version)",
        "self._touch(copy, now)",
        FORGERY,
    ),
    Sabotage(
        "let a copy serve without its lease",
        BACKENDS + "reading.py",
        "return not _touch_due(copy, limits, now) and",
        "return",
        FORGERY,
    ),
    Sabotage(
        "serve a copy to any key",
        BACKENDS + "reading.py",
        "return row.kind == self.kind and same(row.key_hash, digest(self._key))",
        "return row.kind == self.kind",
        f"{RACES} {KINDS}",
    ),
    Sabotage(
        "write whatever the version is",
        BACKENDS + "writing.py",
        "if not rows.update(row.public_id, changes, version=row.version):",
        "if not rows.update(row.public_id, changes):",
        UPDATES,
    ),
    Sabotage(
        "do not merge",
        BACKENDS + "writing.py",
        "        data.clear()  # the view may hold this very dictionary\n"
        "        data.update(merged)\n",
        "",
        UPDATES,
    ),
    Sabotage(
        "write to sessions that ended",
        BACKENDS + "rows.py",
        'where = {**guards, "public_id": public_id, "revoked_at": None}\n    '
        "return bool(SESSIONS.update(",
        'where = {**guards, "public_id": public_id}\n    return bool(SESSIONS.update(',
        UPDATES,
    ),
    Sabotage(
        "read Redis in a thread under asyncio",
        BACKENDS + "redis_cache.py",
        "        loop = await self._loops.get()\n        if loop is None:\n"
        "            return await sync_to_async(self.read)(name)\n",
        "        return await sync_to_async(self.read)(name)\n",
        ASYNC,
    ),
    Sabotage(
        "leave a loop's connections to the collector",
        BACKENDS + "redis_clients.py",
        "            await self.client.aclose()\n",
        "            pass\n",
        ASYNC,
    ),
)


def main(words: list[str]) -> int:
    chosen = [s for s in SABOTAGES if all(word in s.name for word in words)]
    survivors = [sabotage for sabotage in chosen if not is_noticed(sabotage)]
    print(f"\n{len(chosen) - len(survivors)} of {len(chosen)} sabotages were noticed.")
    return 1 if survivors or not chosen else 0


def is_noticed(sabotage: Sabotage) -> bool:
    """Apply it to a copy of the tree; say whether a test fails there."""
    with tempfile.TemporaryDirectory(prefix="sp-sabotage-") as directory:
        tree = Path(directory)
        for name in ("sessions_plus", "tests"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", tree)
        apply(sabotage, tree)
        words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        run = subprocess.run(
            [*words, *sabotage.tests.split()],
            cwd=tree,
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
            capture_output=True,
            text=True,
            check=False,
        )
    noticed = run.returncode == 1
    print(f"{'noticed ' if noticed else 'SURVIVED'}  {sabotage.name}", flush=True)
    if run.returncode not in (0, 1):
        print(run.stdout[-2000:], run.stderr[-2000:])
    return noticed


def apply(sabotage: Sabotage, tree: Path) -> None:
    """
    Put the sabotage into the tree.

    Raises:
        ValueError: the guard no longer reads as it is written here.
    """
    path = tree / sabotage.path
    text = path.read_text()
    if text.count(sabotage.old) != 1:
        raise ValueError(
            f"{sabotage.name!r}: {sabotage.path} has {text.count(sabotage.old)} of {sabotage.old!r}"
        )
    path.write_text(text.replace(sabotage.old, sabotage.new))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
