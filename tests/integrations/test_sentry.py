"""No secret is in what sentry-sdk sends of a failure, with ``send_default_pii``."""

from __future__ import annotations

import json
import operator
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import User
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import include, path
from django.utils.module_loading import import_string
from django.views.decorators.csrf import csrf_exempt

from sessions_plus.cookies import device_cookie_name, trust_cookie_name
from sessions_plus.integrations.sentry import scrub
from sessions_plus.mfa import totp
from sessions_plus.testing import sign_in
from tests.conftest import PASSWORD
from tests.security.test_error_reports import Browser, Secrets, of_a_view, ours, secrets
from tests.support.authenticators import enrol, only
from tests.support.failures import failing_at, functions_called

__all__ = ["secrets"]  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]

TYPED = "739517 is what was typed"
CANARY = "a canary in what is no secret"


@csrf_exempt
def own(request: HttpRequest, token: str = "") -> HttpResponse:
    """A view of the site's, which keeps what came where no name tells what it is."""
    form = AuthenticationForm(request, request.POST)
    form.is_valid()
    body = request.POST.dict()
    nested = {"of": [{"whom": {"password": body.get("password"), "color": CANARY}}]}
    raise ValueError(f"it fails with {len(nested)}")


refuses: Any = operator.index  # which tells nothing of what it was given


class Failing(forms.Form):
    """Fails inside of Django's forms, where a password is called ``value``."""

    password = forms.CharField(validators=[refuses])


@csrf_exempt
def form(request: HttpRequest) -> HttpResponse:
    return HttpResponse(Failing(request.POST).is_valid())


urlpatterns = [
    path("form/", form),
    path("own/", own),
    path("link/<str:token>/", own),
    path("", include("tests.support.gated")),
]

Transport: Any = import_string("sentry_sdk.transport.Transport")


class Kept(Transport):
    """Keeps what would be sent."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.sent: list[str] = []

    def capture_envelope(self, envelope: Any) -> None:
        self.sent.append(envelope.serialize().decode())


WAYS: dict[str, dict[str, Any]] = {
    "send_default_pii": {"send_default_pii": True},
    "data_collection": {"data_collection": {"user_info": True}},
}
OURS = {"before_send": scrub, "before_send_transaction": scrub}


def sending(**options: Any) -> Iterator[Kept]:
    transport = Kept()
    with warnings.catch_warnings():  # of ``send_default_pii``, which most sites have
        warnings.simplefilter("ignore", DeprecationWarning)
        sentry_sdk.init(
            dsn="https://key@sentry.example/1",
            transport=transport,
            traces_sample_rate=1.0,
            **options,
        )
    try:
        yield transport
    finally:
        sentry_sdk.get_client().close()
        sentry_sdk.init()


@pytest.fixture(params=WAYS)
def sentry(request: pytest.FixtureRequest) -> Iterator[Kept]:
    yield from sending(**WAYS[request.param], **OURS)


@pytest.fixture
def sentry_alone() -> Iterator[Kept]:
    yield from sending(send_default_pii=True)


@pytest.fixture(autouse=True)
def _site(settings: Any) -> None:
    settings.SESSIONS_PLUS_MAX_CLIENT_ATTEMPTS_PER_HOUR = 0
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))


@pytest.fixture
def visitor(staff: User, secrets: Secrets) -> Browser:
    enrol(staff)
    secrets.add(totp.in_base32(totp.open_secret(only(staff))))
    return Browser(staff, secrets)


def test_no_view_of_ours(sentry: Kept, visitor: Browser, secrets: Secrets) -> None:
    """Whichever of our views fails, and however it was asked, no envelope has a secret."""
    told, failed = [], set()
    for door, method in ours(visitor.person):
        codes = functions_called(lambda: visitor.open(door, method))  # noqa: B023
        for code in [code for code in codes if of_a_view(code)][:1]:
            sentry.sent.clear()
            event = "call" if door.name.endswith("data_download") else "return"  # an open file
            with failing_at(code, event=event):
                visitor.open(door, method)
            sent = "\n".join(sentry.sent)
            if "Deliberate" in sent:
                failed.add(door.name)
            if secrets.in_(sent):
                found = next(secret for secret in secrets if secret in sent)
                told.append(f"{method} {door.name}: {around(sent, found)}")

    assert not told, "\n".join(told)
    assert len(failed) > 40


def around(sent: str, secret: str) -> str:
    """Return where in an envelope something stands, and not what."""
    at = sent.index(secret)
    return sent[max(at - 120, 0) : at]


def fail(client: Client, address: str = "/own/") -> None:
    """Let the site's own view fail, served by what serves a site and not by the test client."""
    fields = {"username": "ann", "password": PASSWORD, "code": TYPED, "color": CANARY}
    environ = RequestFactory(headers={"authorization": f"Bearer {TYPED}"}).post(address, fields)
    environ.META["HTTP_COOKIE"] = "; ".join(
        f"{name}={morsel.coded_value}" for name, morsel in client.cookies.items()
    )
    start: Any = lambda status, headers: None  # noqa: E731
    b"".join(WSGIHandler()(environ.META, start))


def canaries(client: Client) -> list[str]:
    cookies = [morsel.value for name, morsel in client.cookies.items() if name != "color"]
    return [PASSWORD, TYPED, *cookies]


@pytest.fixture
def customer(user: User) -> Client:
    client = Client(raise_request_exception=False)
    sign_in(client, user)
    client.cookies[trust_cookie_name()] = "a browser that was trusted for a month"
    client.cookies["color"] = "a cookie of the site"
    return client


def test_no_view_of_the_sites(sentry: Kept, customer: Client) -> None:
    """The site's own likewise; what is no secret is still there to find the fault by."""
    fail(customer)

    sent = "\n".join(sentry.sent)
    assert not [canary for canary in canaries(customer) if canary in sent]
    assert CANARY in sent
    assert "a cookie of the site" in sent
    [event] = [each for each in map(event_in, sentry.sent) if "exception" in each]
    assert event["request"]["method"] == "POST"
    assert event["transaction"] == "/own/"


def test_no_form(sentry: Kept, customer: Client) -> None:
    """A form that fails while it looks at what was typed."""
    fail(customer, "/form/")

    sent = "\n".join(sentry.sent)
    assert "run_validators" in sent
    assert not [canary for canary in canaries(customer) if canary in sent]


def test_no_link_of_a_mail(sentry: Kept, customer: Client) -> None:
    """The token in an address, as of a reset by mail, is not in what is sent about its view."""
    fail(customer, f"/link/{TYPED.replace(' ', '-')}/")

    sent = "\n".join(sentry.sent)
    assert "/link/" in sent
    assert TYPED.replace(" ", "-") not in sent


def event_in(envelope: str) -> dict[str, Any]:
    """Return the event of an envelope: headers, the item's header, and the item, a line each."""
    found: dict[str, Any] = json.loads(envelope.splitlines()[2])
    return found


def test_what_it_is_for(sentry_alone: Kept, customer: Client) -> None:
    """Without it the device cookie is sent: the look above is none that never finds any."""
    fail(customer)

    assert customer.cookies[device_cookie_name()].value in "\n".join(sentry_alone.sent)
