"""
The layers: imports point down only, and an optional library has one home.

When this objects, move the code rather than the test. An import inside a function counts like
any other; one under ``if TYPE_CHECKING`` does not run, so it does not count.
"""

from __future__ import annotations

import ast
import gc
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

import sessions_plus

PACKAGE = Path(sessions_plus.__file__).parent

# From the top down. A part may import what stands on its own line or on a lower one; so each
# feature and each room has a line to itself.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("integrations",),
    ("urls", "operating_urls", "well_known_urls"),
    ("views", "api", "admin", "management", "checks", "apps", "testing"),
    (
        "middleware",
        "receivers",
        "metrics",
        "forms",
        "decorators",
        "templatetags",
        "error_reports",
    ),
    ("auth_backends",),
    ("bound_browsers",),
    ("privacy",),
    ("logs",),
    ("moving",),
    ("tokens",),
    ("mfa",),
    ("notices",),
    ("devices",),
    ("lifecycle",),
    ("events",),
    ("authority",),
    ("backends",),
    ("store",),
    ("maintenance",),
    ("cache",),
    ("rows",),
    ("models", "migrations"),
    ("device_proof",),
    (
        "conf",
        "exceptions",
        "signals",
        "policy",
        "crypto",
        "cookies",
        "current",
        "after_view",
        "keys",
        "redirects",
        "moments",
        "not_set_up",
        "client_info",
        "masked",
        "named_types",
    ),
)

# The floors inside a room, from the top down: the same rule.
FLOORS: dict[str, tuple[tuple[str, ...], ...]] = {
    "logs": (
        ("export",),
        ("destinations",),
        ("formatters",),
        ("formats",),
    ),
    "moving": (
        ("rehearsal", "way_out"),
        ("in_bulk", "factors"),
        ("adoption", "judging"),
        ("claims",),
        ("old_proofs", "old_factors"),
        ("old_passkeys",),
        ("left",),
    ),
    "privacy": (
        ("erasure", "export", "addresses"),
        ("inventory",),
    ),
    "cache": (
        ("copies",),
        ("tier",),
        ("drivers",),
        ("entries",),
        ("fast_path", "slots", "breaker", "pending_invalidations"),
    ),
    "cache.drivers": (
        ("choosing",),
        ("redis", "memcached", "local_memory", "portable"),
        ("redis_loops",),
        ("redis_clients", "compare_and_swap"),
        ("deadline",),
        ("contract", "turns", "idle", "pipelined"),
    ),
    "rows": (
        ("columns",),
        ("lifetime", "together", "touches"),
        ("one_statement",),
        ("session_row",),
        ("table", "user_state", "device_binding"),
        ("statements",),
        (
            "prepared",
            "payload",
            "async_reads",
            "kept_cursor",
            "find_or_create",
            "lock_wait",
            "write_faults",
        ),
    ),
    "store": (
        ("of_request", "engine"),
        ("measured",),
        ("session_store",),
        ("leaving",),
        ("adoption",),
        ("reading", "rotation", "ahead", "kept_old_keys"),
        ("writing", "ending"),
        ("admission", "lease"),
        ("proof",),
        ("presentation", "unwritable"),
        (
            "copies",
            "expiry",
            "merge",
            "presented_key",
            "client_change",
            "pending_sign_in",
            "old_engine",
        ),
        ("old_tables",),
    ),
    "device_proof": (
        ("self_check", "signing"),
        ("names", "nonces", "proof_cookie", "signed"),
        ("headers", "instructions", "rule", "spelling"),
    ),
    "mfa.passkeys": (
        ("recovery",),
        ("uses",),
        ("assertion", "registration"),
        ("only_factor", "accepted", "upgrade", "ways"),
        ("options",),
        ("library", "rules"),
        ("sent", "nonces", "relying_party"),
        ("credentials", "base64url"),
    ),
    "maintenance": (
        ("readiness", "exposition"),
        ("site_figures",),
        ("cleanup", "resealing", "diagnosis"),
        ("batch_delete", "counting", "writability"),
        ("key_ranges", "lock_timeout", "event_reader", "own_migrations"),
    ),
}

