"""What holds for every endpoint of the API, asked of every one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import URLPattern
from pytest_django import Settings

from sessions_plus.api.urls import urlpatterns
from sessions_plus.models import (
    Authenticator,
    AuthenticatorKind,
    Device,
    Event,
    Session,
    SessionEvent,
)
from sessions_plus.tokens.refresh import Tokens
from tests.api.conftest import Caller, give_csrf_token
from tests.support.authenticators import a_passkey, enrol
from tests.tokens.factories import new_tokens

pytestmark = pytest.mark.django_db

BOTH = ("pwd", "otp")
KINDS = {"totp_detail": AuthenticatorKind.TOTP, "passkey_detail": AuthenticatorKind.PASSKEY}
METHODS = ("get", "post", "put", "patch", "delete")
OPEN = {
    "login",
    "login_challenge",
    "token_issue",
    "token_challenge",
    "token_refresh",
    "token_revoke",
    "token_passkey",
    "token_passkey_options",
    "token_challenge_passkey",
    "token_challenge_passkey_options",
    "jwks",
}


@pytest.fixture(autouse=True)
def no_rates(settings: Settings) -> Iterator[None]:
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = {
        "requests": None,
        "sign_in": None,
        "refresh": None,
    }
    yield
    cache.clear()


@pytest.fixture
def tokens(user: Any) -> Tokens:
    """Ann's program is signed in."""
    return new_tokens(user, methods=BOTH)


@pytest.fixture
def program(tokens: Tokens) -> Caller:
    return Caller(tokens.access)


def name_of(pattern: URLPattern) -> str:
    return str(pattern.name)


def view_class(pattern: URLPattern) -> Any:
    view: Any = pattern.callback
    return view.cls


def operations(*, safe: bool | None = None) -> list[Any]:
    """Every method of every endpoint, as parameters."""
    return [
        pytest.param(name_of(pattern), method, id=f"{method} {name_of(pattern)}")
        for pattern in urlpatterns
        for method in METHODS
        if hasattr(view_class(pattern), method) and safe in (None, method == "get")
    ]


def closed() -> list[Any]:
    return [one for one in operations() if one.values[0] not in OPEN]


def enrol_each(user: Any) -> None:
    """Give somebody an authenticator of each kind."""
    enrol(user)
    a_passkey(user)


def args_of(name: str, user: Any) -> tuple[Any, ...]:
    """Return what stands in an endpoint's path, of that user."""
    if name == "session_detail":
        return (Session.objects.for_user(user).latest("pk").public_id,)
    if name == "device_detail":
        return (Device.objects.for_user(user).latest("pk").public_id,)
    if name in KINDS:
        return (Authenticator.objects.get(user=user, kind=KINDS[name]).public_id,)
    return (user.pk,) if name == "staff_revoke_all" else ()


def everything() -> dict[str, Any]:
    """All rows of all our tables, but for when somebody was last active."""
    tables = [name for name in connection.introspection.table_names() if "sessions_plus" in name]
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in [*tables, "auth_user"]:
            cursor.execute(f"SELECT * FROM {table} ORDER BY 1")  # noqa: S608 - our own names
            found[table] = cursor.fetchall()
    return found


@pytest.fixture
def ben(other_user: Any) -> Tokens:
    """Another person, with a session, a device and an authenticator."""
    enrol_each(other_user)
    return new_tokens(other_user, methods=BOTH)


@pytest.mark.parametrize(("name", "method"), closed())
def test_nobody_gets_in(user: Any, name: str, method: str) -> None:
    """Without signing in, nothing that is somebody's is shown or changed."""
    enrol_each(user)
    new_tokens(user, methods=BOTH)
    before = everything()

    response = Caller()(method, name, args=args_of(name, user))

    assert response.status_code == 401
    assert response.json().keys() == {"code", "detail"}
    assert response.headers["WWW-Authenticate"].startswith("Bearer")
    assert everything() == before


@pytest.mark.parametrize(
    ("name", "method"), [one for one in closed() if one.values[0].endswith("_detail")]
)
def test_another_persons(
    program: Caller, ben: Tokens, other_user: Any, name: str, method: str
) -> None:
    """What is another's is answered like what is not there, changes nothing, and is recorded."""
    body = {"name": "mine now"} if method == "patch" else None
    theirs = everything()
    missing = ("0192f0c1-9a7e-7b3c-8d21-5f0e6a4b7c98",)

    foreign = program(method, name, body, args=args_of(name, other_user))
    nothing = program(method, name, body, args=missing)

    assert foreign.status_code == nothing.status_code == 404
    assert foreign.content == nothing.content
    events = SessionEvent.objects.filter(event=Event.ACCESS_DENIED)
    assert events.count() == 2
    events.delete()
    assert everything() == theirs


