"""
Who somebody is, and what they proved, is answered the same at every door.

The doors are read from the URLs, and a socket is one; for each of them, each way to present a
session and each state that it may be in, the expected answer follows from what the door asks
for. A URL that nobody gave a kind fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client, RequestFactory
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone

from sessions_plus.client_info import client_info_from
from sessions_plus.crypto import digest
from sessions_plus.integrations.channels.sockets import LACKS_PROOF, AuthMiddlewareStack
from sessions_plus.mfa.impersonation import Impersonation
from sessions_plus.models import Authenticator, Device, Session
from tests.conftest import World
from tests.support import stores
from tests.support.authenticators import enrol
from tests.tokens.factories import new_tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.gated")]

SAFARI = "Mozilla/5.0 (Macintosh) Version/17.4 Safari/605.1.15"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@dataclass(frozen=True)
class Kind:
    """
    What a door asks for.

    ``needs``: nothing, a session, one fresh factor, all of them, or a second factor.
    ``changes``: something of one's own, so that nobody does it in another's name.
    """

    needs: str = "session"
    method: str = "get"
    changes: bool = False
    is_exempt: bool = False
    is_way_out: bool = False
    bearers_only: bool = False
    is_api: bool = False
    is_admin: bool = False
    is_account: bool = False
    is_socket: bool = False


OPEN = Kind(needs="nothing")
PAGE = Kind()
ACCOUNT = Kind(is_account=True)
ACT = Kind(method="post", changes=True)
ACT_ONE = Kind("one", "post", changes=True)
ACT_ALL = Kind("all", "post", changes=True)
SCRIPT = Kind(method="post", changes=True, is_exempt=True, is_way_out=True)
API = Kind(is_api=True, is_account=True)
BEARER = Kind(bearers_only=True)
ADMIN = Kind(is_admin=True)
SOCKET = Kind(is_socket=True)


def api(needs: str = "session", method: str = "post", **more: Any) -> Kind:
    return Kind(needs, method, changes=method != "get", is_api=True, is_account=True, **more)


KINDS: dict[str, Kind] = {
    "plain": PAGE,
    "aplain": PAGE,
    "fresh": Kind("one"),
    "afresh": Kind("all"),
    "two": Kind("second factor"),
    "atwo": Kind("second factor"),
    "bearer": BEARER,
    "abearer": BEARER,
    "bearer_fresh": Kind("all", bearers_only=True),
    "orders": PAGE,
    "sessions_plus:login": OPEN,
    "sessions_plus:logout": OPEN,
    "sessions_plus:challenge": OPEN,
    "sessions_plus:challenge_cancel": OPEN,
    "sessions_plus:notice_report": OPEN,
    "sessions_plus:password_reset": OPEN,
    "sessions_plus:password_reset_done": OPEN,
    "sessions_plus:password_reset_complete": OPEN,
    "sessions_plus:password_reset_confirm": OPEN,
    "sessions_plus:session_remaining": OPEN,
    "sessions_plus:device_key_register": Kind(needs="nothing", method="post"),
    "sessions_plus:device_key_refresh": Kind(needs="nothing", method="post"),
    "sessions_plus:device_key_check": Kind(needs="nothing", method="post"),
    "sessions_plus:session_stay": OPEN,
    "sessions_plus:account": ACCOUNT,
    "sessions_plus:session_list": ACCOUNT,
    "sessions_plus:session_detail": ACCOUNT,
    "sessions_plus:event_list": ACCOUNT,
    "sessions_plus:security": ACCOUNT,
    "sessions_plus:data_download": Kind("all", changes=True),
    "sessions_plus:session_revoke": ACT_ONE,
    "sessions_plus:session_revoke_others": ACT_ONE,
    "sessions_plus:device_revoke": ACT_ONE,
    "sessions_plus:device_rename": ACT,
    "sessions_plus:device_distrust": ACT,
    "sessions_plus:reauthenticate": Kind(changes=True, is_exempt=True, is_way_out=True),
    "sessions_plus:password_change": Kind("all", changes=True),
    "sessions_plus:totp_begin": Kind("all", "post", changes=True, is_exempt=True),
    "sessions_plus:totp_enrol": Kind("all", changes=True, is_exempt=True),
    "sessions_plus:recovery_codes_make": ACT_ALL,
    "sessions_plus:recovery_codes_download": Kind(method="post", changes=True, is_exempt=True),
    "sessions_plus:authenticator_remove": Kind("all", changes=True),
    "sessions_plus:passkey_sign_in_options": OPEN,
    "sessions_plus:passkey_sign_in": OPEN,
    "sessions_plus:recover": OPEN,
    "sessions_plus:recover_passkey": OPEN,
    "sessions_plus:recover_passkey_begin": OPEN,
    "sessions_plus:passkey_challenge_options": OPEN,
    "sessions_plus:passkey_challenge": OPEN,
    "sessions_plus:passkey_reauthenticate_options": SCRIPT,
    "sessions_plus:passkey_reauthenticate": SCRIPT,
    "sessions_plus:passkey_enrol": Kind("all", changes=True, is_exempt=True),
    "sessions_plus:passkey_begin": Kind("all", "post", changes=True, is_exempt=True),
    "sessions_plus:password_give_up": Kind("all", changes=True),
    "sessions_plus:password_set": Kind("all", changes=True),
    "sessions_plus:authenticator_rename": ACT,
    "sessions_plus_api:session_list": API,
    "sessions_plus_api:revoke_others": api("one"),
    "sessions_plus_api:revoke_all": api("one"),
    "sessions_plus_api:session_detail": api("one", "delete"),
    "sessions_plus_api:device_list": API,
    "sessions_plus_api:device_detail": api("one", "delete"),
    "sessions_plus_api:event_list": API,
    "sessions_plus_api:login": OPEN,
    "sessions_plus_api:login_challenge": OPEN,
    "sessions_plus_api:logout": Kind(method="post", is_api=True, is_exempt=True, is_way_out=True),
    "sessions_plus_api:reauthenticate": api(is_exempt=True, is_way_out=True),
    "sessions_plus_api:mfa": api(method="get", is_exempt=True),
    "sessions_plus_api:totp_begin": api("all", is_exempt=True),
    "sessions_plus_api:totp_confirm": api(is_exempt=True),
    "sessions_plus_api:totp_detail": api("all", "delete"),
    "sessions_plus_api:passkey_begin": api("all", is_exempt=True),
    "sessions_plus_api:passkey_confirm": api(is_exempt=True),
    "sessions_plus_api:passkey_detail": api("all", "delete"),
    "sessions_plus_api:reauthenticate_passkey_options": api(is_exempt=True, is_way_out=True),
    "sessions_plus_api:reauthenticate_passkey": api(is_exempt=True, is_way_out=True),
    "sessions_plus_api:token_passkey_options": OPEN,
    "sessions_plus_api:token_passkey": OPEN,
    "sessions_plus_api:token_challenge_passkey_options": OPEN,
    "sessions_plus_api:token_challenge_passkey": OPEN,
    "sessions_plus_api:recovery_codes": api("all"),
    "sessions_plus_api:token_issue": OPEN,
    "sessions_plus_api:token_challenge": OPEN,
    "sessions_plus_api:token_refresh": OPEN,
    "sessions_plus_api:token_revoke": OPEN,
    "sessions_plus_api:jwks": OPEN,
    "sessions_plus_api:staff_session_list": API,
    "sessions_plus_api:staff_revoke_all": api("one"),
}
# The admin's own ways in and out, and its texts for scripts.
ADMIN_OPEN = {"admin:login", "admin:logout", "admin:jsi18n"}


@dataclass(frozen=True)
class Door:
    name: str
    path: str
    kind: Kind


def doors(facts: dict[str, str]) -> Iterator[Door]:
    """Yield every URL of the site, with its kind."""
    for name, path in urls(get_resolver().url_patterns, "/", "", facts):
        if name.startswith("admin:"):
            yield Door(name, path, OPEN if name in ADMIN_OPEN else ADMIN)
        elif name:
            yield Door(name, path, KINDS[name])
    yield Door("a websocket", "/socket/", SOCKET)


def urls(
    patterns: list[Any], prefix: str, namespace: str, facts: dict[str, str]
) -> Iterator[tuple[str, str]]:
    for entry in patterns:
        if isinstance(entry, URLResolver):
            inner = f"{entry.namespace}:" if entry.namespace else namespace
            yield from urls(entry.url_patterns, prefix + filled(entry, facts), inner, facts)
        elif isinstance(entry, URLPattern):
            yield f"{namespace}{entry.name or ''}", prefix + filled(entry, facts)


def filled(entry: Any, facts: dict[str, str]) -> str:
    """Return an entry's route with something plausible for its parameters."""
    route = str(entry.pattern).lstrip("^").rstrip("$")
    for converter in getattr(entry.pattern, "converters", {}):
        for kind in ("uuid:", "str:", "path:", "int:", ""):
            route = route.replace(f"<{kind}{converter}>", facts.get(converter, "1"))
    return "" if "(" in route else route