# How many private names of one file of the store others may use.
MOST_BORROWED = 8

# What a site's settings name by dotted path; a module more would be a door more.
NAMED_BY_SETTINGS = {"__init__", "db", "cached_db", "redis_cluster"}

HOMES: dict[str, tuple[str, ...]] = {
    "rest_framework": ("api",),
    "drf_spectacular": ("api",),
    "joserfc": ("tokens",),
    "channels": ("integrations",),
    "allauth": ("integrations",),
    "django_otp": ("integrations",),
    "two_factor": ("integrations",),
    "hijack": ("integrations",),
    "impersonate": ("integrations",),
    "loginas": ("integrations",),
    "pyotp": ("mfa",),
    "segno": ("mfa",),
    "webauthn": ("mfa",),
    "ua_parser": ("client_info",),
    "geoip2": ("client_info",),
    "maxminddb": ("client_info",),
    "redis": ("cache", "backends"),
    "django_redis": ("cache",),
    "pymemcache": ("cache",),
    "opentelemetry": ("metrics",),
    "hashlib": ("crypto",),
    "hmac": ("crypto",),
    "cryptography": ("crypto",),
}
# `secrets` and JSON do what these two do, without their dangers.
NOWHERE = {"random", "pickle", "marshal", "shelve"}


@lru_cache(maxsize=1024)
def imports_of(source: str, module: str) -> frozenset[str]:
    """Return the full dotted names that a module imports."""
    package = module.rpartition(".")[0]
    found: set[str] = set()
    for node in running_nodes(parsed(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(node, package)
            found |= {f"{origin}.{alias.name}" for alias in node.names}
    return frozenset(found)


def parsed(source: str) -> ast.Module:
    """
    Return the tree of a source, with the garbage collector at rest.

    What it runs while CPython 3.11 builds a tree can end in a SystemError there ("recursion
    depth mismatch").
    """
    gc.disable()
    try:
        return ast.parse(source)
    finally:
        gc.enable()


def running_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """Walk through all that can run, so not through ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield other
                yield from running_nodes(other)
            continue
        yield node
        yield from running_nodes(node)


def absolute(node: ast.ImportFrom, package: str) -> str:
    """Return where a ``from … import`` imports from, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def part_of(module: str) -> str:
    """Return the layer's name of one of our modules: ``sessions_plus.mfa.totp`` is ``mfa``."""
    return module.split(".")[1] if "." in module else ""


def level(part: str) -> int:
    """Return how high a part stands, counted from the top."""
    for number, parts in enumerate(LAYERS):
        if part in parts:
            return number
    raise LookupError(f"{part!r} stands in no layer: add it to LAYERS")


def violations(source: str, module: str) -> list[str]:
    """Return what a module's imports break, in words."""
    here = part_of(module)
    found = []
    for name in sorted(imports_of(source, module)):
        top = name.split(".")[0]
        if top in NOWHERE:
            found.append(f"{module} imports {top}, which nothing may")
        if top in HOMES and here not in HOMES[top]:
            found.append(f"{module} imports {top}, whose home is {' or '.join(HOMES[top])}")
        if top == "sessions_plus" and not may_import(here, part_of(name)):
            found.append(f"{module} imports {name}, which does not stand below it")
    return found


def may_import(here: str, there: str) -> bool:
    """Say whether one of our parts may import another."""
    return there in ("", "__version__") or level(there) >= level(here)


def floor(room: str, name: str) -> int:
    """Return how high a module stands in its room, counted from the top."""
    for number, names in enumerate(FLOORS[room]):
        if name in names:
            return number
    raise LookupError(f"{name!r} stands on no floor of {room}: add it to FLOORS")


def floor_violations(source: str, module: str) -> list[str]:
    """Return what a module imports from a higher floor of a room that it is in, in words."""
    found = []
    for room in FLOORS:
        inside = f"sessions_plus.{room}."
        here = module.removeprefix(inside).split(".")[0]
        if not module.startswith(inside) or here == "__init__":
            continue
        for name in sorted(imports_of(source, module)):
            if not name.startswith(inside):
                continue
            there = name.removeprefix(inside).split(".")[0]
            if floor(room, there) < floor(room, here):
                found.append(f"{module} imports {name}, which stands above it")
    return found


def imported_modules(sources: dict[str, str]) -> dict[str, set[str]]:
    """Return, for each module, the modules that it imports, wherever in it."""
    return {
        module: {
            name if name in sources else name.rpartition(".")[0]
            for name in imports_of(source, module)
            if name in sources or name.rpartition(".")[0] in sources
        }
        - {module}
        for module, source in sources.items()
    }


def circles(sources: dict[str, str]) -> list[str]:
    """Return each pair of modules that import one another, by whatever way, in words."""
    arrows = imported_modules(sources)
    reached: dict[str, set[str]] = {}
    for module in arrows:
        seen: set[str] = set()
        ahead = list(arrows[module])
        while ahead:
            there = ahead.pop()
            if there not in seen:
                seen.add(there)
                ahead += arrows[there]
        reached[module] = seen
    return [
        f"{one} and {other} import each other"
        for one in sorted(reached)
        for other in sorted(reached[one])
        if one < other and one in reached[other]
    ]


def private_names(source: str) -> tuple[set[str], set[str]]:
    """Return the private names that a module defines, and those that it uses."""
    defined: set[str] = set()
    used: set[str] = set()
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Name):
            (used if isinstance(node.ctx, ast.Load) else defined).add(node.id)
        elif isinstance(node, ast.Attribute):
            is_own = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            (defined if is_own and isinstance(node.ctx, ast.Store) else used).add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used |= {alias.name for alias in node.names}
    private = {name for name in defined | used if name[0] == "_" and not name.endswith("__")}
    return defined & private, used & private


def borrowed(sources: dict[str, str]) -> list[str]:
    """Return each private name of one module that another uses, in words."""
    found = {module: private_names(source) for module, source in sources.items()}
    return [
        f"{module} uses {name} of {owner}"
        for module, (own, used) in found.items()
        for owner, (defined, _) in found.items()
        for name in sorted((used - own) & defined)
        if owner != module
    ]


def modules() -> list[tuple[str, Path]]:
    """Return the dotted name and the file of each of our modules."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        # The package's own file counts as a module inside it, so that one dot means itself.
        found.append((".".join(parts), path))
    return found


@pytest.mark.parametrize(("module", "path"), [pytest.param(*m, id=m[0]) for m in modules()])
def test_imports_point_down(module: str, path: Path) -> None:
    """A module imports only what stands below it, and optional libraries only in their home."""
    if module == "sessions_plus.__init__":
        assert imports_of(path.read_text(), module) <= {"__future__.annotations"}
        return

    assert not violations(path.read_text(), module)
    assert not floor_violations(path.read_text(), module)


def test_nothing_goes_round_in_a_circle() -> None:
    """No two modules import each other, also not by way of others or inside a function."""
    sources = {module.removesuffix(".__init__"): path.read_text() for module, path in modules()}

    assert not circles(sources)


def test_a_circle_is_found() -> None:
    """One that is three modules long and hidden in a function is seen, and one for types is not."""
    a, b, c = "sessions_plus.a", "sessions_plus.b", "sessions_plus.c"
    round_trip = {
        a: "from sessions_plus import b",
        b: "def f():\n    from sessions_plus.c import x",
        c: "import sessions_plus.a",
    }

    assert len(circles(round_trip)) == 3
    round_trip[b] = "if TYPE_CHECKING:\n    from sessions_plus.c import x"
    assert not circles(round_trip)


def test_store_is_read_file_by_file() -> None:
    """Whoever reads one file of the store needs next to no private name of another."""
    store = "sessions_plus.store."
    sources = {module: path.read_text() for module, path in modules() if module.startswith(store)}

    assert len(sources) > 8
    assert len(borrowed(sources)) <= MOST_BORROWED, borrowed(sources)


def test_a_borrowed_name_is_found() -> None:
    """By import, through a module, or of an object; what is one's own or Django's is none."""
    owner = "_rule = 1\nclass A:\n    def _do(self):\n        self._state = 1"
    other = "from a import _rule\nA()._do()\nb._state\nself._session_key\n_mine = 1\n_mine"

    assert len(borrowed({"owner": owner, "other": other})) == 3


def test_backends_has_what_settings_name() -> None:
    """``backends/`` has the modules that a site's settings name, and nothing else."""
    found = {path.stem for path in (PACKAGE / "backends").iterdir() if path.suffix == ".py"}

    assert found == NAMED_BY_SETTINGS


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("sessions_plus.lifecycle.limits", "import hashlib", id="hash elsewhere"),
        pytest.param("sessions_plus.crypto", "import pickle", id="pickle"),
        pytest.param("sessions_plus.crypto", "from random import choice", id="random"),
        pytest.param("sessions_plus.views.devices", "import segno", id="optional elsewhere"),
        pytest.param(
            "sessions_plus.events", "from sessions_plus.lifecycle import revoke", id="one layer up"
        ),
        pytest.param("sessions_plus.models.session", "from ..mfa import totp", id="relative"),
        pytest.param("sessions_plus.conf", "from sessions_plus import models", id="by name"),
        pytest.param(
            "sessions_plus.devices.trust",
            "def f():\n    from sessions_plus.tokens import keys",
            id="inside a function",
        ),
        pytest.param(
            "sessions_plus.devices.trust",
            "if TYPE_CHECKING:\n    pass\nelse:\n    import sessions_plus.views.devices",
            id="what runs when types are not checked",
        ),
    ],
)
def test_a_violation_is_found(module: str, source: str) -> None:
    """The reader of imports sees each way to import upwards."""
    assert len(violations(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        pytest.param("sessions_plus.mfa.totp", "import pyotp", id="at home"),
        pytest.param("sessions_plus.mfa.totp", "from sessions_plus import events", id="down"),
        pytest.param("sessions_plus.mfa.totp", "from . import qr_code", id="a sibling"),
        pytest.param(
            "sessions_plus.events",
            "if TYPE_CHECKING:\n    from sessions_plus.views import x",
            id="for types",
        ),
        pytest.param("sessions_plus.policy", "from sessions_plus.conf import conf", id="settings"),
    ],
)
def test_a_lawful_import_passes(module: str, source: str) -> None:
    """What the layers allow is not reported."""
    assert violations(source, module) == []


