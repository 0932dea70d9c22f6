"""
Fill the tables of the documentation from the code, so that none can tell of another version.

    python docs/build_tables.py

A table stands between ``<!-- table: NAME -->`` and ``<!-- end of table -->``; everything else
on a page is written by hand and stays. ``tests/test_docs.py`` holds that the tables are up to
date.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Callable, Iterable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
PAGES = (
    "settings.md",
    "checks.md",
    "signals.md",
    "security/events.md",
    "security/session-policy.md",
    "security/threat-model.md",
    "security/keys.md",
    "security/privacy.md",
    "operating/metrics.md",
)
TABLE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def value_in_words(value: object) -> str:
    """Return a default as a reader would write it: ``30 days``, `None`, `"full"`."""
    if isinstance(value, timedelta):
        return duration_in_words(value)
    return f'`"{value}"`' if isinstance(value, str) else f"`{value!r}`"


def duration_in_words(duration: timedelta) -> str:
    seconds = int(duration.total_seconds())
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        # 24 hours is a day, but 90 minutes are no hours.
        if seconds % length == 0 and seconds >= length:
            count = seconds // length
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return "0 seconds"


def type_in_words(setting: Any) -> str:
    names = ["list" if kind is tuple else kind.__name__ for kind in setting.kind]
    names = ["path" if name == "PurePath" else name for name in names]
    names = list(dict.fromkeys(names)) + (["None"] if setting.optional else [])
    choices = f": {', '.join(f'`{choice}`' for choice in setting.choices)}"
    return " or ".join(names) + (choices if setting.choices else "")


def settings_table() -> str:
    from sessions_plus.conf import Conf, FromProfile

    rows = []
    for setting in Conf.declared():
        by_profile = isinstance(setting.default, FromProfile)
        default = "[by profile](#by-profile)" if by_profile else value_in_words(setting.default)
        name = f"`{setting.full_name}`"
        rows.append((name, type_in_words(setting), default, setting.meaning))
    return table(("Setting", "Type", "Default", "Meaning"), rows)


def profiles_table() -> str:
    from sessions_plus.conf import PROFILES, Conf

    rows = [
        (
            f"`{setting.full_name}`",
            *(value_in_words(getattr(p, setting.profile_field)) for p in PROFILES.values()),
        )
        for setting in Conf.declared()
        if setting.profile_field
    ]
    return table(("Setting", *(f"`{name}`" for name in PROFILES)), rows)


def checks_table() -> str:
    from sessions_plus.checks import catalogue

    rows = (
        (f"`{f.full_id}`", catalogue.LEVELS[f.level], _places(f.text), _places(f.hint))
        for f in catalogue.findings()
    )
    return table(("Id", "Level", "Message", "Hint"), rows)


def _places(text: str) -> str:
    """A message's places, ``{alias!r}``, as a reader knows them: *alias*."""
    return re.sub(r"\{(\w+)[^}]*\}", r"*\1*", text).replace("<", "&lt;")


def events_table() -> str:
    from sessions_plus.events import OWASP_WORDS
    from sessions_plus.models import Event

    rows = (
        (f"`{e.value}`", str(e.label), f"`{OWASP_WORDS[e]}`" if e in OWASP_WORDS else "")
        for e in Event
    )
    return table(("Event", "What happened", "OWASP's word"), rows)


def reasons_table() -> str:
    from sessions_plus.models import Reason

    rows = ((f"`{reason.value}`", str(reason.label)) for reason in Reason)
    return table(("Reason", "What its user reads"), rows)


def notices_table() -> str:
    from sessions_plus.notices.letters import LETTERS

    rows = ((f"`{event}`", str(letter.subject)) for event, letter in LETTERS.items())
    return table(("Event", "The mail's subject"), rows)


def windows_table() -> str:
    """How long what was ended, stolen or sent may still work, by the code."""
    from sessions_plus.conf import PROFILES, Conf
    from sessions_plus.notices.links import LINK_LIFETIME

    default = PROFILES["aal1"]
    interval: timedelta = Conf.ACTIVITY_INTERVAL.default  # type: ignore[assignment]
    rows = (
        ("A revoked session, if the cache could not be told", interval),
        ("A replaced key, told its successor on the same device", default.rotation_grace_period),
        ("A stolen key that its owner goes on using: found out after", default.rotation_interval),
        ("An access token that is verified without asking us", default.access_token_lifetime),
        ("The link in a mail", LINK_LIFETIME),
    )
    return table(
        ("What", "At most (`aal1`, defaults)"), ((w, duration_in_words(d)) for w, d in rows)
    )


def primitives_table() -> str:
    from sessions_plus import crypto, keys
    from sessions_plus.mfa import recovery_codes, totp

    code_bits = recovery_codes.LENGTH * (len(recovery_codes.ALPHABET).bit_length() - 1)
    sealing = (
        f"{crypto.MASTER_KEY_BYTES * 8}-bit keys, a key of its own for each value "
        f"({crypto.SALT_BYTES * 8}-bit salt; copies in a cache share one per thread, "
        f"{crypto.SEALS_PER_SHARED_SALT:,} at most), {crypto.NONCE_BYTES * 8}-bit random nonces, "
        f"{crypto.TAG_BYTES * 8}-bit tags"
    )
    tags = f"{keys.TAG_BYTES * 8} bits; they save a look-up and prove nothing"
    rows = (
        ("Sealing", "AES-256-GCM", sealing),
        ("Deriving keys", "HKDF with SHA-256", "one key for each purpose"),
        ("Session keys and tokens", "random", f"{keys.SECRET_BYTES * 8} bits; stored as SHA-256"),
        ("Tags of tokens", "HMAC-SHA-256", tags),
        ("Secrets of authenticators", "random", f"{totp.SECRET_BYTES * 8} bits; stored sealed"),
        ("Recovery codes", "random", f"{code_bits} bits; stored as HMAC-SHA-256"),
        ("Access tokens", "ES256, EdDSA", "P-256, Ed25519; the private key is stored sealed"),
        ("One-time codes", "HMAC with SHA-1, -256, -512", "RFC 6238; many apps know SHA-1 alone"),
    )
    return table(("For", "What", "How"), rows)


