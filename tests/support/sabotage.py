"""
Take each guard away in a copy of the tree, and see that a test fails for it.

``python -m tests.support.sabotage`` tries all; with a word, those whose name holds it.
A guard whose removal fails no test is untested: then this fails.
"""

from __future__ import annotations

import atexit
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.integrations.__main__ import OPTIONS
from tests.support.environments import python_beside
from tests.support.services.databases import start_mariadb, start_postgresql

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "sessions_plus/"
RACES = "tests/security/test_revocation_races.py"
FAULTS = "tests/cache/test_cache_faults.py"
KINDS = "tests/cache/test_cache_kinds.py"
UPDATES = "tests/store/test_lost_updates.py"
FORGERY = "tests/security/test_cache_forgery.py"
DEADLINES = "tests/cache/test_deadlines.py"
DOCTOR = "tests/maintenance/test_doctor.py"
SIDE_BY_SIDE = "tests/cache/test_engines_side_by_side.py"
ASYNC = "tests/cache/test_async_cache.py"
ON_ONE_CONNECTION = "tests/cache/test_pipelined.py"
PIPELINED = "sessions_plus/cache/drivers/pipelined.py"
FAST_PATH = "tests/cache/test_fast_path.py"
IN_REQUESTS = "tests/cache/test_fast_path_in_requests.py"
CONNECTIONS = "tests/cache/test_kept_connections.py"
OPERATING = "tests/views/test_operating.py"
COUNTING = "tests/maintenance/test_counting.py"
METRICS = "tests/test_metrics.py"
OVERVIEW = "tests/admin/test_overview.py"
LONG_COMMANDS = "tests/commands/test_long_commands.py"
EXPORT = "tests/logs/test_export.py"
ERASURE = "tests/privacy/test_erasure.py"
USER_AGENT = "tests/client_info/test_user_agent.py"
BACKGROUND = "tests/notices/test_background.py"
REFUSED = "tests/lifecycle/test_refused_sign_ins.py"
AGENT_PARSER = "tests/client_info/test_agent_parser.py"
ENDING_MANY = "tests/lifecycle/test_ending_many.py"
KNOWN_DEVICES = "tests/devices/test_known_devices.py"
GUESSING = "tests/security/test_password_guessing.py"
BACKENDS = "tests/test_auth_backends.py"
AFTER_VIEW = "tests/test_after_view.py"
FAILURES = "tests/mfa/test_failed_sign_ins.py"
ROLLED_BACK = "tests/security/test_rolled_back_sign_ins.py"
ROTATION = "tests/lifecycle/test_rotation.py"
UNDER_WAY = "tests/lifecycle/test_requests_under_way.py"
UNWRITABLE = "tests/store/test_unwritable_database.py"
LOCKED = "tests/store/test_locked_rows.py"
KEPT_CURSOR = "tests/rows/test_kept_cursor.py"
AHEAD = "tests/store/test_ahead.py"
IN_A_THREAD = "tests/store/test_touches_in_a_thread.py"
AFTER_RESPONSES = "tests/security/test_touches_after_responses.py"
ISOLATION = "tests/store/test_isolation_levels.py"
PRESENTED_KEY = "tests/store/test_presented_key.py"
EXPIRY = "tests/store/test_expiry.py"
LIFETIME = "tests/rows/test_lifetime.py"
OPENING = "tests/lifecycle/test_opening.py"
SECRET_KEY = "tests/lifecycle/test_secret_key.py"
STORE = PACKAGE + "store/session_store.py"
DEVICE_KEYS = "tests/devices/test_device_keys.py"
DEVICE_VALUES = "tests/device_proof/test_values.py"
DEVICE_RULE = "tests/devices/test_device_key_rules.py -k test_"
OUTSIDE = "tests/commands/test_doctor_from_outside.py -k "
ADOPTION = "tests/moving/test_adoption.py"
AT_ONCE = "tests/moving/test_at_once.py"
FACTOR = "tests/moving/test_second_factor.py"
WAYS_PAST = "tests/security/test_ways_past_second_factor.py"
IMPERSONATION = "tests/mfa/test_impersonation.py"
WRITTEN_TOGETHER = "tests/devices/test_written_together.py"
MISSES = "tests/moving/test_misses.py"
PASSKEYS = PACKAGE + "mfa/passkeys/"
SIGNING = "tests/mfa/passkeys/test_signing_in.py"
CONFIRMING = "tests/mfa/passkeys/test_confirming.py"
REGISTRATION = "tests/mfa/passkeys/test_registration.py"
PASSKEY_PAGES = "tests/views/test_passkeys.py"
NONCES = "tests/mfa/passkeys/test_nonces.py"
PASSKEY_RACES = "tests/security/test_passkey_races.py"
PASSKEY_POLICY = "tests/mfa/passkeys/test_policy.py"
LAST_WAY_IN = "tests/mfa/passkeys/test_last_way_in.py"
DOORS = "tests/security/test_authority_at_every_door.py"
OTHERS = "tests/integrations/"
HELP_DESK = OTHERS + "test_impersonation.py"
SENTRY = OTHERS + "test_sentry.py"
CHANNELS = OTHERS + "test_channels.py"
ALLAUTH = OTHERS + "test_allauth.py"
OTP = OTHERS + "test_otp.py"

# The settings that the fast path of a copy was worked out with.
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
    database: str = ""
    """The server that they need: ``postgresql``; empty: SQLite will do."""

    def taken_from(self, text: str) -> str:
        """
        Return the file's text without the guard.

        Raises:
            ValueError: the guard no longer reads as it is written here.
        """
        if (found := text.count(self.old)) != 1:
            raise ValueError(f"{self.name!r}: {self.path} has {found} of {self.old!r}")
        return text.replace(self.old, self.new)

    @property
    def command(self) -> list[str]:
        """What runs them: with the real packages of others where they are of those."""
        is_of_others = self.tests.startswith(OTHERS)
        python = python_beside() if is_of_others else sys.executable
        options = OPTIONS if is_of_others else []
        words = [str(python), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *options]
        return [*words, *shlex.split(self.tests)]


