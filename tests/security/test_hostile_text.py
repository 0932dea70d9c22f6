"""
Whatever text a stranger sends, in whatever place: refused as such or served, never a fault.

The places are found from the URLs, the schema and the pages themselves. The test client
raises whatever a view does not catch.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.urls import reverse
from drf_spectacular.settings import patched_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from sessions_plus.api.schema import SETTINGS, OwnGenerator
from sessions_plus.models import Device
from tests.api.conftest import Caller, give_csrf_token
from tests.security.addresses import Address, addresses
from tests.support.authenticators import enrol
from tests.support.hostile import IN_A_HEADER, TEXTS
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db

METHODS = ("get", "post", "patch", "delete")
NAMED = re.compile(r"""<(?:input|select|textarea|button)[^>]*\bname=["']([^"']+)""")
SOME_ID = "0192f0c1-9a7e-7b3c-8d21-5f0e6a4b7c98"
ANYTHING = st.characters(categories=None)  # also halves of surrogate pairs


@pytest.fixture(autouse=True)
def no_rates(settings: Settings) -> Iterator[None]:
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))
    yield
    cache.clear()


@pytest.fixture
def program(staff: User) -> Caller:
    """A program of staff, proved by all that there is: it reaches what every endpoint does."""
    tokens = new_tokens(staff, methods=("pwd", "otp"))
    enrol(staff)
    caller = Caller(tokens.access)
    give_csrf_token(caller)
    return caller


@lru_cache(maxsize=1)
def described() -> dict[str, Any]:
    with patched_settings(SETTINGS):
        generator: Any = OwnGenerator(urlconf="tests.urls")
        made: dict[str, Any] = generator.get_schema(request=None, public=True)
    return made


def operations() -> list[Any]:
    """Each operation of the API: its path, its method, and the names of its body's fields."""
    return [
        pytest.param(path, method, fields_of(operation), id=operation["operationId"])
        for path, methods in described()["paths"].items()
        for method, operation in methods.items()
    ]


def fields_of(operation: dict[str, Any]) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return list(described()["components"]["schemas"].get(name, {}).get("properties", {}))


def as_sent(text: str) -> bytes:
    """Return the bytes in which a program would send it, halves of surrogate pairs too."""
    return text.encode("utf-8", "surrogatepass")


def at(path: str, text: str | None = None) -> str:
    """Return a described path with ``text`` in its places; else a device of somebody's."""
    device = Device.objects.first()
    usual = str(device.public_id) if device is not None else SOME_ID
    given = usual if text is None else quote(as_sent(text), safe="")
    return re.sub(r"\{\w+\}", given or "-", path)


def ask(caller: Caller, method: str, path: str, body: Any = None, **options: Any) -> None:
    """Send it, and see that the answer is none of a fault: JSON with a code, if it refuses."""
    headers = {"user-agent": "shop/1.0", "x-csrftoken": caller.client.cookies["csrftoken"].value}
    if caller.access is not None:
        headers["authorization"] = f"Bearer {caller.access}"
    headers |= options.pop("headers", {})
    if method != "get":
        data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        options = {"data": data, "content_type": "application/json"} | options
    response = getattr(caller.client, method)(path, headers=headers, **options)
    assert response.status_code < 500
    if response.status_code >= 400 and response.headers["Content-Type"] == "application/json":
        assert response.json().keys() >= {"code", "detail"}


@pytest.mark.parametrize(("path", "method", "fields"), operations())
def test_in_a_body(program: Caller, path: str, method: str, fields: list[str]) -> None:
    """As a field's name, as its value, below it and in its place: of each endpoint."""
    good = dict.fromkeys(fields, "x")
    for text in TEXTS.values() if method != "get" else ():
        ask(program, method, at(path), {text: 1})
        ask(program, method, at(path), good | {text: text})
        ask(program, method, at(path), [text])
        for field in fields:
            for value in (text, [text], {text: text}):
                ask(program, method, at(path), good | {field: value})


@pytest.mark.parametrize(("path", "method", "fields"), operations())
def test_in_an_address(program: Caller, path: str, method: str, fields: list[str]) -> None:
    """In each place of a path, and as name and value of a query."""
    for text in TEXTS.values():
        if "{" in path:
            ask(program, method, at(path, text))
        for name in ("cursor", "page_size", "user", text) if method == "get" else ():
            ask(program, method, at(path), query_params={as_sent(name): as_sent(text)})


HEADERS = (
    "accept",
    "accept-language",
    "cookie",
    "forwarded",
    "origin",
    "referer",
    "user-agent",
    "x-csrftoken",
    "x-forwarded-for",
    "x-request-id",
)
"""What something of ours or of Django's reads; what says who asks or what is sent stands apart."""


@pytest.mark.parametrize(("path", "method", "fields"), operations())
def test_in_a_header(program: Caller, path: str, method: str, fields: list[str]) -> None:
    """In each header that something of ours or of Django's reads."""
    body = dict.fromkeys(fields, "x")
    for text in IN_A_HEADER.values():
        ask(program, method, at(path), body, headers=dict.fromkeys(HEADERS, text))
        ask(program, method, at(path), body, headers={"content-type": text})
        for value in (text, f"Bearer {text}"):
            ask(program, method, at(path), body, headers={"authorization": value})