def data_map_table() -> str:
    from sessions_plus.privacy.inventory import INVENTORY, Sort

    rows = []
    for holding in INVENTORY.values():
        sorts = {sort: [n for n, c in holding.columns.items() if c.sort is sort] for sort in Sort}
        stays = [name for name, c in holding.columns.items() if c.outlives]
        erased = "nobody's" if holding.of is None else "deleted"
        if not holding.goes:
            erased = f"emptied, but for {_names(stays)}"
        lists = (_names(sorts[sort]) for sort in Sort)
        rows.append((f"`{holding.model.__name__}`", *lists, erased))
    return table(("Model", "Secret", "Personal", "Neither", "Erasing its person"), rows)


def _names(columns: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in columns)


def retention_table() -> str:
    """What is kept for how long, by the code."""
    from sessions_plus.cache.tier import LIFETIME_IN_INTERVALS
    from sessions_plus.conf import Conf
    from sessions_plus.maintenance.cleanup import COUNTERS_KEPT, HOUR_COUNTS_KEPT
    from sessions_plus.mfa import challenge, enrolment
    from sessions_plus.notices.links import LINK_LIFETIME

    interval: timedelta = Conf.ACTIVITY_INTERVAL.default  # type: ignore[assignment]
    rows = [
        ("Sessions that go on", "until they end", "limits of the [profile](../settings.md)"),
        ("Sessions of visitors", "until they expire", "`SESSIONS_PLUS_ANONYMOUS_LIFETIME`"),
        ("Ended sessions, without their data", *_kept(Conf.RETENTION_SESSIONS)),
        ("Events", *_kept(Conf.RETENTION_EVENTS)),
        ("Devices, after their last sign-in", *_kept(Conf.RETENTION_DEVICES)),
        ("Authenticators, recovery codes", "until they are removed", "their person"),
        ("Enrolments that nobody completed", "until the next one", "void after "
         + duration_in_words(enrolment.PENDING_LIFETIME)),
        ("Sign-ins that wait for a second factor", duration_in_words(challenge.LIFETIME), ""),
        ("Links in mails", duration_in_words(LINK_LIFETIME), ""),
        ("Counters of an account", "until it or the authenticator goes", ""),
        ("Counters of addresses, names and devices", duration_in_words(COUNTERS_KEPT), ""),
        ("Counts by hour and day, which name nobody", duration_in_words(HOUR_COUNTS_KEPT), ""),
        ("Sums of all time, which name nobody", "for good", ""),
        (
            "Copies of sessions in the cache, sealed",
            duration_in_words(LIFETIME_IN_INTERVALS * interval),
            f"{LIFETIME_IN_INTERVALS} times `SESSIONS_PLUS_ACTIVITY_INTERVAL`",
        ),
    ]  # fmt: skip
    return table(("What", "Kept", "Decided by"), rows)


def _kept(setting: Any) -> tuple[str, str]:
    return duration_in_words(setting.default), f"`{setting.full_name}`"


def figures_table() -> str:
    from sessions_plus.maintenance.exposition import PREFIX
    from sessions_plus.maintenance.site_figures import FIGURES

    rows = ((f"`{PREFIX}{f.name}`", _names(f.labels), f.meaning) for f in FIGURES)
    return table(("Metric", "Labels", "Meaning"), rows)


def instruments_table() -> str:
    from sessions_plus import metrics

    kinds = {
        "counter": (*metrics.COUNTERS, metrics.LOADS),
        "histogram": metrics.HISTOGRAMS,
        "gauge": metrics.GAUGES,
    }
    rows = (
        (f"`{one.full_name}`", kind, one.unit, _names(one.attributes), one.meaning)
        for kind, instruments in kinds.items()
        for one in instruments
    )
    return table(("Instrument", "Kind", "Unit", "Attributes", "Meaning"), rows)


def signals_table() -> str:
    return table(("Signal", "Meaning and arguments"), documented_signals())


def documented_signals() -> list[tuple[str, str]]:
    """Return each signal of ``sessions_plus.signals`` with the text that stands below it."""
    from sessions_plus import signals

    body = ast.parse(Path(signals.__file__).read_text()).body
    return [
        (f"`{node.targets[0].id}`", str(text.value.value).replace("``", "`"))
        for node, text in pairwise(body)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    ]


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "profiles": profiles_table,
    "checks": checks_table,
    "events": events_table,
    "reasons": reasons_table,
    "signals": signals_table,
    "notices": notices_table,
    "windows": windows_table,
    "primitives": primitives_table,
    "data_map": data_map_table,
    "retention": retention_table,
    "figures": figures_table,
    "instruments": instruments_table,
}


def rebuilt(page: str) -> str:
    """Return a page's text with its tables as the code has them now."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return TABLE.sub(lambda m: f"{m[1]}{TABLES[m[2]]()}{m[3]}", text)


def main() -> None:
    sys.path.insert(0, str(DOCS.parent))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    for page in PAGES:
        (DOCS / page).write_text(rebuilt(page), encoding="utf-8")


if __name__ == "__main__":
    main()