SABOTAGES = (
    Sabotage(
        "store where nothing stands",
        PACKAGE + "cache/drivers/redis.py",
        "if not held then return 0 end\nlocal kind",
        "if not held then held = ARGV[1] end\nlocal kind",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "fill without looking at the reservation",
        PACKAGE + "cache/slots.py",
        "if held == seen or (",
        "if True or (",
        f"{RACES} -k Memcached",
    ),
    Sabotage(
        "fill without looking at the reservation, in Redis",
        PACKAGE + "cache/drivers/redis.py",
        "if held == ARGV[1] then",
        "if true then",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "count a copy under any reservation",
        PACKAGE + "cache/drivers/portable.py",
        "or copy[:_TAG_BYTES] != slot",
        "",
        f"{RACES} -k files",
    ),
    Sabotage(
        "leave reservations standing at a write",
        PACKAGE + "cache/drivers/redis.py",
        "hold, slots.reservation(), seconds)",
        'hold, b"", seconds)',
        f"{RACES} {KINDS} -k Redis",
    ),
    Sabotage(
        "let an older copy replace a newer",
        PACKAGE + "cache/drivers/redis.py",
        "<= tonumber(ARGV[3])",
        ">= 0",
        f"{RACES} {KINDS} -k Redis",
    ),
    Sabotage(
        "only remove, and leave no tombstone",
        PACKAGE + "cache/drivers/redis.py",
        "client.set(name, slots.TOMBSTONE, px=milliseconds)",
        "client.delete(name)",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "put something over a tombstone",
        PACKAGE + "cache/drivers/redis.py",
        "if redis.call('GET', KEYS[1]) == 't' then return 0 end",
        "",
        f"{KINDS} -k redis",
    ),
    Sabotage(
        "do not hold the slot until the commit of a write",
        PACKAGE + "cache/copies.py",
        "        tier().occupy(public_id, hold)\n",
        "",
        RACES,
    ),
    Sabotage(
        "only reserve the slot until the commit of a write",
        PACKAGE + "cache/copies.py",
        "        hold = slots.hold()\n",
        "        hold = slots.reservation()\n",
        RACES,
    ),
    Sabotage(
        "do not hold the slot until the commit of a change past the engine",
        PACKAGE + "cache/copies.py",
        "        tier().occupy(public_id, slots.hold())\n",
        "        pass\n",
        RACES,
    ),
    Sabotage(
        "only reserve the slot until the commit of a change past the engine",
        PACKAGE + "cache/copies.py",
        "tier().occupy(public_id, slots.hold())",
        "tier().occupy(public_id, slots.reservation())",
        RACES,
    ),
    Sabotage(
        "hold the slot for good after a change past the engine",
        PACKAGE + "cache/copies.py",
        "    _after_commit(lambda: tier().occupy(public_id, slots.reservation()))\n",
        "",
        RACES,
    ),
    Sabotage(
        "stamp what was read with the moment that it is stored at",
        PACKAGE + "cache/copies.py",
        "        entries.encode(row, proven_at=recalled.asked_at),\n",
        "        entries.encode(row, proven_at=__import__('time').time()),\n",
        f"{RACES} {FAULTS}",
    ),
    Sabotage(
        "stamp what was written with the moment that it is stored at",
        PACKAGE + "cache/copies.py",
        "proven_at=row.last_activity.timestamp()",
        "proven_at=__import__('time').time()",
        f"{RACES} {FAULTS}",
    ),
    Sabotage(
        "tell the cache of an end only before the commit",
        PACKAGE + "cache/copies.py",
        "_after_commit(lambda: tier().mark_ended(public_id))",
        "pass",
        RACES,
    ),
    Sabotage(
        "tell the cache of an end only after the commit",
        PACKAGE + "cache/copies.py",
        "reached = tier().mark_ended(public_id)\n",
        "reached = True\n",
        RACES,
    ),
    Sabotage(
        "only remove, and leave no mark of many ends",
        PACKAGE + "cache/drivers/redis.py",
        "pipeline.set(name, slots.TOMBSTONE, px=_milliseconds(seconds))",
        "pipeline.delete(name)",
        f"{RACES} -k Redis",
    ),
    Sabotage(
        "tell the cache of many ends only before the commit",
        PACKAGE + "cache/copies.py",
        "_after_commit(lambda: tier().mark_ended_many(public_ids))",
        "pass",
        RACES,
    ),
    Sabotage(
        "tell the cache of many ends only after the commit",
        PACKAGE + "cache/copies.py",
        "reached = tier().mark_ended_many(public_ids)\n",
        "reached = True\n",
        RACES,
    ),
    Sabotage(
        "give up where Redis is too full for many marks",
        PACKAGE + "cache/drivers/redis.py",
        "            self.clear(names)\n",
        "        pass\n",
        f"{FAULTS} -k full",
    ),
    Sabotage(
        "keep one of many pending",
        PACKAGE + "cache/tier.py",
        "for name in names:\n                self.pending",
        "for name in names[:1]:\n                self.pending",
        f"{FAULTS} -k pending",
    ),
    Sabotage(
        "tell the cache of no end that was interrupted",
        PACKAGE + "lifecycle/ending.py",
        "    finally:\n",
        "    except ZeroDivisionError:\n        raise\n    else:\n",
        ENDING_MANY,
    ),
    Sabotage(
        "end again, with many, what has ended",
        PACKAGE + "rows/session_row.py",
        "using(alias).filter(revoked_at=None)",
        "using(alias).all()",
        ENDING_MANY,
    ),
    Sabotage(
        "forget what was locked",
        PACKAGE + "lifecycle/revocation.py",
        "            locked += left\n",
        "",
        ENDING_MANY,
    ),
    Sabotage(
        "tell the cache nothing where this server keeps no copies",
        PACKAGE + "cache/copies.py",
        'bool(known.is_overridden("SESSION_CACHE_ALIAS"))',
        "False",
        SIDE_BY_SIDE,
    ),
    Sabotage(
        "tell the cache of no change where this server keeps no copies",
        PACKAGE + "store/copies.py",
        "            self.outdate(row.public_id)\n",
        "            pass\n",
        SIDE_BY_SIDE,
    ),
    Sabotage(
        "tell the cache of no end where this server keeps no copies",
        PACKAGE + "store/copies.py",
        "return others.forget(public_id) if others.is_named() else True",
        "return True",
        SIDE_BY_SIDE,
    ),
    Sabotage(
        "tell a cache that was given up",
        PACKAGE + "cache/tier.py",
        "                if self._is_closed:",
        "                if False:",
        "tests/cache/test_cache_faults.py -k given_up",
    ),
    Sabotage(
        "keep a connection that was in use as its driver was closed",
        PACKAGE + "cache/drivers/idle.py",
        "        if self._is_closed:\n            self.close()\n",
        "",
        "tests/cache/test_kept_connections.py -k comes_back",
    ),
    Sabotage(
        "tell the cache of no ends, of many at once, where this server keeps no copies",
        PACKAGE + "store/copies.py",
        "return others.forget_many(public_ids) if others.is_named() else True",
        "return True",
        SIDE_BY_SIDE,
    ),
    Sabotage(
        "trust copies from before the fault",
        PACKAGE + "cache/tier.py",
        "self.pending.discharge(told)\n        self.distrust()",
        "self.pending.discharge(told)",
        FAULTS + " tests/cache/test_random_schedules.py",
    ),
    Sabotage(
        "forget what the cache was not told",
        PACKAGE + "cache/tier.py",
        "            self.pending.add(name)\n",
        "",
        f"{FAULTS} -k before",
    ),
    Sabotage(
        "take no note of a restart",
        PACKAGE + "cache/drivers/redis.py",
        "            self._lost()\n",
        "            pass\n",
        f"{FAULTS} -k restart",
    ),
    Sabotage(
        "give up where Redis is full",
        PACKAGE + "cache/drivers/redis.py",
        "        self._client.delete(name)\n            return False",
        "        return False",
        f"{FAULTS} -k full",
    ),
    Sabotage(
        "wait for a dead cache in each request",
        PACKAGE + "cache/breaker.py",
        "self.opened_at = time.time()",
        "self.opened_at = None",
        f"{FAULTS} -k timeout",
    ),
    Sabotage(
        "let each of many faults put the probe off",
        PACKAGE + "cache/breaker.py",
        "if self.opened_at is not None:\n                return False",
        "pass",
        "tests/cache/test_breaker.py",
    ),
    Sabotage(
        "queue up behind a dead cache",
        PACKAGE + "cache/drivers/turns.py",
        "if self._failed_at >= asked_at:",
        "if False:",
        "tests/cache/test_async_cache.py -k queues",
    ),
    Sabotage(
        "take a busy loop for a dead cache",
        PACKAGE + "cache/drivers/redis_loops.py",
        "if loop.time() < until + LATE_SECONDS:",
        "if True:",
        "tests/cache/test_async_cache.py -k busy",
    ),
    Sabotage(
        "wait as long as the alias does",
        PACKAGE + "cache/drivers/contract.py",
        "TIMEOUT_SECONDS = 0.25",
        "TIMEOUT_SECONDS = 3.0",
        f"{FAULTS} -k notices",
    ),
    Sabotage(
        "give each wait a timeout of its own",
        PACKAGE + "cache/drivers/deadline.py",
        "        left = remaining()\n",
        "        left = contract.TIMEOUT_SECONDS\n",
        f"{DEADLINES} -k kept_connection",
    ),
    Sabotage(
        "give each wait a timeout of its own, under asyncio",
        PACKAGE + "cache/drivers/redis_loops.py",
        "asyncio.timeout_at(until)",
        "asyncio.timeout_at(None)",
        f"{DEADLINES} -k asyncio",
    ),
    Sabotage(
        "wait for a pipelined answer as long as it takes",
        PIPELINED,
        "        if self._watch is None:\n",
        "        if False:\n",
        f"{ON_ONE_CONNECTION} -k test_frozen_server",
    ),
    Sabotage(
        "give a place to what cannot be sent",
        PIPELINED,
        "        packed = pack_command(command)  # type: ignore[arg-type]  # its stub: one word\n",
        "        try:\n"
        "            packed = pack_command(command)\n"
        "        except UnicodeError:\n"
        "            self._places.append((self._loop.create_future(), until))\n"
        "            raise\n",
        f"{ON_ONE_CONNECTION} -k cannot_be_sent",
    ),
    Sabotage(
        "let who gives up leave the queue",
        PIPELINED,
        "        self._places.append((answer, until))\n",
        "        self._places.append((answer, until))\n"
        "        answer.add_done_callback(\n"
        "            lambda done: done.cancelled() and self._places.remove((answer, until))\n"
        "        )\n",
        f"{ON_ONE_CONNECTION} -k cancelled",
    ),
    Sabotage(
        "go on after an answer that nobody can read",
        PIPELINED,
        'self.end(Unanswered, f"Not understood: {type(error).__name__}")',
        "del error",
        f"{ON_ONE_CONNECTION} -k disturbs",
    ),
    Sabotage(
        "go by an answer that lay there",
        PIPELINED,
        "is_late=now > until",
        "is_late=False",
        f"{ON_ONE_CONNECTION} -k lay_there",
    ),
    Sabotage(
        "take a late timer for a dead cache",
        PIPELINED,
        "elif late < LATE_SECONDS:",
        "elif True:",
        f"{ON_ONE_CONNECTION} -k blames",
    ),
    Sabotage(
        "go on asking a replica",
        PIPELINED,
        "if isinstance(said, ReadOnlyError):",
        "if False:",
        f"{ON_ONE_CONNECTION} -k replica",
    ),
    Sabotage(
        "give up where Redis closed the connection",
        PACKAGE + "cache/drivers/redis_loops.py",
        "                return await self._ask_again(until, command)\n",
        "                raise\n",
        f"{ON_ONE_CONNECTION} -k opened_again",
    ),
    Sabotage(
        "connect for each who asks",
        PACKAGE + "cache/drivers/redis_loops.py",
        "if connecting is None or connecting.done():",
        "if True:",
        f"{ON_ONE_CONNECTION} -k connect_once",
    ),
    Sabotage(
        "give up connecting with who began it",
        PACKAGE + "cache/drivers/redis_loops.py",
        "await asyncio.shield(connecting)",
        "await connecting",
        f"{ON_ONE_CONNECTION} -k connect_once",
    ),
    Sabotage(
        "connect in the context of a request",
        PACKAGE + "cache/drivers/redis_loops.py",
        "self._connect(), context=Context()",
        "self._connect()",
        f"{ON_ONE_CONNECTION} -k nothing_of_a_request",
    ),
    Sabotage(
        "hold on to loops that were closed",
        PACKAGE + "cache/drivers/redis_loops.py",
        "            self._forget_closed_loops()\n",
        "",
        f"{ON_ONE_CONNECTION} -k only_closed",
    ),
    Sabotage(
        "leave a pipelined connection to the collector",
        PACKAGE + "cache/drivers/redis_loops.py",
        "        await self._disconnect()\n        await super()._close()\n",
        "        await super()._close()\n",
        ASYNC,
    ),
    Sabotage(
        "take a connection that was used for a new one",
        PACKAGE + "cache/drivers/redis.py",
        "        connection.was_used = True\n        self._idle.give_back(connection)\n"
        "        return answer",
        "        self._idle.give_back(connection)\n        return answer",
        f"{CONNECTIONS} -k redis_py",
    ),
    Sabotage(
        "remember the keys that were read",
        PACKAGE + "keys.py",
        "def read_token(",
        "import functools\n\n\n@functools.lru_cache\ndef read_token(",
        "tests/security/test_keys_in_memory.py",
    ),
    Sabotage(
        "prepare the states of a tag for each read",
        PACKAGE + "crypto.py",
        "@lru_cache(maxsize=256)\ndef _mac(",
        "def _mac(",
        "tests/store/test_cost.py -k tag",
    ),
    Sabotage(
        "encode the copy of what was read before the change",
        PACKAGE + "store/writing.py",
        "    row.payload, row.limits = payload, limits\n",
        "    row.limits = limits\n",
        "tests/store/test_cost.py -k copy_of_a_change",
    ),
    Sabotage(
        "collect a connection whose stream is in use",
        PACKAGE + "cache/drivers/redis_loops.py",
        "Pipeline(self._connection._writer.transport, self._connection)",
        "Pipeline(self._connection._writer.transport)",
        f"{ON_ONE_CONNECTION} -k given_up",
    ),
    Sabotage(
        "serve what was on its way while a session ended",
        PACKAGE + "cache/tier.py",
        "if self._latest_ending is not ending:",
        "if False:",
        f"{ON_ONE_CONNECTION} -k lets_nobody_in",
    ),
    Sabotage(
        "begin a deadline anew at each step",
        PACKAGE + "cache/drivers/deadline.py",
        "left = _operation.until - time.monotonic()",
        "left = contract.TIMEOUT_SECONDS",
        f"{DEADLINES} -k new_connection",
    ),
    Sabotage(
        "wait for the resolver",
        PACKAGE + "cache/drivers/deadline.py",
        "TimedSocket(connected.result(longest))",
        "TimedSocket(connected.result())",
        f"{DEADLINES} -k name",
    ),
    Sabotage(
        "let errors of the cache through",
        PACKAGE + "cache/drivers/redis.py",
        "(RedisError, RedisClusterException, OSError)",
        "()",
        f"{FAULTS} -k notices",
    ),
    Sabotage(
        "doctor: take it for granted that the database takes rows",
        PACKAGE + "maintenance/writability.py",
        "session_row.insert(_probe(public_id))",
        "pass",
        DOCTOR,
    ),
    Sabotage(
        "doctor: take it for granted that the cache takes copies",
        PACKAGE + "maintenance/writability.py",
        "if not driver.reserve(name, mine, seconds=PROBE_SECONDS):",
        "if False:",
        DOCTOR,
    ),
    Sabotage(
        "doctor: leave the probe in the cache",
        PACKAGE + "maintenance/writability.py",
        "        driver.clear([name])\n",
        "",
        DOCTOR,
    ),
    Sabotage(
        "bind no copy to its session",
        PACKAGE + "cache/entries.py",
        " + public_id.bytes",
        "",
        "tests/cache/test_entries.py",
    ),
    Sabotage(
        "serve copies from before the fault",
        PACKAGE + "cache/entries.py",
        "if proven_at < proven_since:",
        "if False:",
        FAULTS + " tests/cache/test_entries.py",
    ),
    Sabotage(
        "fast path: any key will do",
        PACKAGE + "cache/fast_path.py",
        "            and has_digest(key, self.key_digest)\n",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: any kind will do",
        PACKAGE + "cache/fast_path.py",
        "            and self.is_of_browser is is_browser\n",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: any settings will do",
        PACKAGE + "cache/fast_path.py",
        "            and self.settings_stamp == settings_stamp()\n",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: any browser will do",
        PACKAGE + "cache/fast_path.py",
        "            and (client is None or not self.user_agent or "
        "client.says_it_is(self.user_agent))\n",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: for ever",
        PACKAGE + "cache/fast_path.py",
        "self.after < now < self.until",
        "self.after < now",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: also before the clock was set back",
        PACKAGE + "cache/fast_path.py",
        "self.after < now < self.until",
        "now < self.until",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: whatever the site's own limits",
        PACKAGE + "cache/fast_path.py",
        "conf.LIMITS is not None or ",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: whatever the network",
        PACKAGE + "cache/fast_path.py",
        'conf.NETWORK_CHANGE != "ignore" or ',
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: whether or not a successor was seen",
        PACKAGE + "cache/fast_path.py",
        " or not row.successor_seen",
        "",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: while activity is due, for a short idle timeout",
        PACKAGE + "cache/fast_path.py",
        "pause = between_touches(conf.ACTIVITY_INTERVAL, limits)",
        "pause = conf.ACTIVITY_INTERVAL",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: while activity is due",
        PACKAGE + "cache/fast_path.py",
        "        row.last_activity + pause * (TOUCHED_AHEAD_FROM if is_ahead else 1),\n",
        "        row.last_activity + limits.idle_timeout,\n",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: after the end",
        PACKAGE + "cache/fast_path.py",
        "        expires_at(started_at=row.started_at, last_activity=row.last_activity, "
        "limits=limits),\n",
        "        row.last_activity + pause,\n",
        FAST_PATH,
    ),
    Sabotage(
        "fast path: while the key is to be rotated",
        PACKAGE + "cache/fast_path.py",
        "if row.user_id is not None and conf.ROTATION_INTERVAL is not None:",
        "if False:",
        FAST_PATH,
    ),
    *(
        Sabotage(
            f"fast path: whatever {setting} is by now",
            PACKAGE + "cache/fast_path.py",
            f"        {setting},\n",
            "",
            FAST_PATH,
        )
        for setting in STAMPED
    ),
    Sabotage(
        "touch ahead: whatever became of the row",
        PACKAGE + "store/ahead.py",
        "        if touch.row.public_id in changed:\n",
        "        if True:\n",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: an outdated copy",
        PACKAGE + "rows/touches.py",
        'as_read = {"version": row.version, ',
        "as_read = {",
        AFTER_RESPONSES,
    ),
    Sabotage(
        "touch ahead: an outdated copy, in a batch",
        PACKAGE + "rows/touches.py",
        'AS_READ = ("public_id", "key_hash", "version", "last_activity")',
        'AS_READ = ("public_id", "key_hash", "last_activity")',
        f"{AFTER_RESPONSES} -k old_copy",
        database="postgresql",
    ),
    Sabotage(
        "touch ahead: over what another worker recorded",
        PACKAGE + "rows/touches.py",
        '"version": row.version, "last_activity": row.last_activity}',
        '"version": row.version}',
        AHEAD,
    ),
    Sabotage(
        "touch ahead: what has ended, in a batch",
        PACKAGE + "rows/touches.py",
        "WHERE {table}.{ended} IS NULL AND {condition} ",
        "WHERE {condition} ",
        f"{AHEAD} {AFTER_RESPONSES}",
        database="postgresql",
    ),
    Sabotage(
        "touch ahead: whoever is gone, in a batch",
        PACKAGE + "rows/touches.py",
        "IS NULL AND {condition} ",
        "IS NULL ",
        AHEAD,
        database="postgresql",
    ),
    Sabotage(
        "touch ahead: wait for a locked row",
        PACKAGE + "rows/touches.py",
        "SKIP LOCKED) ",
        "NOWAIT) ",
        AHEAD,
        database="postgresql",
    ),
    Sabotage(
        "touch ahead: news of the client, as moments in a batch",
        PACKAGE + "rows/touches.py",
        "touch.row.actor_id is None and touch.columns.keys() == set(CHANGED)",
        "touch.row.actor_id is None",
        AHEAD,
        database="postgresql",
    ),
    Sabotage(
        "touch ahead: what is over by now",
        PACKAGE + "store/ahead.py",
        "if is_within_limits(touch.row, now)]",
        "]",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: look for nobody who is gone",
        PACKAGE + "store/ahead.py",
        "        or (standing[row.public_id] == as_read(row) and "
        "end_with_its_user(row, client=None))\n",
        "",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: leave the copies of what is over",
        PACKAGE + "store/ahead.py",
        "        copies.forget_many(over)\n",
        "        pass\n",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: forget the copies of rows that moved on",
        PACKAGE + "store/ahead.py",
        "        if row.public_id not in standing\n",
        "        if True\n",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: fail where nothing can be written",
        PACKAGE + "store/ahead.py",
        "    with doing_without():\n",
        "    if True:\n",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: in silence where the database does not answer",
        PACKAGE + "store/ahead.py",
        "        if warning.is_due():\n",
        "        if False:\n",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: what this request has written",
        STORE,
        " or row.version != planned[1]:",
        ":",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: for who polls",
        STORE,
        "if self.is_passive or not admission.may_be_touched_ahead(copy, now):",
        "if not admission.may_be_touched_ahead(copy, now):",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: for who has to prove themselves",
        PACKAGE + "store/admission.py",
        "    if copy.must_reauthenticate:\n        return False\n",
        "",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: before half the interval",
        PACKAGE + "policy.py",
        "return now - last_activity >= between_touches(interval, limits) * TOUCHED_AHEAD_FROM",
        "return True",
        AHEAD,
    ),
    *(
        Sabotage(
            f"touch ahead: where a cookie lives longer with it, {name}",
            PACKAGE + "rows/lifetime.py",
            condition,
            "",
            AHEAD,
        )
        for name, condition in (
            ("nobody's", "row.user_id is not None\n        and "),
            ("without an absolute end", "        and limits.absolute_lifetime is not None\n"),
            ("after set_expiry", "        and not payloads.may_hold(EXPIRY_KEY, row.payload)\n"),
        )
    ),
    Sabotage(
        "touch ahead: in a thread that cannot see the row",
        PACKAGE + "store/ahead.py",
        "return not any(one.alias == alias and one.in_atomic_block for one in opened)",
        "return True",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: in a thread of nobody's tenant",
        PACKAGE + "store/ahead.py",
        "copies.tier().has_names_of_the_sites or ",
        "",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: in a thread beside a database in memory",
        PACKAGE + "store/ahead.py",
        " or is_in_memory(alias):",
        ":",
        AHEAD,
    ),
    Sabotage(
        "touch ahead: without an end to what waits",
        PACKAGE + "store/ahead.py",
        "if len(self._touches) < MOST_WAITING:",
        "if True:",
        IN_A_THREAD,
    ),
    Sabotage(
        "touch ahead: a batch without an end",
        PACKAGE + "store/ahead.py",
        "list(self._touches)[:MOST_AT_ONCE]",
        "list(self._touches)",
        IN_A_THREAD,
    ),
    Sabotage(
        "touch ahead: in a child, what waits in its parent",
        PACKAGE + "store/ahead.py",
        "os.register_at_fork(after_in_child=self._start_afresh)",
        "pass",
        IN_A_THREAD,
    ),
    Sabotage(
        "touch ahead: lose what waits when the process ends",
        PACKAGE + "store/ahead.py",
        "        atexit.register(self.drain)\n",
        "",
        IN_A_THREAD,
    ),
    Sabotage(
        "touch ahead: end the thread with a failure",
        PACKAGE + "store/ahead.py",
        "                except Exception:\n",
        "                except DatabaseError:\n",
        IN_A_THREAD,
    ),
    Sabotage(
        "touch ahead: nobody, where no thread can begin",
        PACKAGE + "store/ahead.py",
        "            self._touches.clear()\n            return False\n",
        "            return True\n",
        IN_A_THREAD,
    ),
    Sabotage(
        "kept cursor: where statements are logged",
        PACKAGE + "rows/kept_cursor.py",
        "        and not connection.queries_logged\n",
        "",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: past a wrapper of the site's",
        PACKAGE + "rows/kept_cursor.py",
        "        and vars(connection).keys().isdisjoint(MAKES_CURSORS)\n",
        "",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: past who traces",
        PACKAGE + "rows/kept_cursor.py",
        "if not _is_made_by_django(raw):",
        "if False:",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: of a connection that was closed",
        PACKAGE + "rows/kept_cursor.py",
        "if cursor is None or cursor.connection is not raw:",
        "if cursor is None:",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: past a proxy that traces",
        PACKAGE + "rows/kept_cursor.py",
        "is_djangos and type(raw) is Connection",
        "is_djangos",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: for two reads at once",
        PACKAGE + "rows/kept_cursor.py",
        "vars(connection).pop(KEPT, None)",
        "vars(connection).get(KEPT)",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: holds on to Django's connection",
        PACKAGE + "rows/kept_cursor.py",
        "vars(connection)[KEPT] = taken.cursor",
        'vars(connection)[KEPT] = taken.cursor; __import__("atexit").register(lambda: taken)',
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "kept cursor: addresses as objects",
        PACKAGE + "rows/kept_cursor.py",
        '    cursor.adapters.register_loader("inet", _inet_loader())\n',
        "",
        KEPT_CURSOR,
        database="postgresql",
    ),
    Sabotage(
        "leave a changed session at rest",
        STORE,
        "return self._copy is not None and not self.modified",
        "return self._copy is not None",
        IN_REQUESTS,
    ),
    Sabotage(
        "leave at rest what is saved with every request",
        PACKAGE + "middleware.py",
        "        and not settings.SESSION_SAVE_EVERY_REQUEST\n",
        "",
        IN_REQUESTS,
    ),
    Sabotage(
        "leave a cookie at rest that the view set",
        PACKAGE + "middleware.py",
        "        and settings.SESSION_COOKIE_NAME not in response.cookies  "
        "# the view may set it itself\n",
        "",
        IN_REQUESTS,
    ),
    Sabotage(
        "keep a copy beside the row that took its place",
        STORE,
        "self._row, self._copy = row, None",
        "self._row = row",
        IN_REQUESTS,
    ),
    Sabotage(
        "know the device of who is asked for a factor",
        PACKAGE + "mfa/sign_in.py",
        ", condition=asks_no_factor())",
        ")",
        KNOWN_DEVICES,
    ),
    Sabotage(
        "know another's device",
        PACKAGE + "devices/recognition.py",
        'known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}',
        'known = {"token_hash": digest(token), "revoked_at": None}',
        KNOWN_DEVICES,
    ),
    Sabotage(
        "know a removed device",
        PACKAGE + "devices/recognition.py",
        'known = {"user_id": user.pk, "token_hash": digest(token), "revoked_at": None}',
        'known = {"user_id": user.pk, "token_hash": digest(token)}',
        KNOWN_DEVICES,
    ),
    Sabotage(
        "ask for anybody's factor",
        PACKAGE + "mfa/policy.py",
        '        f"{authenticators}.{user} = {devices}.{owner} "\n        f"AND ',
        '        f"',
        KNOWN_DEVICES,
    ),
    Sabotage(
        "count factors whose enrolment is pending",
        PACKAGE + "mfa/policy.py",
        'f"AND {authenticators}.{confirmed_at} IS NOT NULL)"',
        '")"',
        KNOWN_DEVICES,
    ),
    Sabotage(
        "keep a connection whose answer was not read",
        PACKAGE + "cache/drivers/redis.py",
        "        except BaseException:\n            connection.disconnect()\n            raise\n"
        "        connection",
        "        except BaseException:\n"
        "            self._idle.give_back(connection)\n"
        "            raise\n"
        "        connection",
        f"{CONNECTIONS} -k interruption",
    ),
    Sabotage(
        "keep a connection to Memcached whose answer was not read",
        PACKAGE + "cache/drivers/memcached.py",
        "        except BaseException:\n            client.close()\n            raise\n",
        "        except BaseException:\n"
        "            self._idle.give_back(client)\n"
        "            raise\n",
        f"{CONNECTIONS} -k interruption",
    ),
    Sabotage(
        "share connections with a child process",
        PACKAGE + "cache/drivers/idle.py",
        "if self._process != os.getpid():",
        "if False:",
        f"{CONNECTIONS} -k child",
    ),
    Sabotage(
        "let two threads use one connection",
        PACKAGE + "cache/drivers/idle.py",
        "return self._idle.pop()",
        "return self._idle[-1]",
        f"{CONNECTIONS} -k threads",
    ),
    Sabotage(
        "build a parser of user agents in each thread",
        PACKAGE + "client_info/agent_parser.py",
        "            with self._lock:\n                if self._resolver is None:\n",
        "            if True:\n                if True:\n",
        AGENT_PARSER,
    ),
    Sabotage(
        "wait in a child for a thread of its parent",
        PACKAGE + "client_info/agent_parser.py",
        "os.register_at_fork(after_in_child=self._renew_lock)",
        "pass",
        AGENT_PARSER,
    ),
    Sabotage(
        "build the parser of user agents at the first sign-in",
        PACKAGE + "middleware.py",
        "        agent_parser.warm_up()\n",
        "",
        AGENT_PARSER,
    ),
    Sabotage(
        "take a refused sign-in for a fault",
        PACKAGE + "exceptions.py",
        "class SessionLimitReached(SessionsPlusError, PermissionDenied):",
        "class SessionLimitReached(SessionsPlusError):",
        REFUSED,
    ),
    Sabotage(
        "have no words for a view that saved a refused sign-in",
        PACKAGE + "middleware.py",
        "            return _refused(request, None, exception)  "
        "# the view saved its session itself\n",
        "            pass\n",
        REFUSED,
    ),
    Sabotage(
        "tell nobody of a sign-in that was refused after the commit",
        PACKAGE + "devices/recognition.py",
        "            store.refusal = refusal\n",
        "",
        REFUSED,
    ),
    Sabotage(
        "let the request wait for the mail server",
        PACKAGE + "notices/sending.py",
        "    return background.start(partial(connection.send_messages, [message]))\n",
        "    connection.send_messages([message])\n    return None\n",
        f"{BACKGROUND} -k sign_in_waits",
    ),
    Sabotage(
        "wait for a mail server for ever",
        PACKAGE + "notices/background.py",
        "for thread in (deadline, worker):",
        "for thread in (worker,):",
        f"{BACKGROUND} -k given_up",
    ),
    Sabotage(
        "forget a mail that failed in the background",
        PACKAGE + "notices/sending.py",
        "                result.add_done_callback(partial(_note_end, event))\n",
        "                pass\n",
        BACKGROUND,
    ),
    Sabotage(
        "end a process without the mail that it began",
        PACKAGE + "notices/background.py",
        "        atexit.register(self.drain)\n",
        "",
        f"{BACKGROUND} -k ends",
    ),
    Sabotage(
        "take names from addresses",
        PACKAGE + "client_info/bots.py",
        'return _ADDRESS.sub(" ", text) if any(',
        "return text if any(",
        USER_AGENT,
    ),
    Sabotage(
        "take a telephone's name for a robot's",
        PACKAGE + "client_info/bots.py",
        'return _MODEL.sub(r"\\1 ", text)',
        "return text",
        USER_AGENT,
    ),
    Sabotage(
        "call a television a telephone",
        PACKAGE + "client_info/user_agent.py",
        '"unknown" if machine else _kind_of_browser',
        "_kind_of_browser",
        USER_AGENT,
    ),
    Sabotage(
        "believe anybody's header of an address",
        PACKAGE + "client_info/ip_address.py",
        "(parse_address(told) if is_trusted else None)",
        "parse_address(told)",
        "tests/client_info/test_ip_spoofing.py",
    ),
    Sabotage(
        "share a salt for ever",
        PACKAGE + "crypto.py",
        "        self.left -= 1\n",
        "",
        "tests/test_crypto.py",
    ),
    Sabotage(
        "share a salt with a child process",
        PACKAGE + "crypto.py",
        "if not self.left or self.process != os.getpid():",
        "if not self.left:",
        "tests/test_crypto.py",
    ),
    Sabotage(
        "renew a copy of any version",
        PACKAGE + "store/reading.py",
        "lease.renew(copy, caller, now, version=copy.version)",
        "lease.renew(copy, caller, now)",
        FORGERY,
    ),
    Sabotage(
        "let a copy serve without its lease",
        PACKAGE + "store/admission.py",
        "return not _touch_is_due(copy, limits, now) and",
        "return",
        FORGERY,
    ),
    Sabotage(
        "serve a copy to any key",
        PACKAGE + "store/presentation.py",
        "return self.opens(row) and holds(row, key)",
        "return self.opens(row)",
        f"{RACES} {KINDS}",
    ),
    Sabotage(
        "write whatever the version is",
        PACKAGE + "store/writing.py",
        "session_row.update(row.public_id, changes, wait=wait, version=row.version)",
        "session_row.update(row.public_id, changes, wait=wait)",
        UPDATES,
    ),
    Sabotage(
        "do not merge",
        PACKAGE + "store/writing.py",
        "merge(payloads.decode(base), ours, theirs.data)",
        "ours",
        UPDATES,
    ),
    Sabotage(
        "ask after the key that a sign-in is about to replace",
        STORE,
        "return self.key_state is KeyState.TOLD and self._binding is None",
        "return self.key_state is KeyState.TOLD",
        f"{ROTATION} -k confirms",
    ),
    Sabotage(
        "let polling begin no grace period",
        PACKAGE + "store/reading.py",
        "is_to_write = can_write and (has_news or is_activity)",
        "is_to_write = can_write and (lease.proves_successor(row, caller) or is_activity)",
        f"{UNDER_WAY} -k polling",
    ),
    Sabotage(
        "renew what has to be proved again",
        STORE,
        "if lease.is_activity(row, self._caller()) and self._renew(row, now):",
        "if self._renew(row, now):",
        "tests/store/test_session_store.py -k renewing",
    ),
    Sabotage(
        "accuse programs that kept an old key",
        PACKAGE + "store/admission.py",
        "if found is Match.REUSED and caller.client is None:",
        "if False:",
        f"{OPENING} tests/store/test_admission.py",
    ),
    Sabotage(
        "let what is opened by name be activity",
        STORE,
        "store.is_passive = is_passive",
        "store.is_passive = False",
        OPENING,
    ),
    Sabotage(
        "sign in to what is opened by name",
        STORE,
        "        self._must_be_told_keys()\n        settler =",
        "        settler =",
        OPENING,
    ),
    Sabotage(
        "make a key for what is opened by name",
        STORE,
        "        self._must_be_told_keys()\n        data, row = self._dictionary(), self.row",
        "        data, row = self._dictionary(), self.row",
        OPENING,
    ),
    Sabotage(
        "seal a successor under a name",
        STORE,
        "or self._session_key is None or self._named is not None:",
        "or self._session_key is None:",
        OPENING,
    ),
    Sabotage(
        "say nothing where a named session is another's by now",
        STORE,
        "elif self._named is not None:",
        "elif False:",
        OPENING,
    ),
    Sabotage(
        "let a key die though only SECRET_KEY changed",
        STORE,
        "if rotation.is_without_privilege(row, data):",
        "if False:",
        SECRET_KEY,
    ),
    Sabotage(
        "keep a successor whatever changed",
        STORE,
        "if rotation.is_without_privilege(row, data):",
        "if True:",
        SECRET_KEY,
    ),
    Sabotage(
        "take today's hash for one of before",
        PACKAGE + "rows/user_state.py",
        "if user is None or same(session_hash, user.get_session_auth_hash()):",
        "if user is None:",
        SECRET_KEY,
    ),
    Sabotage(
        "rotate at once what the response could",
        STORE,
        "if self.cookies is None:\n            self.rotate(now)",
        "if True:\n            self.rotate(now)",
        SECRET_KEY,
    ),
    Sabotage(
        "rotate a key that is new",
        STORE,
        "self._owes_rotation = not rotation.is_recent(row, now)",
        "self._owes_rotation = True",
        SECRET_KEY,
    ),
    Sabotage(
        "let a program bind a successor to a device that it does not know",
        PACKAGE + "store/rotation.py",
        "if caller.client is None and caller.device_token is None:",
        "if False:",
        SECRET_KEY,
    ),
    Sabotage(
        "drop a told key where another request wrote",
        PACKAGE + "store/writing.py",
        "if not caller.presentation.is_current(newer, caller.key):",
        "if True:",
        SECRET_KEY,
    ),
    Sabotage(
        "merge whatever the key is by now",
        PACKAGE + "store/writing.py",
        "elif not same(newer.key_hash, row.key_hash):",
        "elif False:",
        f"{UNDER_WAY} {UPDATES}",
    ),
    Sabotage(
        "merge into what is another's by now",
        PACKAGE + "store/writing.py",
        "if newer.user_id != row.user_id:",
        "if False:",
        "tests/store/test_parallel_sign_ins.py",
    ),
    Sabotage(
        "tell the browser of a superseded key",
        PACKAGE + "store/presentation.py",
        "_ANOTHERS = (KeyState.SUPERSEDED, KeyState.UNPROVED)",
        "_ANOTHERS = (KeyState.UNPROVED,)",
        f"{UNDER_WAY} {ROTATION}",
    ),
    Sabotage(
        "expire what was renewed meanwhile",
        PACKAGE + "store/ending.py",
        '{"wait": LockWait.NONE, "last_activity": row.last_activity}',
        '{"wait": LockWait.NONE}',
        UNDER_WAY,
    ),
    Sabotage(
        "begin no second grace period",
        PACKAGE + "store/lease.py",
        "if caller.key_state is not KeyState.TOLD or row.successor_seen or row.rotated_at is None:",
        "if True:",
        UNDER_WAY,
    ),
    Sabotage(
        "count the grace period from the rotation alone",
        PACKAGE + "store/presented_key.py",
        "began = row.successor_told_at or row.rotated_at",
        "began = row.rotated_at",
        f"{UNDER_WAY} {PRESENTED_KEY}",
    ),
    Sabotage(
        "let set_expiry lengthen the idle timeout",
        PACKAGE + "rows/lifetime.py",
        "        idle = min(idle, configured)\n",
        "        pass\n",
        LIFETIME,
    ),
    Sabotage(
        "let set_expiry put the end off",
        PACKAGE + "rows/lifetime.py",
        "ends_at=min(ends)",
        "ends_at=max(ends)",
        LIFETIME,
    ),
    Sabotage(
        "let a cookie outlast its session",
        PACKAGE + "store/expiry.py",
        "return min(age, seconds(ends_at(row, data, last_activity=now) - now))",
        "return age",
        EXPIRY,
    ),
    Sabotage(
        "set the cookie without news",
        STORE,
        "return self.has_new_key or expiry.has_news(",
        "return True or expiry.has_news(",
        f"{UNDER_WAY} tests/security/test_cookies.py",
    ),
    Sabotage(
        "take any key for the previous one",
        PACKAGE + "store/presented_key.py",
        "if is_previous and (in_grace or not row.successor_seen):",
        "if in_grace or not row.successor_seen:",
        PRESENTED_KEY,
    ),
    Sabotage(
        "wait for a locked row to renew a lease",
        PACKAGE + "rows/session_row.py",
        "condition=condition, wait=LockWait.NONE",
        "condition=condition",
        f"{LOCKED} -k reads",
        database="postgresql",
    ),
    Sabotage(
        "wait for SQLite to renew a lease",
        PACKAGE + "rows/lock_wait.py",
        'if wait is LockWait.NONE and connection.vendor == "sqlite":',
        "if False:",
        f"{LOCKED} -k reads",
    ),
    Sabotage(
        "wait for a user's row to renew a lease",
        PACKAGE + "rows/lock_wait.py",
        'return "SET STATEMENT innodb_lock_wait_timeout=0 FOR "',
        'return ""',
        f"{LOCKED} -k row_of_the_user",
        database="mariadb",
    ),
    Sabotage(
        "wait for a locked row to rotate its key",
        PACKAGE + "store/rotation.py",
        "no_wait = LockWait.NONE",
        "no_wait = LockWait.AS_SET",
        f"{LOCKED} -k rotation",
        database="postgresql",
    ),
    Sabotage(
        "wait for a locked row to expire it",
        PACKAGE + "store/ending.py",
        '{"wait": LockWait.NONE, "last_activity": row.last_activity}',
        '{"last_activity": row.last_activity}',
        f"{LOCKED} -k expired",
        database="postgresql",
    ),
    Sabotage(
        "wait for ever to write",
        PACKAGE + "store/writing.py",
        "wait = LockWait.BOUNDED",
        "wait = LockWait.AS_SET",
        f"{LOCKED} -k told",
        database="postgresql",
    ),
    Sabotage(
        "wait for ever to revoke",
        PACKAGE + "lifecycle/ending.py",
        "wait=LockWait.BOUNDED, **ending.facts",
        "**ending.facts",
        f"{LOCKED} -k revocation_is_told",
        database="postgresql",
    ),
    Sabotage(
        "wait for ever to take a session along to a new password",
        PACKAGE + "lifecycle/passwords.py",
        "is_written = update_version(row, changes)",
        "is_written = session_row.update(row.public_id, changes, version=row.version)",
        f"{LOCKED} -k password",
        database="postgresql",
    ),
    Sabotage(
        "end no other where one session is locked",
        PACKAGE + "lifecycle/revocation.py",
        "            refusal = error\n",
        "            raise error\n",
        f"{LOCKED} -k ends_what_it_can",
        database="postgresql",
    ),
    Sabotage(
        "wait for ever to write in a transaction",
        PACKAGE + "rows/lock_wait.py",
        "    if in_sql(connection, wait) is not wait:\n",
        "    if False:\n",
        f"{LOCKED} -k in_a_transaction",
        database="postgresql",
    ),
    Sabotage(
        "leave a site's transaction with our waiting time",
        PACKAGE + "rows/lock_wait.py",
        'cursor.execute("SET LOCAL lock_timeout = 0")',
        "pass",
        f"{LOCKED} -k in_a_transaction",
        database="postgresql",
    ),
    Sabotage(
        "wait longer than a site has chosen",
        PACKAGE + "rows/lock_wait.py",
        "current_setting('lock_timeout') <> '0' OR",
        "",
        f"{LOCKED} -k own_waiting",
        database="postgresql",
    ),
    Sabotage(
        "fail where a lease cannot be written",
        PACKAGE + "store/lease.py",
        "    with doing_without():\n",
        "    if True:\n",
        UNWRITABLE,
    ),
    Sabotage(
        "serve whoever may not sign in where nothing can be written",
        PACKAGE + "store/reading.py",
        "if written is Written.REFUSED:\n        return found if _is_of_a_living_user(row) "
        "else None",
        "if written is Written.REFUSED:\n        return found",
        UNWRITABLE,
    ),
    Sabotage(
        "trust a changed client where nothing can be written",
        PACKAGE + "store/reading.py",
        "        row.take(change.columns(now))\n",
        "",
        UNWRITABLE,
    ),
    Sabotage(
        "fail where an end cannot be written",
        PACKAGE + "store/ending.py",
        "    with doing_without():\n",
        "    if True:\n",
        UNWRITABLE,
    ),
    Sabotage(
        "fail where a rotation cannot be written",
        PACKAGE + "store/rotation.py",
        "    with doing_without():\n",
        "    if True:\n",
        UNWRITABLE,
    ),
    Sabotage(
        "spoil a view's transaction with what cannot be written",
        PACKAGE + "store/unwritable.py",
        "if in_transaction() else nullcontext()",
        "if False else nullcontext()",
        UNWRITABLE,
        database="postgresql",
    ),
    Sabotage(
        "fail where the end of a disabled user cannot be written",
        PACKAGE + "middleware.py",
        "    with doing_without():\n",
        "    if True:\n",
        UNWRITABLE,
    ),
    Sabotage(
        "tell of sessions that ended where none could",
        PACKAGE + "lifecycle/ending.py",
        "        with telling_of_refusal():\n",
        "        if True:\n",
        f"{UNWRITABLE} -k revoking",
    ),
    Sabotage(
        "warn of each write that was refused",
        PACKAGE + "store/unwritable.py",
        "            if now < self._next_at:\n                return False\n",
        "",
        UNWRITABLE,
    ),
    Sabotage(
        "call a mistake an unwritable database",
        PACKAGE + "store/unwritable.py",
        "if isinstance(error, SessionNotStored) or fault_of(error) is None:",
        "if isinstance(error, SessionNotStored):",
        UNWRITABLE,
    ),
    Sabotage(
        "fail with every request where none can be saved",
        PACKAGE + "middleware.py",
        "if session.modified or isinstance(refusal, SessionLimitReached):",
        "if True:",
        UNWRITABLE,
    ),
    Sabotage(
        "answer a lost race with an error",
        PACKAGE + "rows/table.py",
        "for _ in range(CONFLICT_ATTEMPTS - 1):",
        "for _ in range(0):",
        ISOLATION,
        database="postgresql",
    ),
    Sabotage(
        "end many at once in one try",
        PACKAGE + "rows/session_row.py",
        "return retried(connections[alias], end_those)",
        "return end_those()",
        f"{ISOLATION} -k many_are",
        database="postgresql",
    ),
    Sabotage(
        "try a statement of somebody's transaction again",
        PACKAGE + "rows/table.py",
        "if connection.in_atomic_block or fault_of(error) is not Fault.CONFLICT:",
        "if fault_of(error) is not Fault.CONFLICT:",
        ISOLATION,
        database="mariadb",
    ),
    Sabotage(
        "settle no sign-in",
        STORE,
        "data = self._settled(data)",
        "pass",
        "tests/store/test_settler.py",
    ),
    Sabotage(
        "settle what is settled",
        STORE,
        "if self._binding is None and writing.names_another_user(self.row, data):",
        "if writing.names_another_user(self.row, data):",
        "tests/store/test_settler.py",
    ),
    Sabotage(
        "write to sessions that ended",
        PACKAGE + "rows/session_row.py",
        'return {**guards, "public_id": public_id, "revoked_at": None}',
        'return {**guards, "public_id": public_id}',
        UPDATES,
    ),
    Sabotage(
        "read Redis in a thread under asyncio",
        PACKAGE + "cache/drivers/redis.py",
        "        loop = await self._loops.get()\n        if loop is None:\n"
        "            return await sync_to_async(self.read)(name)\n",
        "        return await sync_to_async(self.read)(name)\n",
        ASYNC,
    ),
    Sabotage(
        "tell everybody the details of readiness",
        PACKAGE + "views/operating.py",
        "if holds_token(request):",
        "if True:",
        OPERATING,
    ),
    Sabotage(
        "take a look for each who asks",
        PACKAGE + "maintenance/readiness.py",
        "if self._last is None or not self._last.serves:",
        "if True:",
        OPERATING,
    ),
    Sabotage(
        "send a load balancer to sign in",
        PACKAGE + "views/operating.py",
        "login_not_required(mfa_exempt(require_safe(view)))",
        "mfa_exempt(require_safe(view))",
        OPERATING,
    ),
    Sabotage(
        "wait for no missing event",
        PACKAGE + "maintenance/event_reader.py",
        "and now - event.at < DECIDED_AFTER",
        "and False",
        "tests/maintenance/test_event_reader.py",
    ),
    Sabotage(
        "count what somebody else has counted",
        PACKAGE + "maintenance/counting.py",
        "own = _cursors().filter(name=CURSOR, position=after)",
        "own = _cursors().filter(name=CURSOR)",
        COUNTING,
    ),
    Sabotage(
        "remove events before they are counted",
        PACKAGE + "maintenance/cleanup.py",
        "past if counted is None else past.filter(pk__lte=counted)",
        "past",
        COUNTING,
    ),
    Sabotage(
        "take any answer of a receiver for yes",
        PACKAGE + "logs/destinations.py",
        "if not 200 <= status < 300:",
        "if False:",
        EXPORT,
    ),
    Sabotage(
        "believe an answer that was cut off",
        PACKAGE + "logs/destinations.py",
        "        if is_over.is_set():",
        "        if False:",
        EXPORT,
    ),
    Sabotage(
        "take a syslog server's reset for its end",
        PACKAGE + "logs/destinations.py",
        "                _close_in_order(connection)\n",
        "",
        EXPORT,
    ),
    Sabotage(
        "let two move one cursor",
        PACKAGE + "logs/export.py",
        "own = cursors.filter(name=self.name, position=old)",
        "own = cursors.filter(name=self.name)",
        EXPORT,
    ),
    Sabotage(
        "keep where staff acted from",
        PACKAGE + "privacy/erasure.py",
        "    _forget_where_they_acted_from(user_id)\n\n\ndef _remove",
        "\n\ndef _remove",
        ERASURE,
    ),
    Sabotage(
        "keep the session in which somebody proved a password",
        PACKAGE + "privacy/erasure.py",
        "    _remove_waiting_sessions(user_id)\n    for",
        "    for",
        ERASURE,
    ),
    Sabotage(
        "keep the name of an erased person's session",
        PACKAGE + "privacy/erasure.py",
        "        if names:\n",
        "        if False:\n",
        ERASURE,
    ),
    Sabotage(
        "tell a person where staff sit",
        PACKAGE + "privacy/export.py",
        "if _is_by_another(row):",
        "if False:",
        "tests/privacy/test_export.py",
    ),
    Sabotage(
        "keep copies with the address of before",
        PACKAGE + "privacy/addresses.py",
        "        copies.outdate(public_id)\n",
        "        pass\n",
        "tests/privacy/test_addresses.py",
    ),
    Sabotage(
        "let as many read the database at once as come",
        PACKAGE + "rows/async_reads.py",
        "        async with turns:\n",
        "        if turns:\n",
        "tests/rows/test_async_reads.py",
    ),
    Sabotage(
        "leave every connection open",
        PACKAGE + "rows/async_reads.py",
        "    if is_crowded:\n",
        "    if False:\n",
        "tests/rows/test_async_reads.py",
    ),
    Sabotage(
        "close what was open before",
        PACKAGE + "rows/async_reads.py",
        "if connection not in before:",
        "if True:",
        "tests/rows/test_async_reads.py",
    ),
    Sabotage(
        "leave a loop's connections to the collector",
        PACKAGE + "cache/drivers/redis_loops.py",
        "        await self.client.aclose()\n",
        "        pass\n",
        ASYNC,
    ),
    Sabotage(
        "take any text for a code that came along",
        PACKAGE + "mfa/verification.py",
        "if code.is_recovery_code and not is_imported and not recovery_codes.is_ours(code.text):",
        "if False:",
        "tests/mfa/test_imported_codes.py -k none",
    ),
    Sabotage(
        "try a code on paper as one of an app",
        PACKAGE + "mfa/verification.py",
        "(not is_imported or _has_app_for(user, code))",
        "True",
        "tests/mfa/test_imported_codes.py -k guesses",
    ),
    Sabotage(
        "adopt without the second factor",
        PACKAGE + "moving/claims.py",
        "must_wait=factors.is_asked and not second",
        "must_wait=False",
        FACTOR,
    ),
    Sabotage(
        "adopt whatever the password is by now",
        PACKAGE + "moving/claims.py",
        "return user if any(same(stored, each) for each in valid) else Refusal.PASSWORD",
        "return user",
        f"{ADOPTION} -k another_password",
    ),
    Sabotage(
        "adopt what somebody else acts in",
        PACKAGE + "moving/claims.py",
        "if old.is_acted_in:",
        "if False:",
        f"{ADOPTION} -k acts",
    ),
    Sabotage(
        "adopt what was ended meanwhile",
        PACKAGE + "moving/adoption.py",
        "return is_barred(user.pk, began_at=signed_in_at(self.old))",
        "return False",
        f"tests/moving/test_bars.py {AT_ONCE} -k ended",
    ),
    Sabotage(
        "take a disabled factor for proved",
        PACKAGE + "moving/claims.py",
        "if name and disabled_at is None:",
        "if name:",
        f"{FACTOR} -k disabled",
    ),
    Sabotage(
        "show a session's things before the code",
        PACKAGE + "moving/adoption.py",
        "hold_back(store, user)",
        "[store.pop(name) for name in list(store.keys()) if name[:5] == '_auth']",
        f"{FACTOR} -k not_proved",
    ),
    Sabotage(
        "give what was held back to whoever comes",
        PACKAGE + "mfa/sign_in.py",
        'if held is not None and held["user"] == str(user.pk):',
        "if held is not None:",
        f"{FACTOR} -k nobody_elses",
    ),
    Sabotage(
        "take an old session for gone that another request took over",
        PACKAGE + "store/adoption.py",
        "    arrival = follow(key, caller, now, copies, adopter)\n    if arrival is None:\n",
        "    arrival = follow(key, caller, now, copies, adopter) if old is not None else None\n"
        "    if arrival is None:\n",
        f"{AT_ONCE} -k comes_last",
    ),
    Sabotage(
        "set the key of an adoption that was undone",
        PACKAGE + "store/rotation.py",
        "    if newest is None:\n        return None, superseded(caller)\n",
        "    if newest is None:\n        return row, caller\n",
        f"{AT_ONCE} -k undone",
    ),
    Sabotage(
        "take the cookie of who was not looked up",
        PACKAGE + "store/adoption.py",
        "reading.nobody(caller, key_state=KeyState.SUPERSEDED)",
        "reading.nobody(caller)",
        MISSES,
    ),
    Sabotage(
        "look up whatever comes",
        PACKAGE + "store/old_engine.py",
        "    if KEY.fullmatch(text):\n",
        "    if text:\n",
        f"{MISSES} -k rubbish",
    ),
    Sabotage(
        "let a program give a session away",
        STORE,
        "            and self.cookies is not None\n",
        "",
        f"{ADOPTION} -k programs",
    ),
    Sabotage(
        "open an old key for ever",
        PACKAGE + "store/adoption.py",
        '"successor_seen": False,\n        "rotated_at": now,',
        '"successor_seen": False,\n        "rotated_at": now + timedelta(days=9),',
        f"{ADOPTION} -k comes_late",
    ),
    Sabotage(
        "tell the old key of no device",
        PACKAGE + "store/adoption.py",
        "Arrival(found, open_device_token(adopted, key))",
        "Arrival(found)",
        f"{ADOPTION} -k lost_response",
    ),
    Sabotage(
        "leave the old session where it ends here",
        PACKAGE + "receivers/moving.py",
        "    if key is not None:\n",
        "    if False:\n",
        "tests/moving/test_side_by_side.py",
    ),
    Sabotage(
        "count no guess at a password",
        PACKAGE + "mfa/guesses.py",
        "    if found is None or _is_counted.get():\n",
        "    if True:\n",
        f"{GUESSING} -k 6_3_1",
    ),
    Sabotage(
        "count no guess of a view that hands no request on",
        PACKAGE + "mfa/guesses.py",
        "return found if isinstance(found, HttpRequest) else current_request()",
        "return found if isinstance(found, HttpRequest) else None",
        f"{GUESSING} -k guesses_end",
    ),
    Sabotage(
        "count by the network alone",
        PACKAGE + "mfa/guesses.py",
        "        (Scope.NAME, guess.digest),\n",
        "",
        f"{GUESSING} -k 6_3_1",
    ),
    Sabotage(
        "count by the name alone",
        PACKAGE + "mfa/guesses.py",
        "        (Scope.NETWORK, throttle.of_address(guess.client.ip_address)),\n",
        "",
        f"{GUESSING} -k network",
    ),
    Sabotage(
        "count the name before the network",
        PACKAGE + "mfa/guesses.py",
        "        (Scope.NETWORK, throttle.of_address(guess.client.ip_address)),\n"
        "        (Scope.NAME, guess.digest),\n",
        "        (Scope.NAME, guess.digest),\n"
        "        (Scope.NETWORK, throttle.of_address(guess.client.ip_address)),\n",
        f"{GUESSING} -k leaves_no_names",
    ),
    Sabotage(
        "use the network up for what is not looked at",
        PACKAGE + "mfa/guesses.py",
        "            for counter in guess.counters[:position]:\n"
        "                throttle.give_back(*counter)\n",
        "",
        f"{GUESSING} -k uses_up_no_network",
    ),
    Sabotage(
        "know no device",
        PACKAGE + "mfa/guesses.py",
        "    if device is not None:\n        return ((Scope.DEVICE, device),)\n",
        "",
        f"{GUESSING} -k owner",
    ),
    Sabotage(
        "know everybody's device",
        PACKAGE + "mfa/guesses.py",
        '        "user_id": user.pk if user is not None else None,\n',
        "",
        f"{GUESSING} -k no_owner",
    ),
    Sabotage(
        "know a device that was removed",
        PACKAGE + "mfa/guesses.py",
        '        "token_hash": digest(token),\n        "revoked_at": None,\n',
        "",
        f"{GUESSING} -k no_owner",
    ),
    Sabotage(
        "believe a cookie at the endpoint of tokens",
        PACKAGE + "api/views/tokens.py",
        'store.device_token = text_of(fields.get("device_token"))',
        "pass",
        f"{GUESSING} -k by_its_device_token",
    ),
    Sabotage(
        "let a success of one's own forgive the network",
        PACKAGE + "mfa/guesses.py",
        "undo = throttle.give_back if scope is Scope.NETWORK else throttle.forget",
        "undo = throttle.forget",
        f"{GUESSING} -k buy_no_guesses",
    ),
    Sabotage(
        "take every answer for that to a right password",
        PACKAGE + "mfa/guesses.py",
        "if response is not None and response.status_code < 400:",
        "if response is not None:",
        f"{GUESSING} -k no_success",
    ),
    Sabotage(
        "take the latest guess of a request for all of them",
        PACKAGE + "mfa/guesses.py",
        "found.__dict__.setdefault(GUESSES, []).append(guess)",
        "found.__dict__[GUESSES] = [guess]",
        f"{GUESSING} -k many_in_one",
    ),
    Sabotage(
        "count a name as it was typed",
        PACKAGE + "mfa/guesses.py",
        "known = user.get_username() if isinstance(user, AbstractBaseUser) else folded(name)",
        "known = name",
        f"{GUESSING} -k spelling",
    ),
    Sabotage(
        "count what was counted already",
        PACKAGE + "mfa/guesses.py",
        "token = _is_counted.set(True)",
        "token = _is_counted.set(False)",
        f"{GUESSING} -k counted_once",
    ),
    Sabotage(
        "hash nothing for a name that nobody has",
        PACKAGE + "auth_backends.py",
        "    get_user_model()().set_password(password)\n",
        "    pass\n",
        f"{GUESSING} -k who_exists",
    ),
    Sabotage(
        "look for no device of nobody's",
        PACKAGE + "mfa/guesses.py",
        "    if token is None or read_token(",
        "    if user is None or token is None or read_token(",
        f"{GUESSING} -k who_exists",
    ),
    Sabotage(
        "know passwords beside other backends",
        PACKAGE + "auth_backends.py",
        "        guess = guesses.count(request, name, user, now=timezone.now())\n"
        "        if not is_alone() or not isinstance(password, str):\n",
        "        guess = guesses.count(request, name, user, now=timezone.now())\n"
        "        if not isinstance(password, str):\n",
        f"{BACKENDS} -k only_counts",
    ),
    Sabotage(
        "give permissions beside other backends",
        PACKAGE + "auth_backends.py",
        "return super().get_user_permissions(user_obj, obj) if is_alone() else set()",
        "return super().get_user_permissions(user_obj, obj)",
        f"{BACKENDS} -k only_counts",
    ),
    Sabotage(
        "keep in mind for the other backends that there are no permissions",
        PACKAGE + "auth_backends.py",
        "return super().get_all_permissions(user_obj, obj) if is_alone() else set()",
        "return super().get_all_permissions(user_obj, obj)",
        f"{BACKENDS} -k permissions",
    ),
    Sabotage(
        "sign out whoever signed in before the backend came",
        PACKAGE + "auth_backends.py",
        "return path == MODEL_BACKEND or super().__contains__(path)",
        "return super().__contains__(path)",
        f"{BACKENDS} -k go_on",
    ),
    Sabotage(
        "find Django's backend beside any other",
        PACKAGE + "auth_backends.py",
        "        if paths and is_alone():\n",
        "        if paths:\n",
        f"{BACKENDS} -k are_over",
    ),
    Sabotage(
        "leave login() without its backend",
        PACKAGE + "auth_backends.py",
        "        model.backend = OnlyOther()\n",
        "        pass\n",
        f"{BACKENDS} -k login_without",
    ),
    Sabotage(
        "answer who has to wait with an error",
        PACKAGE + "middleware.py",
        "        if isinstance(exception, TooManyAttempts):\n"
        "            return too_many_attempts(request, exception)\n",
        "",
        f"{GUESSING} -k told",
    ),
    Sabotage(
        "lose a count with the view's transaction",
        PACKAGE + "mfa/throttle.py",
        "    on_rollback(again, using=session_row.database(), key=(scope, subject))\n",
        "",
        f"{GUESSING} -k rollback",
    ),
    Sabotage(
        "lose a challenge with the view's transaction",
        PACKAGE + "mfa/challenge.py",
        "    on_rollback(partial(_insert, challenge), using=database, key=challenge.public_id)\n",
        "",
        f"{ROLLED_BACK} -k person",
    ),
    Sabotage(
        "begin a challenge again that was given up",
        PACKAGE + "mfa/challenge.py",
        "    withdraw(challenge.public_id)",
        "   ",
        f"{ROLLED_BACK} -k come_back",
    ),
    Sabotage(
        "record the beginning of a challenge in the view's transaction",
        PACKAGE + "mfa/challenge.py",
        "    after_view(partial(_record_start, challenge, user, client))\n",
        "    _record_start(challenge, user, client, None)\n",
        f"{ROLLED_BACK} -k recorded_once",
    ),
    Sabotage(
        "take it for a password because Django's backend is named",
        PACKAGE + "mfa/sign_in.py",
        "    if told is None and guesses.are_counted():\n        return EXTERNAL\n",
        "",
        f"{BACKENDS} -k anothers_password",
    ),
    Sabotage(
        "take a password that another proved in this request for this user's",
        PACKAGE + "mfa/guesses.py",
        "        guess.is_right and guess.user is not None and guess.user.pk == user.pk\n",
        "        guess.is_right\n",
        f"{BACKENDS} -k anothers_password",
    ),
    Sabotage(
        "give back what a rollback took back",
        PACKAGE + "mfa/throttle.py",
        "    if write is not None and write.was_rolled_back():\n        return\n",
        "",
        f"{GUESSING} -k rollback",
    ),
    Sabotage(
        "keep counters that have forgotten",
        PACKAGE + "mfa/throttle.py",
        "            _purge(scope, now)\n",
        "",
        f"{GUESSING} -k forgotten_rows",
    ),
    Sabotage(
        "keep a name waiting with a new password",
        PACKAGE + "receivers/passwords.py",
        "    guesses.forget(instance)\n",
        "",
        f"{GUESSING} -k new_password",
    ),
    Sabotage(
        "write again what stands",
        PACKAGE + "after_view.py",
        "        if self.was_rolled_back():\n            self._redo()\n",
        "        self._redo()\n",
        AFTER_VIEW,
    ),
    Sabotage(
        "take what a test's transaction holds for rolled back",
        PACKAGE + "after_view.py",
        "return not self._is_committed and self._commit not in waiting",
        "return not self._is_committed",
        AFTER_VIEW,
    ),
    Sabotage(
        "do nothing after a view under asyncio",
        PACKAGE + "middleware.py",
        "                await afinish(request, response)\n",
        "                pass\n",
        AFTER_VIEW,
    ),
    Sabotage(
        "let one that fails keep others from being done",
        PACKAGE + "after_view.py",
        "        with ExitStack() as stack:\n"
        "            for act in reversed(waiting):\n"
        "                stack.callback(act, response)\n",
        "        for act in waiting:\n            act(response)\n",
        AFTER_VIEW,
    ),
    Sabotage(
        "make an event of each failed sign-in",
        PACKAGE + "mfa/failed_sign_ins.py",
        "    if _count(name, user, client, now) <= SINGLY:\n",
        "    if _count(name, user, client, now):\n",
        FAILURES,
    ),
    Sabotage(
        "write failed sign-ins down twice",
        PACKAGE + "mfa/failed_sign_ins.py",
        "if _counts().filter(pk=row.pk, count=row.count).update(count=SINGLY):",
        "if _counts().filter(pk=row.pk).update(count=SINGLY):",
        FAILURES,
    ),
    Sabotage(
        "write failed sign-ins down with the next alone",
        PACKAGE + "receivers/guesses.py",
        "    failed_sign_ins.write_due(now, at_most=ALL_AT_ONCE)\n",
        "    pass\n",
        FAILURES,
    ),
    Sabotage(
        "measure where nobody asked for it",
        PACKAGE + "apps.py",
        "if conf.METRICS and",
        "if",
        f"{METRICS} -k off_is_off",
    ),
    Sabotage(
        "let whoever records an event make a series",
        PACKAGE + "maintenance/site_figures.py",
        "return reason if not reason or reason in Reason.values else OTHER",
        "return reason",
        f"{METRICS} -k closed",
    ),
    Sabotage(
        "lose loads among threads",
        PACKAGE + "metrics.py",
        "            self._counts[served_by] += 1\n",
        "            count = self._counts[served_by]\n            __import__('time').sleep(0)\n"
        "            self._counts[served_by] = count\n",
        f"{METRICS} -k many_threads",
    ),
    Sabotage(
        "keep the connection of an exporter's thread",
        PACKAGE + "metrics.py",
        "if is_opened_here:",
        "if False:",
        f"{METRICS} -k failure_closes",
    ),
    Sabotage(
        "let sums of all time go with old hours",
        PACKAGE + "maintenance/cleanup.py",
        ".exclude(span=Span.EVER)",
        "",
        f"{COUNTING} {OPERATING}",
    ),
    Sabotage(
        "show metrics without the token",
        PACKAGE + "views/operating.py",
        "if not holds_token(request):",
        "if False:",
        f"{OPERATING} -k Metrics",
    ),
    Sabotage(
        "have a page of metrics that nobody switched on",
        PACKAGE + "views/operating.py",
        "if conf.METRICS_TOKEN is None:",
        "if False:",
        f"{OPERATING} -k Metrics",
    ),
    Sabotage(
        "let no signal end a long command",
        PACKAGE + "management/progress.py",
        "            stop_if_asked()\n",
        "",
        f"{LONG_COMMANDS} -k interrupted",
    ),
    Sabotage(
        "remove in a dry run",
        PACKAGE + "management/commands/clearsessions.py",
        "self.due() if dry_run else self.clear()",
        "self.clear()",
        f"{LONG_COMMANDS} -k dry_run",
    ),
    Sabotage(
        "count what would go twice",
        PACKAGE + "maintenance/cleanup.py",
        'rows = rows.exclude(pk__in=former.rows.values("pk"))',
        "pass",
        f"{LONG_COMMANDS} -k clean_up",
    ),
    Sabotage(
        "show the overview to whoever is staff",
        PACKAGE + "admin/overview.py",
        "if not self.has_view_permission(request):",
        "if False:",
        f"{OVERVIEW} -k WhoMay",
    ),
    Sabotage(
        "lead to lists that one may not see",
        PACKAGE + "admin/overview.py",
        "if self._may_list else None",
        "",
        f"{OVERVIEW} -k WhoMay",
    ),
    Sabotage(
        "count days of UTC for readers elsewhere",
        PACKAGE + "admin/overview.py",
        "timezone.get_current_timezone()",
        "UTC",
        f"{OVERVIEW} -k readers_zone",
    ),
    Sabotage(
        "end from a page without asking",
        PACKAGE + "admin/ending.py",
        'if request.method != "POST":',
        "if False:",
        "tests/admin/test_ending.py -k asks_first",
    ),
    Sabotage(
        "end from a list without asking",
        PACKAGE + "admin/questions.py",
        "if question is not None:",
        "if False:",
        "tests/admin/test_revoking.py -k names_everybody",
    ),
    Sabotage(
        "end what came into a list after the question",
        PACKAGE + "admin/questions.py",
        "return rows.filter(pk__lte=int(newest))",
        "return rows if int(newest) else rows.none()",
        "tests/admin/test_revoking.py -k when_it_asked",
    ),
    Sabotage(
        "end all of a user's sessions without asking",
        PACKAGE + "admin/users.py",
        "if ALL in request.POST and ANSWERED not in request.POST:",
        "if False:",
        "tests/admin/test_user_page.py -k ends_all",
    ),
    Sabotage(
        "reset factors from their list without a fresh proof",
        PACKAGE + "admin/resetting.py",
        "return prove_first(request) if lacks_proof(request) else action(self, request, queryset)",
        "return action(self, request, queryset)",
        "tests/mfa/test_help_desk.py -k fresh_proof",
    ),
    Sabotage(
        "end from a page without the permission",
        PACKAGE + "admin/ending.py",
        "if not self.has_view_permission(request, row) or not may_revoke(request):",
        "if not self.has_view_permission(request, row):",
        "tests/admin/test_ending.py -k permissions",
    ),
    Sabotage(
        "end what one works in from its page",
        PACKAGE + "admin/devices.py",
        "if device.pk == current_device_id(request):",
        "if False:",
        "tests/admin/test_ending.py -k ones_own",
    ),
    Sabotage(
        "let whoever is staff act on people",
        PACKAGE + "admin/people.py",
        "if not may_do(request) or not _may_see_people(request, site):",
        "if False:",
        "tests/admin/test_people.py -k takes_the_permissions",
    ),
    Sabotage(
        "name people to whoever may not see users",
        PACKAGE + "admin/people.py",
        "or not _may_see_people(request, site):",
        "or False:",
        "tests/admin/test_people.py -k takes_the_permissions",
    ),
    Sabotage(
        "reset factors without a fresh proof",
        PACKAGE + "admin/people.py",
        "if act == RESET and lacks_proof(request):",
        "if False:",
        "tests/admin/test_people.py -k proves_first",
    ),
    Sabotage(
        "reset one's own factor in the admin",
        PACKAGE + "admin/resetting.py",
        "user_ids - {request.user.pk}",
        "user_ids",
        "tests/admin/test_people.py -k not_ones_own",
    ),
    Sabotage(
        "look through a whole table",
        PACKAGE + "admin/listing.py",
        "return rows.filter(pk__gt=floor) if self.is_cut else rows",
        "return rows",
        "tests/admin/test_lists.py -k newest_alone",
    ),
    Sabotage(
        "call a device in use where nothing lives",
        PACKAGE + "admin/filters.py",
        "queryset.filter(_in_use(request, queryset), revoked_at=None)",
        "queryset.filter(revoked_at=None)",
        "tests/admin/test_revoking.py -k filters_by_state",
    ),
    Sabotage(
        "let a cell be a formula",
        PACKAGE + "admin/downloads.py",
        "is_formula = isinstance(value, str) and value.startswith(FORMULA_SIGNS)",
        "is_formula = False",
        "tests/admin/test_downloads.py -k formula",
    ),
    Sabotage(
        "download without the permission to view",
        PACKAGE + "admin/downloads.py",
        "if not self.has_view_permission(request):",
        "if False:",
        "tests/admin/test_downloads.py -k permission",
    ),
    Sabotage(
        "keep a download in memory",
        PACKAGE + "admin/downloads.py",
        "part = list(rows[:READ_AT_ONCE])",
        "part = list(rows)",
        "tests/admin/test_downloads.py -k in_parts",
    ),
    Sabotage(
        "lead on to a path that nobody looked at",
        PACKAGE + "redirects.py",
        "    return path if is_path else",
        "    return path if is_here else",
        "tests/security/test_redirect_targets.py",
    ),
    Sabotage(
        "let whoever has a row sign in, whatever the site says",
        PACKAGE + "rows/user_state.py",
        "                return may_sign_in(user)",
        "                return True",
        "tests/rows/test_user_state.py",
    ),
    Sabotage(
        "wait for the lease of whom the site's own code disables",
        PACKAGE + "rows/user_state.py",
        "    if decider() is Decider.SITE:\n        return True",
        "    if decider() is Decider.SITE:\n        return False",
        "tests/rows/test_user_state.py",
    ),
    Sabotage(
        "store text as it came",
        PACKAGE + "models/text.py",
        "str(self.column))\n        return fitted(text, (ANYTHING, *names))",
        "str(self.column))\n        return text",
        "tests/models/test_text.py -k any_text",
    ),
    Sabotage(
        "take what a database could not hold for another client",
        PACKAGE + "store/client_change.py",
        "if not was_kept_as(shown, known))",
        "if known != shown)",
        "tests/store/test_client_change.py",
    ),
    Sabotage(
        "look for a name that nobody can have",
        PACKAGE + "api/views/tokens.py",
        "    if is_nobodys(request, username):",
        "    if False:",
        "tests/lifecycle/test_user_names.py",
    ),
    Sabotage(
        "name in an answer what is no text",
        PACKAGE + "api/bodies.py",
        '    "".join(found).encode()\n',
        "",
        "tests/security/test_hostile_text.py -k in_a_body",
    ),
    Sabotage(
        "look for whatever a cursor holds",
        PACKAGE + "api/pages.py",
        "if position is not None and not is_count(",
        "if False and not is_count(",
        "tests/security/test_hostile_text.py -k cursor",
    ),
    Sabotage(
        "let sessions in without a proof of their device",
        PACKAGE + "store/admission.py",
        "    if lacks_proof(row, caller.presentation, caller.cookies, now) and",
        "    if False and",
        DEVICE_KEYS,
    ),
    Sabotage(
        "serve bound sessions from a copy without a proof",
        PACKAGE + "store/session_store.py",
        "            shown.device_key == UNBOUND\n            or proves(",
        "            True\n            or proves(",
        DEVICE_KEYS,
    ),
    Sabotage(
        "ask for a proof that no browser ever showed",
        PACKAGE + "device_proof/rule.py",
        "    if device_key_id is None or not is_seen:\n",
        "    if device_key_id is None:\n",
        DEVICE_KEYS,
    ),
    Sabotage(
        "ask for a proof of what is under way",
        PACKAGE + "device_proof/rule.py",
        "now - bound_at > UNDER_WAY",
        "now >= bound_at",
        DEVICE_KEYS,
    ),
    Sabotage(
        "take an offer of before the last sign-in",
        PACKAGE + "devices/device_keys/registration.py",
        "return issued is not None and (last_proof is None or issued >= milliseconds(last_proof))",
        "return issued is not None",
        DEVICE_KEYS,
    ),
    Sabotage(
        "take what the device did not sign",
        PACKAGE + "devices/device_keys/refresh.py",
        " or not is_signed_by(signed, public, audience=audience)",
        "",
        DEVICE_KEYS,
    ),
    Sabotage(
        "let a proof count twice",
        PACKAGE + "devices/device_keys/refresh.py",
        "filter(pk=key.pk, last_nonce__lt=issued)",
        "filter(pk=key.pk)",
        DEVICE_KEYS,
    ),
    Sabotage(
        "prove a key whose session has ended",
        PACKAGE + "devices/device_keys/refresh.py",
        "    if not session.is_active or session.device_key_id != key.public_id:\n",
        "    if session.device_key_id != key.public_id:\n",
        DEVICE_KEYS,
    ),
    Sabotage(
        "take away the cookie of who can prove later",
        PACKAGE + "store/presentation.py",
        "_ANOTHERS = (KeyState.SUPERSEDED, KeyState.UNPROVED)",
        "_ANOTHERS = (KeyState.SUPERSEDED,)",
        DEVICE_KEYS,
    ),
    Sabotage(
        "sign people out who follow a link",
        PACKAGE + "bound_browsers.py",
        '    if site == "cross-site" and',
        '    if site == "none" and',
        DEVICE_KEYS,
    ),
    Sabotage(
        "write each of a thief's requests down",
        PACKAGE + "devices/device_keys/missing.py",
        "keys.filter(longer_ago).update",
        "keys.update",
        DEVICE_KEYS,
    ),
    Sabotage(
        "take proof cookies of another session",
        PACKAGE + "device_proof/proof_cookie.py",
        "    return tag_is_ours(body + session + device_key, "
        "given, purpose=Purpose.PROOF_COOKIE)\n",
        "    return True\n",
        DEVICE_VALUES,
    ),
    Sabotage(
        "take proof cookies that are over",
        PACKAGE + "device_proof/proof_cookie.py",
        '    if now > int.from_bytes(body[:END_BYTES], "big") + STILL_ACCEPTED:\n'
        "        return False\n",
        "",
        DEVICE_VALUES,
    ),
    Sabotage(
        "bind what was bound meanwhile",
        STORE,
        "if not session_row.update(row.public_id, columns, device_key_id=None):",
        "if not session_row.update(row.public_id, columns):",
        DEVICE_RULE + "1_two",
    ),
    Sabotage(
        "let whoever comes with the cookie bind it",
        PACKAGE + "bound_browsers.py",
        "    if session.may_be_bound:\n",
        "    if True:\n",
        DEVICE_RULE + "1_who",
    ),
    Sabotage(
        "prove a key with another session's cookie",
        PACKAGE + "views/device_keys.py",
        "    if key is None or session not in (None, key.session.public_id):\n",
        "    if key is None:\n",
        DEVICE_RULE + "2",
    ),
    Sabotage(
        "look at the key before its proof",
        PACKAGE + "store/admission.py",
        "    if lacks_proof(row, caller.presentation, caller.cookies, now) and",
        "    first = _match(row, caller, now)[0]\n"
        "    if first in (Match.DEAD, Match.REUSED):\n"
        "        return Refused(_REFUSED[first])\n"
        "    if lacks_proof(row, caller.presentation, caller.cookies, now) and",
        DEVICE_RULE + "4_an_old",
    ),
    Sabotage(
        "keep a proof cookie that opens nothing",
        PACKAGE + "bound_browsers.py",
        '    elif site in ("same-origin", "none") and',
        "    elif False and",
        DEVICE_RULE + "6",
    ),
    Sabotage(
        "go on with the key of a sign-in before",
        PACKAGE + "devices/recognition.py",
        "            **UNBOUND,  # the browser binds it anew",
        "            # the browser binds it anew",
        DEVICE_RULE + "7",
    ),
    Sabotage(
        "tell what to sign with a 403 alone",
        PACKAGE + "bound_browsers.py",
        "    if session.has_shown_key:\n",
        "    if False:\n",
        DEVICE_RULE + "8",
    ),
    Sabotage(
        "refuse where a site only looks",
        PACKAGE + "store/reading.py",
        "    if binding is DeviceBinding.ENFORCE:\n        return caller, answer\n",
        "    if True:\n        return caller, answer\n",
        DEVICE_RULE + "9",
    ),
    Sabotage(
        "ask browsers to sign in before they prove their key",
        PACKAGE + "views/device_keys.py",
        "csrf_exempt(login_not_required(mfa_exempt(private(require_POST(view)))))",
        "csrf_exempt(mfa_exempt(private(require_POST(view))))",
        DEVICE_RULE + "10",
    ),
    Sabotage(
        "ask nobody for a browser that binds",
        PACKAGE + "mfa/gate.py",
        "    return device_policy.lacks_device(authority, timezone.now())\n",
        "    return False\n",
        "tests/mfa/test_device_policy.py",
    ),
    Sabotage(
        "send a session's key to whoever answers",
        PACKAGE + "devices/device_keys/walk/walking.py",
        '    return "check" not in found\n',
        "    return True\n",
        OUTSIDE + "stranger",
    ),
    Sabotage(
        "answer whoever asks for the doctor's check",
        PACKAGE + "views/device_keys.py",
        "    if not is_question(question, now):\n",
        "    if not question:\n",
        OUTSIDE + "who_may",
    ),
    Sabotage(
        "let another site ask for a nonce",
        PACKAGE + "views/device_keys.py",
        "        if is_foreign(request):\n            return HttpResponse(status=403)\n",
        "",
        DEVICE_KEYS,
    ),
    Sabotage(
        "end only one's own, and not where one acts",
        PACKAGE + "lifecycle/revocation.py",
        "Session.objects.of_people([user.pk])",
        "Session.objects.for_user(user)",
        IMPERSONATION,
    ),
    Sabotage(
        "let a command miss where people act",
        PACKAGE + "lifecycle/selection.py",
        "rows.of_people(self.user_ids)",
        "rows.filter(user_id__in=self.user_ids)",
        IMPERSONATION,
    ),
    Sabotage(
        "let who was disabled act on",
        PACKAGE + "lifecycle/users.py",
        "Session.objects.of_people([user_id])",
        "Session.objects.filter(user_id=user_id)",
        IMPERSONATION,
    ),
    Sabotage(
        "renew the lease of who acts unasked",
        PACKAGE + "rows/session_row.py",
        "if row.actor_id is not None and why_gone(row.actor_id):",
        "if False:",
        IMPERSONATION,
    ),
    Sabotage(
        "ask only about the user where nothing is written",
        PACKAGE + "store/reading.py",
        "for user_id in row.people",
        "for user_id in row.people[:1]",
        IMPERSONATION,
    ),
    Sabotage(
        "let a session that a view put there meet nobody",
        STORE,
        "        if self.cookies is None:\n            self._meet_request()\n",
        "",
        "tests/devices/test_replaced_session.py",
    ),
    Sabotage(
        "ask no other package for factors",
        PACKAGE + "mfa/policy.py",
        " or elsewhere.has_factor(user)",
        "",
        WAYS_PAST,
    ),
    Sabotage(
        "know views of others by their own name alone",
        PACKAGE + "checks/second_factor.py",
        "thing.__mro__ if isinstance(thing, type) else (thing,)",
        "(thing,)",
        WAYS_PAST,
    ),
    Sabotage(
        "lead programs to a page",
        PACKAGE + "mfa/answers.py",
        "    return refuse(request, error, is_program=is_for_programs(view))\n",
        "    return refuse(request, error)\n",
        WAYS_PAST,
    ),
    Sabotage(
        "take a passkey from any page",
        PASSKEYS + "rules.py",
        "client.origin not in origins",
        "False",
        SIGNING,
    ),
    Sabotage(
        "take a passkey from a frame",
        PASSKEYS + "rules.py",
        "if client.is_framed",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "take a passkey of another domain",
        PASSKEYS + "rules.py",
        "data.rp_id_hash.hex() != digest_of(rp_id.encode())",
        "False",
        SIGNING,
    ),
    Sabotage(
        "take a passkey that asked nobody",
        PASSKEYS + "rules.py",
        "needs_verification and not data.is_verified",
        "False",
        SIGNING,
    ),
    Sabotage(
        "let a passkey change what it may do",
        PASSKEYS + "rules.py",
        "if backup_eligible != before",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "let a passkey be synced anywhere",
        PASSKEYS + "rules.py",
        "if backup_eligible and not accepts_synced",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "take any nonce of a passkey",
        PASSKEYS + "assertion.py",
        "if not asked.is_nonce(assertion.client.nonce)",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "take anybody's passkey for a password",
        PASSKEYS + "assertion.py",
        "        known = known.for_user(asked.user)\n",
        "        pass\n",
        CONFIRMING,
    ),
    Sabotage(
        "let a passkey be of whom it says",
        PASSKEYS + "assertion.py",
        'assertion.user_handle != bytes(passkey.user_handle or b"")',
        "False",
        SIGNING,
    ),
    Sabotage(
        "let a passkey count backwards",
        PASSKEYS + "assertion.py",
        "own.filter(sign_count__lt=data.sign_count)",
        "own",
        SIGNING,
    ),
    Sabotage(
        "let a passkey without a PIN become one with",
        PASSKEYS + "assertion.py",
        "may_upgrade and data.is_verified",
        "data.is_verified",
        CONFIRMING,
    ),
    Sabotage(
        "let a passkey's nonce be used twice",
        PASSKEYS + "nonces.py",
        "    except IntegrityError:\n        return False\n",
        "    except IntegrityError:\n        return True\n",
        PASSKEY_RACES,
    ),
    Sabotage(
        "let a passkey's nonce be used for ever",
        PASSKEYS + "nonces.py",
        "return -CLOCK_DIFFERENCE <= age < LIFETIME",
        "return True",
        NONCES,
    ),
    Sabotage(
        "sign in by a passkey that needs a password",
        PASSKEYS + "uses.py",
        "if PASSKEY not in verified.methods",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "sign in by a passkey where a password is wanted",
        PASSKEYS + "uses.py",
        "    if not sign_in_alone():\n        raise PasskeysOff\n    with _noted",
        "    with _noted",
        SIGNING,
    ),
    Sabotage(
        "pass a challenge by passkey without a first factor",
        PASSKEYS + "uses.py",
        "    challenges.check_first_factor(challenge)\n",
        "",
        CONFIRMING,
    ),
    Sabotage(
        "read what a passkey's maker says",
        PASSKEYS + "library.py",
        'encode_cbor({"fmt": "none", "attStmt": {}, "authData": data})',
        "new.attestation_object",
        REGISTRATION,
    ),
    Sabotage(
        "take a passkey's weak key",
        PASSKEYS + "library.py",
        "decoded.alg == RS256 and key.key_size < MIN_RSA_BITS",
        "False",
        REGISTRATION,
    ),
    Sabotage(
        "read a passkey's bytes in any spelling",
        PASSKEYS + "base64url.py",
        "if encode(data) != text",
        "if False",
        SIGNING,
    ),
    Sabotage(
        "remove the last way in",
        PASSKEYS + "only_factor.py",
        "    if not any(signs_in_alone(passkey) for passkey in others):\n        raise LastWayIn",
        "",
        PASSKEY_PAGES,
    ),
    Sabotage(
        "give up the password with one passkey of one device",
        PASSKEYS + "only_factor.py",
        "return len(alone) >= 2 or is_safe",
        "return bool(alone)",
        PASSKEY_PAGES,
    ),
    Sabotage(
        "let a recovery code in beside a password",
        PASSKEYS + "recovery.py",
        "return user if has_given_up_password(user) else None",
        "return user",
        PASSKEY_PAGES,
    ),
    Sabotage(
        "begin a passkey without fresh proof of all factors",
        PACKAGE + "views/passkeys.py",
        'if not is_reauthenticated(request, factors="all"):',
        "if False:",
        PASSKEY_PAGES,
    ),
    Sabotage(
        "take a code where a passkey is asked for",
        PACKAGE + "decorators.py",
        "is_enough = is_phishing_resistant if resistant else has_second_factor",
        "is_enough = has_second_factor",
        PASSKEY_PAGES,
    ),
    Sabotage(
        "give programs what was asked of others",
        PACKAGE + "api/views/passkeys.py",
        'holder=digest(fields["nonce_token"].reveal()),',
        'holder=digest(""),',
        "tests/api/test_passkeys.py",
    ),
    Sabotage(
        "take a code of whom the site asks for a passkey",
        PACKAGE + "mfa/gate.py",
        "    if asks_for_passkeys():\n        return False\n",
        "",
        PASSKEY_POLICY,
    ),
    Sabotage(
        "take a code for a passkey once it is looked into",
        PACKAGE + "mfa/gate.py",
        "    if must_have_passkey(user):\n        return missing_passkey(user)\n"
        "    if has_second_factor(authority.methods):",
        "    if has_second_factor(authority.methods):",
        PASSKEY_POLICY,
    ),
    Sabotage(
        "tell a passkey's script to prove who is not signed in",
        PACKAGE + "views/scripted.py",
        "    if not request.user.is_authenticated:\n        raise NotSignedIn\n",
        "",
        PASSKEY_POLICY,
    ),
    Sabotage(
        "lead round and round where passkeys are off",
        PACKAGE + "views/passkeys.py",
        "    if needs_passkey and find_relying_party(request) is None:",
        "    if False:",
        PASSKEY_POLICY,
    ),
    Sabotage(
        "let two passkeys go at once",
        PACKAGE + "mfa/enrolment.py",
        "    with alone_for(user.pk):\n        user.refresh",
        "    if True:\n        user.refresh",
        f"{PASSKEY_RACES} -k last_of_many",
    ),
    Sabotage(
        "let staff take a passkey from who has no password",
        PACKAGE + "admin/resetting.py",
        "        if has_given_up_password(user):",
        "        if False:",
        LAST_WAY_IN,
    ),
    Sabotage(
        "count a passkey of another domain for a way in",
        PASSKEYS + "only_factor.py",
        "        others = others.filter(rp_id=party.id)\n",
        "        pass\n",
        LAST_WAY_IN,
    ),
    Sabotage(
        "name apps and own hosts as other domains of a passkey",
        PASSKEYS + "relying_party.py",
        'return host is not None and host != domain and not host.endswith(f".{domain}")',
        "return True",
        "tests/views/test_well_known.py",
    ),
    Sabotage(
        "store a sign-in in steps that others see",
        PACKAGE + "rows/together.py",
        "with transaction.atomic(using=alias, savepoint=False):",
        "if True:",
        WRITTEN_TOGETHER,
    ),
    Sabotage(
        "leave the device of a sign-in to a session that ended",
        PACKAGE + "rows/together.py",
        "            if not outcome.is_written:\n                raise _Undone(outcome)\n",
        "",
        WRITTEN_TOGETHER,
    ),
    Sabotage(
        "store a device whose session ended, in the same statement",
        PACKAGE + "rows/one_statement.py",
        'source = " FROM own" if is_after_lock else ""',
        'source = ""',
        WRITTEN_TOGETHER,
        database="postgresql",
    ),
    Sabotage(
        "record what was not written, in the same statement",
        PACKAGE + "rows/one_statement.py",
        'source = "written, device" if has_device else "written"',
        'source = "device" if has_device else "written"',
        WRITTEN_TOGETHER,
        database="postgresql",
    ),
    Sabotage(
        "sign in on a device that was removed meanwhile",
        PACKAGE + "devices/session_rows.py",
        '{"id": known.device.pk, "revoked_at": None}',
        '{"id": known.device.pk}',
        "tests/devices/test_removal_races.py",
    ),
    Sabotage(
        "fail where another request stores the device first",
        PACKAGE + "devices/session_rows.py",
        "            self._recognised.recognise_again()\n",
        "            break\n",
        WRITTEN_TOGETHER,
    ),
    Sabotage(
        "take whatever a constraint refuses for a device",
        PACKAGE + "rows/one_statement.py",
        "return name == str(table.model._meta.db_table)",
        "return True",
        WRITTEN_TOGETHER,
        database="postgresql",
    ),
    Sabotage(
        "look for a token that was made in this request",
        PACKAGE + "devices/recognition.py",
        "None if self.is_certainly_new else find_device(",
        "find_device(",
        WRITTEN_TOGETHER,
    ),
    Sabotage(
        "record a sign-in that may be refused",
        PACKAGE + "devices/recognition.py",
        'stores_events = not may_refuse(store.presentation.kind or "")',
        "stores_events = True",
        "tests/lifecycle/test_limits.py",
    ),
    Sabotage(
        "store a session before its events in another database",
        PACKAGE + "rows/together.py",
        "    if events.alias != alias:\n        event_ids",
        "    if events.alias != alias and not _write_session(alias, session):\n        event_ids",
        "tests/devices/test_own_events.py",
    ),
    Sabotage(
        "tell the cache of a change before it is committed",
        PACKAGE + "cache/copies.py",
        "if connection.autocommit and not connection.in_atomic_block:",
        "if True:",
        f"{RACES} tests/store/test_rolled_back_writes.py",
    ),
    Sabotage(
        "take limits of before a change for its own",
        PACKAGE + "store/writing.py",
        "row.payload, row.limits = payload, limits\n",
        "row.payload, row.limits = payload, row.limits or limits\n",
        "tests/store/test_expiry.py",
    ),
    Sabotage(
        "take the limits of what was written for those of what was not",
        PACKAGE + "store/expiry.py",
        "limits = row.limits if row is not None and was_saved else None",
        "limits = row.limits if row is not None else None",
        "tests/store/test_expiry.py",
    ),
    Sabotage(
        "let who hijacks sign in as the other",
        PACKAGE + "integrations/hijack.py",
        "views.AcquireUserView.post = _within(as_other, views.AcquireUserView.post)",
        "del as_other",
        HELP_DESK + " -k hijack",
    ),
    Sabotage(
        "leave who hijacked to sign in again",
        PACKAGE + "integrations/hijack.py",
        "views.ReleaseUserView.post = _within(as_before, views.ReleaseUserView.post)",
        "del as_before",
        HELP_DESK + " -k hijack",
    ),
    Sabotage(
        "let who logs in as another sign in as them",
        PACKAGE + "integrations/loginas.py",
        "    with acting_as(request, user):\n",
        "    if acting_as:\n",
        HELP_DESK + " -k loginas",
    ),
    Sabotage(
        "leave who logged in as another to sign in again",
        PACKAGE + "integrations/loginas.py",
        "        with returning(request):\n",
        "        if returning:\n",
        HELP_DESK + " -k loginas",
    ),
    Sabotage(
        "ask who impersonates for nothing",
        PACKAGE + "integrations/impersonate.py",
        "        raise\n",
        "        return\n",
        HELP_DESK + " -k impersonate",
    ),
    Sabotage(
        "keep whom one was not to impersonate",
        PACKAGE + "integrations/impersonate.py",
        "for key in OF_WHOM:",
        "for key in ():",
        HELP_DESK + " -k impersonate",
    ),
    Sabotage(
        "take whom a middleware put there for the session's own under another",
        PACKAGE + "authority.py",
        "for each in before if _may_be_user(each))",
        "for each in () if _may_be_user(each))",
        HELP_DESK + " -k WhosUser",
    ),
    Sabotage(
        "take a banner for somebody whom a middleware put there",
        PACKAGE + "authority.py",
        '    "hijack.middleware",\n',
        "",
        HELP_DESK + " -k WhosUser",
    ),
    Sabotage(
        "ask of whoever acts what only the other could prove",
        PACKAGE + "mfa/gate.py",
        "not page.is_exempt and not is_enough(authority.methods, user)",
        "not page.is_exempt and must_have_factor(user)",
        HELP_DESK + " -k there_and_back",
    ),
    Sabotage(
        "open the admin to whom a middleware put there",
        PACKAGE + "mfa/gate.py",
        "    if page.is_admin and not page.is_exempt:\n        return ActingForAnother()",
        "    if False:\n        return ActingForAnother()",
        DOORS + " -k swapped",
    ),
    Sabotage(
        "show account pages in the name of whom a middleware put there",
        PACKAGE + "views/protection.py",
        "if is_in_anothers_name(request, authority_of(request)):",
        "if False:",
        DOORS + " -k swapped",
    ),
    Sabotage(
        "show what is another's to a program in their name",
        PACKAGE + "api/permissions.py",
        "if is_in_anothers_name(request, authority_of(request)):",
        "if False:",
        DOORS + " -k swapped",
    ),
    Sabotage(
        "open a socket to who lacks a proof",
        PACKAGE + "integrations/channels/sockets.py",
        "if await lacks_proof(store, user):",
        "if False:",
        DOORS + " -k cookie",
    ),
    Sabotage(
        "let a socket hold a key",
        PACKAGE + "integrations/channels/sockets.py",
        "            store.go_on_by_name()\n",
        "",
        CHANNELS + " -k holds_no_key",
    ),
    Sabotage(
        "tell no socket of the end",
        PACKAGE + "integrations/channels/__init__.py",
        '        sessions_over.connect(tell_sockets, dispatch_uid="sessions_plus.channels")\n',
        "        del sessions_over, tell_sockets\n",
        CHANNELS + " -k closes_with",
    ),
    Sabotage(
        "tell the sockets of one process alone",
        PACKAGE + "integrations/channels/sockets.py",
        "await layer.group_send(group_of(public_id)",
        "await layer.send(group_of(public_id)",
        OTHERS + "test_other_processes.py -k another_worker",
    ),
    Sabotage(
        "ask nothing before a message",
        PACKAGE + "integrations/channels/sockets.py",
        'if message["type"] == "websocket.receive" and',
        'if message["type"] == "nothing" and',
        CHANNELS + " -k nobody_told",
    ),
    Sabotage(
        "let allauth sign in without our stage",
        PACKAGE + "integrations/allauth/adapter.py",
        "return [*stages, STAGE]",
        "return stages",
        ALLAUTH,
    ),
    Sabotage(
        "let a password pass by allauth's factor",
        PACKAGE + "integrations/allauth/proofs.py",
        'return bool(is_mfa_enabled(user, ["totp", "webauthn"]))',
        "return False",
        ALLAUTH,
    ),
    Sabotage(
        "count what was proved to allauth before this sign-in",
        PACKAGE + "integrations/allauth/proofs.py",
        '        if record["at"] >= login.initiated_at\n',
        "",
        ALLAUTH,
    ),
    Sabotage(
        "let a password pass by django-otp's device",
        PACKAGE + "integrations/otp.py",
        "return bool(user_has_device(user))",
        "return False",
        OTP,
    ),
    Sabotage(
        "send Sentry what has the name of a secret",
        PACKAGE + "integrations/sentry.py",
        "(name in cookies or is_named_as_secret(name))",
        "False",
        SENTRY + " -k sites",
    ),
    Sabotage(
        "send Sentry what a form calls a value",
        PACKAGE + "integrations/sentry.py",
        'if str(frame.get("module")).startswith((*KEYS_PASS, *TYPED_PASSES)):',
        "if False:",
        SENTRY + " -k form",
    ),
    Sabotage(
        "send Sentry the token of a link",
        PACKAGE + "integrations/sentry.py",
        "        _replace(event, token)\n",
        "            pass\n",
        SENTRY + " -k link",
    ),
    Sabotage(
        "show the debug toolbar our cookies",
        PACKAGE + "error_reports.py",
        "return self.cleansed_substitute if is_ours else",
        "return",
        OTHERS + "test_debug_toolbar.py -k it_looks",
    ),
    Sabotage(
        "name a session in whichever thread",
        PACKAGE + "cache/tier.py",
        "if self.has_names_of_the_sites:",
        "if False:",
        "tests/cache/test_several_sites.py",
    ),
    Sabotage(
        "take a place for one row's where every partition has it",
        PACKAGE + "maintenance/batch_delete.py",
        " and not is_divided(rows):",
        ":",
        "tests/maintenance/test_partitions.py -k clean_up",
        database="postgresql",
    ),
    Sabotage(
        "look for the pages of a table that has only partitions",
        PACKAGE + "maintenance/key_ranges.py",
        "coalesce(max(pg_relation_size(relid)), pg_relation_size(%s::regclass))",
        "coalesce(pg_relation_size(%s::regclass), max(pg_relation_size(relid)))",
        "tests/maintenance/test_partitions.py -k clean_up",
        database="postgresql",
    ),
    Sabotage(
        "hold a session by the keys that it is bound to",
        PACKAGE + "maintenance/cleanup.py",
        'yield _removing("device_keys", _all(DeviceKey).filter(ownerless))',
        "pass",
        "tests/commands/test_clearsessions.py -k device_keys",
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
        for name in ("sessions_plus", "tests", "docs"):
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, tree / name, ignore=ignored)
        shutil.copy(ROOT / "pyproject.toml", tree)
        apply(sabotage, tree)
        run = subprocess.run(
            sabotage.command,
            cwd=tree,
            env={
                **os.environ,
                "DJANGO_SETTINGS_MODULE": "tests.settings",
                "TEST_DATABASE_URL": database_url(sabotage.database),
            },
            capture_output=True,
            text=True,
            check=False,
        )
    noticed = run.returncode == 1
    print(f"{'noticed ' if noticed else 'SURVIVED'}  {sabotage.name}", flush=True)
    if run.returncode not in (0, 1):
        print(run.stdout[-2000:], run.stderr[-2000:])
    return noticed


@lru_cache
def database_url(name: str) -> str:
    """Return where the server of that name is, started at first; empty for SQLite."""
    if not name:
        return ""
    server = {"postgresql": start_postgresql, "mariadb": start_mariadb}[name]()
    atexit.register(server.stop)
    return server.url


def apply(sabotage: Sabotage, tree: Path) -> None:
    """Put the sabotage into the tree."""
    path = tree / sabotage.path
    path.write_text(sabotage.taken_from(path.read_text()))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