@pytest.mark.parametrize("name", ["session_detail", "device_detail", *KINDS])
@pytest.mark.parametrize("public_id", ["x", "1", "0" * 400, "..%2f", "%00", "{}", "١"])
def test_malformed_names(program: Caller, name: str, public_id: str) -> None:
    """What cannot be a public id is not found either."""
    response = program("delete", name, args=(public_id,))

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(("name", "method"), operations(safe=False))
def test_csrf(user: Any, password: str, name: str, method: str) -> None:
    """What a cookie can change needs the CSRF token; where no cookie counts, none does harm."""
    caller = Caller()
    caller.client.force_login(user)
    enrol_each(user)
    body = {"username": "ann", "password": password}
    before = Session.objects.count()

    response = caller(method, name, body, args=args_of(name, user))

    if name.startswith("token_"):
        assert "sessionid" not in response.cookies
    else:
        assert (response.status_code, response.json()["code"]) == (403, "csrf_failed")
        assert Session.objects.count() == before


@pytest.mark.parametrize(("name", "method"), operations(safe=False))
@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_what_a_form_can_send(
    user: Any, name: str, method: str, content_type: str, tokens: Tokens
) -> None:
    """OWASP ASVS 3.5.2: no kind of body that a page of another site can send is read."""
    enrol_each(user)
    before = everything()
    caller = Caller(tokens.access)
    caller.client.cookies.clear()
    give_csrf_token(caller)

    data = json.dumps({"username": "ann", "password": "x", "code": "1", "name": "x"})
    response = caller(method, name, args=args_of(name, user), data=data, content_type=content_type)

    if method == "delete":
        return  # has no body to read
    if name == "staff_revoke_all":
        assert response.status_code == 403
        return
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")
    assert everything() == before


@pytest.mark.parametrize(("name", "method"), operations(safe=True))
@pytest.mark.parametrize("verb", ["get", "head", "options", "trace"])
def test_safe_methods_change_nothing(
    user: Any, tokens: Tokens, name: str, method: str, verb: str
) -> None:
    """OWASP ASVS 3.5.3: asking changes nothing."""
    args = args_of(name, user)
    Caller(tokens.access)("get", "jwks")
    before = everything()

    Caller(tokens.access)(verb, name, args=args)

    ignored = SessionEvent.objects.filter(event=Event.ACCESS_DENIED)
    ignored.delete()  # a refused look at the staff's list is recorded
    assert everything() == before


@pytest.mark.parametrize(("name", "method"), operations(safe=True))
def test_method_override(user: Any, tokens: Tokens, name: str, method: str) -> None:
    """Nothing in a header, a query or a body turns one method into another."""
    args = args_of(name, user)
    url_query = "_method=DELETE&method=DELETE&_HttpMethod=DELETE"
    headers = {"x-http-method-override": "DELETE", "x-method-override": "DELETE"}

    caller = Caller(tokens.access)
    plain = caller("get", name, args=args)
    response = caller("get", name, args=args, headers=headers, QUERY_STRING=url_query)

    assert response.status_code == plain.status_code
    assert Session.objects.get().revoked_at is None


@pytest.mark.parametrize(("name", "method"), operations())
def test_other_methods(user: Any, tokens: Tokens, name: str, method: str) -> None:
    """What an endpoint does not do is refused as such, and it says what it does."""
    enrol_each(user)
    pattern = next(one for one in urlpatterns if one.name == name)
    refused = [verb for verb in METHODS if not hasattr(view_class(pattern), verb)]
    caller = Caller(tokens.access)
    give_csrf_token(caller)

    for verb in [*refused, "options"]:
        response = caller(verb, name, args=args_of(name, user))
        if name.startswith("staff"):
            assert response.status_code == 403
            continue
        assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
        assert method.upper() in response.headers["Allow"]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("token_issue", {"username": "ann", "password": "x"}),
        ("token_challenge", {"challenge": "x", "code": "1"}),
        ("token_refresh", {"refresh": "x"}),
        ("token_revoke", {"refresh": "x"}),
        ("login", {"username": "ann", "password": "x"}),
        ("login_challenge", {"code": "1"}),
        ("reauthenticate", {"password": "x"}),
        ("totp_confirm", {"code": "1"}),
        ("totp_begin", {}),
        ("recovery_codes", {}),
        ("logout", {}),
        ("revoke_others", {}),
        ("revoke_all", {}),
    ],
)
@pytest.mark.parametrize(
    "extra", ["user", "user_id", "is_staff", "kind", "public_id", "audience", "scope", "__proto__"]
)
def test_mass_assignment(
    user: Any, tokens: Tokens, name: str, body: dict[str, Any], extra: str
) -> None:
    """A field that an endpoint does not have is refused before anything is done."""
    caller = Caller(None if name in OPEN else tokens.access)
    give_csrf_token(caller)
    before = everything()

    response = caller("post", name, body | {extra: 1})

    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert extra in response.json()["detail"]
    assert everything() == before