CURSORS = {
    "no base64": ("a", 400),
    "beyond ASCII": ("é", 400),
    "half of a surrogate pair": ("\ud800", 400),
    "a text": (b"p=a", 400),
    "no text": (b"p=", 400),
    "bytes": (b"\x00\xff\xfe", 400),
    "a sign": (b"p=-1", 400),
    "a fraction": (b"p=1.5", 400),
    "a space": (b"p=+1", 400),
    "digits of another script": (b"p=%E0%A5%A7", 400),
    "NUL": (b"p=%00", 400),
    "half of an encoded pair": (b"p=%ED%A0%80", 400),
    "a long number": (b"p=" + b"9" * 5_000, 400),
    "one digit too many": (b"p=" + b"9" * 20, 400),
    "a date": (b"p=2030-01-01T00:00:00", 400),
    "an id": (f"p={SOME_ID}".encode(), 400),
    "a long number of steps": (b"o=" + b"9" * 5_000, 400),
    "a text of steps": (b"o=a", 400),
    "steps back": (b"o=-1", 400),
    "a way that is none": (b"r=a", 400),
    "a long way": (b"r=" + b"9" * 5_000, 400),
    "nothing in each": (b"p=&o=&r=", 400),
    "more fields than are read": (b"&".join([b"p=1"] * 2_000), 200),
    "64 bits": (f"p={2**63 - 1}".encode(), 200),
    "more than 64 bits": (f"p={2**63}".encode(), 200),
    "many steps": (b"o=999999", 200),
    "back": (b"r=1", 200),
}
"""What a cursor is, or what it decodes to, and what is answered."""


def lists() -> list[Any]:
    return [
        pytest.param(path, id=operation["operationId"])
        for path, methods in described()["paths"].items()
        for operation in methods.values()
        if any(one["name"] == "cursor" for one in operation.get("parameters", ()))
    ]


@pytest.mark.parametrize("path", lists())
@pytest.mark.parametrize(("given", "status"), CURSORS.values(), ids=CURSORS)
def test_a_cursor(program: Caller, path: str, given: bytes | str, status: int) -> None:
    """A cursor that decodes to anything but a position is refused; one that does is followed."""
    cursor = b64encode(given) if isinstance(given, bytes) else as_sent(given)

    response = program.client.get(
        path, {"cursor": cursor}, headers={"authorization": f"Bearer {program.access}"}
    )

    assert response.status_code == status
    assert status == 200 or response.json()["code"] == "invalid"


FUZZ = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.parametrize(("path", "method", "fields"), operations())
@FUZZ
@given(data=st.data())
def test_anything(
    program: Caller, path: str, method: str, fields: list[str], data: st.DataObject
) -> None:
    """Bodies, names and queries of any shape and any characters."""
    texts = st.text(ANYTHING, max_size=80)
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts
    values = st.recursive(
        leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=6
    )
    names = st.sampled_from(fields) | texts if fields else texts
    raw = st.binary(max_size=60) | st.dictionaries(names, values, max_size=5)
    query = st.dictionaries(st.sampled_from(["cursor", "page_size", "user"]), texts)

    sent = {name: as_sent(value) for name, value in data.draw(query).items()}
    ask(program, method, at(path), data.draw(raw), query_params=sent)


def pages() -> list[Any]:
    return [pytest.param(one, id=one.name) for one in addresses(("sessions_plus",))]


@pytest.mark.parametrize("address", pages())
@pytest.mark.parametrize("has_factor", [False, True], ids=["one factor", "two factors"])
def test_on_a_page(
    user: User, password: str, client: Any, address: Address, has_factor: bool
) -> None:
    """In every place of a page's address, every field that its form has, and its headers."""
    signed_in(client, user, password, has_factor=has_factor)
    path = address.path(public_id=SOME_ID, token="x", uidb64="x")
    found = NAMED.findall(client.get(path, follow=True).content.decode())
    names = {*found, "next", "factors", "recovery", "page", "code", "name", "others", "cursor"}

    for text in TEXTS.values():
        form = "&".join(f"{name}={quote(as_sent(text))}" for name in names)
        ask_page(client, "get", f"{path}?{form}")
        ask_page(client, "post", path, form, content_type="application/x-www-form-urlencoded")
    for text in IN_A_HEADER.values():
        ask_page(client, "get", path, headers=dict.fromkeys(HEADERS, text))
        if address.places == ("token",):
            ask_page(client, "get", reverse(address.name, args=[text.replace("/", "") or "x"]))


def signed_in(client: Any, user: User, password: str, *, has_factor: bool) -> None:
    client.post("/account/login/", {"username": user.get_username(), "password": password})
    if has_factor:
        enrol(user)


def ask_page(client: Any, method: str, path: str, data: Any = None, **options: Any) -> None:
    response = getattr(client, method)(path, data, **options)
    assert response.status_code < 500
    if response.streaming:
        b"".join(response.streaming_content)  # a download stays open until it is read
