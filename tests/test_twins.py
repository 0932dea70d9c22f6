"""
Sync and async twins: what differs is ``await``, and nothing else, so that neither drifts.

The bodies are compared as trees, with all that belongs to one world alone left out. A twin
may also be nothing but a hop: the other one, called in a thread with the same arguments.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.test_architecture import modules, parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef

# A driver has a client of its own in each world, and does with each what that one can; the
# tier saves a call on the way to it where most requests come by.
# Sockets are served under asyncio alone.
OTHERWISE = (
    "sessions_plus.cache.drivers.",
    "sessions_plus.cache.tier",
    "sessions_plus.integrations.channels.sockets",
)

# Twins that are told apart by what Django has in one world alone.
APART = {
    "sessions_plus.authority.identity_of": "request.user reads when asked, auser() before",
    "sessions_plus.authority.proof_of": "whom somebody put into request.user, auser() does not say",
    "sessions_plus.store.ahead.hand_over": "a response is closed by its own thread in one world",
    "sessions_plus.integrations.otp.__init__.own": "request.user is an object, auser a function",
}

# Functions of one world that the other has no use for.
ALONE = {
    "in_turn": "what it waits for is the turn of a request among others of its event loop",
    "auser": "it stands where Django's request.auser stood, beside request.user",
    "aread": "in the other world the row is read where a view asks for something of it",
    "_in_threads": "a download's parts, which a WSGI server reads as they are",
    "__aiter__": "a file's parts, which Django's FileResponse reads by itself in the other world",
}


@dataclass(frozen=True)
class Pair:
    """Two functions of one scope, of which the second is the first one's twin in async."""

    module: str
    sync: Function
    twin: Function

    @property
    def name(self) -> str:
        return f"{self.module}.{self.sync.name}"


def sync_name(name: str) -> str:
    """Return the name of the function that one of that name would be the twin of, or ""."""
    bare = name.lstrip("_")
    return name[: len(name) - len(bare)] + bare[1:] if bare.startswith("a") else ""


def pairs_in(source: str, module: str) -> Iterator[Pair]:
    """Yield the pairs of twins in a module, its classes and its functions."""
    for scope in ast.walk(parsed(source)):
        if isinstance(scope, ast.Module | ast.ClassDef | Function):
            found = {function.name: function for function in functions_in(scope)}
            for twin in found.values():
                sync = found.get(sync_name(twin.name))
                if sync is not None and any(asyncs_in(twin)):
                    yield Pair(module, sync, twin)


def functions_in(scope: ast.AST) -> Iterator[Function]:
    """Yield the functions that stand in a scope, those in its branches too."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, Function):
            yield node
        elif not isinstance(node, ast.ClassDef):
            yield from functions_in(node)


def asyncs_in(tree: ast.AST) -> Iterator[ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.AsyncFunctionDef))


class InOneWorld(ast.NodeTransformer):
    """Leave out of a function what belongs to one world alone, and what does not run."""

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self.visit_FunctionDef(ast.FunctionDef(**vars(node)))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.name, node.returns = in_sync(node.name), None
        has_docstring = ast.get_docstring(node) is not None
        statements = node.body[1:] if has_docstring else node.body
        node.body = [statement for statement in statements if not leads_over(statement)]
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return self.generic_visit(ast.Assign([node.target], node.value))

    def visit_Await(self, node: ast.Await) -> ast.AST:
        return self.in_place_of(node.value)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = ast.unparse(node.func)
        if called in ("sync_to_async", "read_in_thread"):
            return self.in_place_of(node.args[0])
        if called == "cast":
            return self.in_place_of(node.args[1])
        if called == "request.auser":
            return ast.parse("request.user", mode="eval").body
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Name(in_sync(node.id))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        return self.generic_visit(ast.Attribute(node.value, in_sync(node.attr)))

    def in_place_of(self, node: ast.AST) -> ast.AST:
        found: ast.AST = self.visit(node)
        return found


def leads_over(statement: ast.stmt) -> bool:
    """Say whether a statement only leads from a function to its twin."""
    return isinstance(statement, ast.If) and ast.unparse(statement.test) == "self.async_mode"


def shape_of(function: Function) -> str:
    """Return a function as it reads without what belongs to its world."""
    return ast.unparse(ast.fix_missing_locations(InOneWorld().visit(copy.deepcopy(function))))


def is_hop(pair: Pair) -> bool:
    """Say whether the twin only calls the other in a thread, with all that it was given."""
    arguments = pair.sync.args
    names = [arg.arg for arg in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    given = [name for name in names if name not in ("self", "cls")]
    call = pair.twin.body[-1]
    if not isinstance(call, ast.Return | ast.Expr) or not isinstance(call.value, ast.Await):
        return False
    shape = InOneWorld().visit(copy.deepcopy(call.value))
    if len(pair.twin.body) > 2 or not isinstance(shape, ast.Call):
        return False
    called = ast.unparse(shape.func).split(".")[-1]
    passed = [ast.unparse(value) for value in shape.args]
    passed += [ast.unparse(keyword.value) for keyword in shape.keywords]
    return called == pair.sync.name and passed == given


SOURCES = {module: path.read_text() for module, path in modules()}
PAIRS = [pair for module, source in SOURCES.items() for pair in pairs_in(source, module)]
TWINS = {pair.twin.name for pair in PAIRS} | {"aget", "acheck_password"}  # these are Django's


def in_sync(name: str) -> str:
    """Return a name as the sync world has it."""
    return sync_name(name) if name in TWINS else name


@pytest.mark.parametrize(
    "pair",
    [pytest.param(pair, id=pair.name) for pair in PAIRS if not pair.module.startswith(OTHERWISE)],
)
def test_twins_differ_in_await(pair: Pair) -> None:
    """Both do the same in the same order; or the async one hops to a thread, and that is all."""
    is_same = is_hop(pair) or shape_of(pair.twin) == shape_of(pair.sync)

    assert is_same is (pair.name not in APART), shape_of(pair.twin)


def test_no_async_function_is_alone() -> None:
    """Whatever is async has a twin, or stands inside of one, or on the list of the exceptions."""
    of_pairs = {(pair.module, node.name) for pair in PAIRS for node in asyncs_in(pair.twin)}
    alone = [
        f"{module}: {node.name}"
        for module, source in SOURCES.items()
        for node in asyncs_in(parsed(source))
        if node.name not in ALONE
        and (module, node.name) not in of_pairs
        and not module.startswith(OTHERWISE)
    ]

    assert of_pairs
    assert not alone


@pytest.mark.parametrize(
    "drifted",
    [
        pytest.param("await self.aread()\n    self.count += 1", id="does more"),
        pytest.param("await self.awrite()", id="calls another"),
        pytest.param("if True:\n        await self.aread()", id="of another shape"),
        pytest.param("await sync_to_async(self.f)()", id="a hop that loses an argument"),
    ],
)
def test_a_drift_is_found(drifted: str) -> None:
    """A twin that does anything else is seen."""
    source = f"def f(self, x):\n    self.read()\nasync def af(self, x):\n    {drifted}\n"
    (pair,) = pairs_in(source, "module")

    assert not is_hop(pair)
    assert shape_of(pair.twin) != shape_of(pair.sync)