@dataclass
class Keys:
    """What a person holds: a browser's session key, an access token, and the browser's name."""

    cookie: str = ""
    access: str = ""
    agent: str = FIREFOX


def signed_in(user: User, *methods: str, proved_ago: timedelta = timedelta(0)) -> Keys:
    """Sign a person in, in a browser and by program."""
    key = stores.signed_in(user, methods=methods, agent=FIREFOX)
    tokens = new_tokens(user, methods=methods)
    then = timezone.now() - proved_ago
    Session.objects.for_user(user).update(reauthenticated_at=then)
    return Keys(key, tokens.access)


def fresh(ann: User, settings: Any) -> Keys:
    enrol(ann)
    return signed_in(ann, "pwd", "otp")


def stale(ann: User, settings: Any) -> Keys:
    enrol(ann)
    return signed_in(ann, "pwd", "otp", proved_ago=timedelta(days=1))


def waiting(ann: User, settings: Any) -> Keys:
    enrol(ann)
    client = Client(headers={"user-agent": FIREFOX})
    client.force_login(ann)
    return Keys(client.cookies["sessionid"].value, "")


def no_factor(ann: User, settings: Any) -> Keys:
    keys = signed_in(ann, "pwd")
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    return keys


def of_before_the_factor(ann: User, settings: Any) -> Keys:
    keys = signed_in(ann, "pwd")
    enrol(ann)
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    return keys