@pytest.mark.parametrize("field", ["public_id", "user", "trusted_until", "token_hash", "label"])
def test_mass_assignment_of_a_device(program: Caller, user: Any, field: str) -> None:
    """Of a device its name alone can be changed."""
    before = everything()

    response = program(
        "patch", "device_detail", {"name": "x", field: None}, args=args_of("device_detail", user)
    )

    assert response.status_code == 400
    assert everything() == before


@pytest.mark.parametrize(
    "value", [None, 1, True, 1.5, [], {}, ["x"], "x" * 5000, "\x00", "\ud800"], ids=repr
)
@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("token_issue", ["username", "password", "device_token", "device_name"]),
        ("token_challenge", ["challenge", "code"]),
        ("token_refresh", ["refresh", "device_token"]),
        ("token_revoke", ["refresh"]),
        ("login", ["username", "password"]),
        ("reauthenticate", ["password", "code"]),
        ("totp_confirm", ["code", "name"]),
    ],
)
def test_wrong_types(
    user: Any, tokens: Tokens, name: str, fields: list[str], value: object
) -> None:
    """A field of another kind, length or with signs that are none is refused."""
    good = dict.fromkeys(fields, "x")
    caller = Caller(None if name in OPEN else tokens.access)
    give_csrf_token(caller)

    for field in fields:
        response = caller("post", name, good | {field: value})
        assert (response.status_code, response.json()["code"]) == (400, "invalid"), field


@pytest.mark.parametrize(
    ("raw", "status", "code"),
    [
        pytest.param(b"{", 400, "parse_error", id="cut"),
        pytest.param(b"[]", 400, "parse_error", id="list"),
        pytest.param(b"null", 400, "parse_error", id="null"),
        pytest.param(b'"x"', 400, "parse_error", id="string"),
        pytest.param(b'{"refresh": NaN}', 400, "parse_error", id="NaN"),
        pytest.param(b'{"refresh":"a","refresh":"b"}', 400, "parse_error", id="name twice"),
        pytest.param(b"\xff\xfe{}", 400, "parse_error", id="UTF-16"),
        pytest.param(b"[" * 16000, 400, "parse_error", id="deep"),
        pytest.param(b'{"a":' * 3000, 400, "parse_error", id="deep object"),
        pytest.param(b'{"refresh":"' + b"x" * 17000 + b'"}', 413, "body_too_large", id="large"),
        pytest.param(b'{"refresh":' + b"9" * 5000 + b"}", 400, "parse_error", id="long number"),
        pytest.param(b"", 400, "invalid", id="empty"),
        pytest.param(b"{}", 400, "invalid", id="nothing in it"),
    ],
)
def test_bad_bodies(raw: bytes, status: int, code: str, db: None) -> None:
    """A body that is no small, plain JSON object has its own code each."""
    response = Caller()("post", "token_refresh", data=raw)

    assert (response.status_code, response.json()["code"]) == (status, code)


@pytest.mark.parametrize("length", ["99999", "9" * 5_000, "0", "-1", "", "²", "९"])
def test_body_that_lies_about_its_length(db: None, length: str) -> None:
    """What is read is bounded whatever the header says, and whatever stands in it."""
    body = b'{"refresh":"' + b"x" * 20000 + b'"}'

    response = Caller()("post", "token_refresh", data=body, CONTENT_LENGTH=length)

    assert response.status_code in (400, 413)
    assert response.json()["code"] in ("parse_error", "body_too_large", "invalid")


@pytest.mark.parametrize(("name", "method"), operations())
def test_headers(user: Any, tokens: Tokens, name: str, method: str) -> None:
    """No answer is kept by a cache, shown as a page, or opened to other sites."""
    enrol_each(user)
    headers = {"origin": "https://evil.example", "accept": "text/html"}

    response = Caller(tokens.access)(method, name, args=args_of(name, user), headers=headers)

    if response.content:
        assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert not [header for header in response.headers if header.startswith("Access-Control")]
    if name == "jwks":
        return
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(("name", "method"), operations(safe=True))
def test_no_secret_is_shown(user: Any, tokens: Tokens, name: str, method: str) -> None:
    """Nothing that an endpoint shows holds a key, a token, a hash or a secret."""
    enrol_each(user)
    session = Session.objects.get()
    secrets = [
        tokens.refresh,
        tokens.access,
        tokens.device_token,
        session.key_hash,
        Device.objects.get().token_hash,
        user.password,
    ]

    response = Caller(tokens.access)("get", name, args=args_of(name, user))

    assert not [secret for secret in secrets if secret and secret in response.content.decode()]


def test_site_settings_open_nothing(user: Any, settings: Settings) -> None:
    """What a site sets for its own API changes nothing about ours."""
    from rest_framework.settings import api_settings

    settings.REST_FRAMEWORK = {
        "DEFAULT_PERMISSION_CLASSES": [],
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    }
    try:
        assert Client().get("/api/sessions/").status_code == 401
    finally:
        api_settings.reload()