def pictures() -> list[list[str]]:
    """Return the pictures of the document on the architecture, in lines."""
    text = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    return [
        block.strip().splitlines() for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    ]


def test_the_picture_of_the_rooms_is_true() -> None:
    """Each floor is drawn with what stands on it, in order."""
    drawn = [tuple(line.split("  ")[0].split(" · ")) for line in pictures()[0]]

    assert drawn == list(LAYERS)


def test_the_picture_of_the_floors_is_true() -> None:
    """What is drawn of a room is what its floors are."""
    for line in pictures()[1]:
        room, _, floors = line.partition(" ")
        drawn = tuple(tuple(names.split(" · ")) for names in floors.strip().split(" > "))
        assert drawn == FLOORS[room], room


INTEGRATIONS = sorted(
    f"sessions_plus.integrations.{path.stem}"
    for path in (PACKAGE / "integrations").iterdir()
    if path.stem.isidentifier() and not path.stem.startswith("_")
)


@pytest.mark.parametrize("module", INTEGRATIONS)
def test_integrations_are_imported_before_any_model_may_be(module: str) -> None:
    """INSTALLED_APPS names them, so Django imports them while no app is ready."""
    script = f"from django.conf import settings; settings.configure(); import {module}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PACKAGE.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_no_module_stands_before_one_of_pythons() -> None:
    """Whoever runs Python in the package's directory imports Python's own modules."""
    assert {path.stem for path in PACKAGE.glob("*.py")}.isdisjoint(sys.stdlib_module_names)