def trusted(ann: User, settings: Any) -> Keys:
    keys = signed_in(ann, "pwd", "dev")
    enrol(ann)
    return keys


def changed_client(ann: User, settings: Any) -> Keys:
    enrol(ann)
    keys = signed_in(ann, "pwd", "otp")
    settings.SESSIONS_PLUS_CLIENT_CHANGE = "reauthenticate"
    Session.objects.for_user(ann).filter(kind="browser").update(must_reauthenticate=True)
    return keys


def impersonated(ann: User, settings: Any) -> Keys:
    """Somebody acts as Ann, who has a second factor and must have one."""
    enrol(ann)
    settings.SESSIONS_PLUS_MFA_POLICY = "required"
    helper = User.objects.create_superuser("helper")
    store = stores.under_way(None)
    store.client = client_info_from(RequestFactory().get("/", headers={"user-agent": FIREFOX}))
    stores.enter(store, ann, World("sync"))
    store.bind(Impersonation(ann, actor_id=helper.pk))
    store.save()
    return Keys(str(store.session_key), "")


def disabled(ann: User, settings: Any) -> Keys:
    keys = signed_in(ann, "pwd")
    User.objects.filter(pk=ann.pk).update(is_active=False)
    past = timezone.now() - timedelta(hours=1)
    Session.objects.for_user(ann).update(last_activity=past)  # so that a lease is due
    return keys


STATES: dict[str, Callable[[User, Any], Keys]] = {
    "fresh": fresh,
    "stale": stale,
    "waiting": waiting,
    "no factor": no_factor,
    "before the factor": of_before_the_factor,
    "trusted device": trusted,
    "changed client": changed_client,
    "impersonated": impersonated,
    "disabled": disabled,
}
WAYS = ("cookie", "session key", "access token", "two people", "swapped")
POSSIBLE = [
    (way, state)
    for way in WAYS
    for state in STATES
    if not (state == "impersonated" and way not in ("cookie", "session key"))
    if (way in ("cookie", "session key", "access token"))
    or state in ("fresh", "stale", "no factor", "before the factor")
]


def ask(door: Door, way: str, keys: Keys, attacker: Keys) -> Any:
    """Knock at a door in one of the ways."""
    client = Client(raise_request_exception=False)
    cookies = client.cookies
    headers = {"user-agent": keys.agent}
    if way in ("cookie", "swapped", "two people"):
        cookies["sessionid"] = keys.cookie if way == "cookie" else attacker.cookie
        cookies["csrftoken"] = headers["x-csrftoken"] = "x" * 32
    if way == "swapped":
        headers["x-swap"] = "root"
    if way == "session key":
        headers["authorization"] = f"Bearer {keys.cookie}"
    if way in ("access token", "two people"):
        headers["authorization"] = f"Bearer {keys.access}"
    if way in ("access token", "two people"):
        headers["user-agent"] = "shop/1.0"
    if door.kind.is_socket:
        headers["cookie"] = "; ".join(f"{name}={each.value}" for name, each in cookies.items())
        return async_to_sync(knock_with_socket)(headers)
    extra: dict[str, Any] = {"content_type": "application/json"} if door.kind.is_api else {}
    if door.kind.method == "get":
        extra = {}
    return getattr(client, door.kind.method)(door.path, headers=headers, **extra)


async def knock_with_socket(headers: dict[str, str]) -> str:
    """Open a socket, and say whose it is; empty: nobody's; or with which code it was closed."""
    answers: list[str] = []

    async def chat(scope: Any, receive: Any, send: Any) -> None:
        answers.append(scope["user"].get_username())

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:
        answers.append(str(message["code"]))

    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "websocket", "path": "/socket/", "headers": sent, "client": ("127.0.0.1", 1)}
    await AuthMiddlewareStack(chat)(scope, receive, send)
    [answer] = answers
    return answer


def outcome(door: Door, response: Any) -> str:
    """Say in a word what a response did to whoever asked."""
    if door.kind.is_socket:
        return {"": "sign in", str(LACKS_PROOF): "prove on a page"}.get(response, response)
    code = ""
    if response.headers.get("Content-Type", "").startswith("application/json"):
        body = response.json()
        code = body.get("code", "") if isinstance(body, dict) else ""
    target = response.headers.get("Location", "")
    if code in ("acting_for_another", "conflicting_sessions") or (
        response.status_code == 403 and b"Only for the person themselves" in response.content
    ):
        return "not theirs"
    begins = door.name == "sessions_plus:totp_begin"  # which leads there by itself
    if code == "mfa_enrollment_required" or (
        target.startswith("/account/security/totp/") and not begins
    ):
        return "enrol"
    if code in ("mfa_required", "reauthentication_required"):
        return "prove"
    if target.startswith("/account/reauthenticate/"):
        return "prove"
    if response.status_code == 401 or "/login/" in target:
        return "sign in"
    return "in" if response.status_code < 500 else f"failed: {response.exc_info}"


def expected(kind: Kind, way: str, state: str) -> str:
    """Say what somebody meets at a door: what it asks for, against what they have."""
    if kind.is_socket:
        return _at_socket(way, state)
    if kind.needs == "nothing":
        return "whatever it says"
    if state in ("waiting", "disabled"):
        return "sign in"
    lacking = _lacking_for_policy(kind, way, state)
    if lacking:
        return lacking
    if kind.bearers_only and way in ("cookie", "swapped"):
        return "sign in"
    if state == "impersonated":
        return _as_another(kind, way)
    is_closed = way == "swapped" and (kind.is_account or kind.is_admin)
    is_other = way in ("swapped", "two people")
    needs_proof = kind.changes or kind.needs in ("one", "all", "second factor")
    if is_closed or (is_other and needs_proof):
        return "not theirs"
    return _lacking_for_proof(kind, state)


def _at_socket(way: str, state: str) -> str:
    """Only a cookie counts, and as for a page; who lacks a proof has no page to be led to."""
    if way in ("session key", "access token") or state in ("waiting", "disabled"):
        return "sign in"
    if way in ("swapped", "two people"):
        return "ben"  # whose cookie it is: what else came is not read
    lacks = state in ("no factor", "before the factor", "changed client")
    return "prove on a page" if lacks else "root"


def _as_another(kind: Kind, way: str) -> str:
    """Who acts as somebody else sees what a site shows them, and nothing of their account."""
    if kind.bearers_only and way == "cookie":
        return "sign in"
    is_closed = kind.changes or kind.is_account or kind.is_admin
    is_proof = kind.needs in ("one", "all", "second factor")
    return "not theirs" if is_closed or is_proof else "in"


def _lacking_for_policy(kind: Kind, way: str, state: str) -> str:
    if state == "changed client" and way != "access token":
        return "" if kind.is_way_out else "prove"
    if kind.is_exempt or state not in ("no factor", "before the factor"):
        return ""
    if way == "swapped":
        return ""  # who acts has proved one
    return "enrol" if state == "no factor" else "prove"


def _lacking_for_proof(kind: Kind, state: str) -> str:
    if kind.needs in ("one", "all") and state == "stale":
        return "prove"
    if kind.is_admin and state == "trusted device":
        return "prove"
    if kind.needs == "second factor" and state == "no factor":
        return "enrol"
    if kind.needs == "second factor" and state in ("before the factor", "trusted device"):
        return "prove"
    if kind.needs == "all" and state in ("before the factor", "trusted device"):
        return "prove"
    return "in"


@pytest.fixture
def _site(settings: Any) -> None:
    settings.LOGIN_URL = "/account/login/"
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE,
        "sessions_plus.tokens.guards.BearerMiddleware",
        "tests.support.gated.SwapMiddleware",
    ]
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))


@pytest.mark.usefixtures("_site")
@pytest.mark.parametrize(("way", "state"), POSSIBLE, ids=[f"{w}, {s}" for w, s in POSSIBLE])
def test_every_door(staff: User, other_user: User, settings: Any, way: str, state: str) -> None:
    """At each door, whoever comes in this way and this state is answered as it asks for."""
    enrol(other_user)
    attacker = signed_in(other_user, "pwd", "otp")
    keys = STATES[state](staff, settings)
    # Whatever is ended is not what asks: a session, a device and an authenticator of one name.
    elsewhere = Session.objects.filter(key_hash=digest(stores.signed_in(staff))).get()
    Device.objects.filter(sessions=elsewhere).update(public_id=elsewhere.public_id)
    Authenticator.objects.create(
        user=other_user,
        public_id=elsewhere.public_id,
        sealed_secret=b"?",
        created_at=timezone.now(),
    )
    facts = {"public_id": str(elsewhere.public_id), "user_id": str(staff.pk)}
    wrong = []
    count = 0
    for door in doors(facts):
        with transaction.atomic():
            found = outcome(door, ask(door, way, keys, attacker))
            transaction.set_rollback(True)
        wanted = expected(door.kind, way, state)
        count += 1
        if wanted not in (found, "whatever it says"):
            wrong.append(f"{door.name} {door.path}: {found}, not {wanted}")

    assert count > 90
    assert not wrong, "\n".join(wrong)
