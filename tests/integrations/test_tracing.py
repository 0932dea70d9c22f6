"""No secret is in the spans of OpenTelemetry's instrumentation of Django."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils.module_loading import import_string

from sessions_plus.mfa import totp
from tests.security.test_error_reports import Browser, Secrets, of_a_view, ours, secrets
from tests.support.authenticators import enrol, only
from tests.support.failures import failing_at, functions_called

__all__ = ["secrets"]  # a fixture

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.support.gated")]

SANITIZED = "cookie,set-cookie,authorization,.*token.*,.*session.*"
"""What the documentation says to set where headers are captured."""

WAYS = {
    "as it is": {},
    "all headers": {
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_REQUEST": ".*",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SERVER_RESPONSE": ".*",
        "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": SANITIZED,
    },
}


class Spans:
    """What would be exported."""

    def __init__(self) -> None:
        self.exporter: Any = import_string(
            "opentelemetry.sdk.trace.export.in_memory_span_exporter.InMemorySpanExporter"
        )()
        self.provider: Any = import_string("opentelemetry.sdk.trace.TracerProvider")()
        processor = import_string("opentelemetry.sdk.trace.export.SimpleSpanProcessor")
        self.provider.add_span_processor(processor(self.exporter))

    def text(self) -> str:
        return "\n".join(span.to_json() for span in self.exporter.get_finished_spans())


@pytest.fixture(params=WAYS)
def spans(
    request: pytest.FixtureRequest, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Spans]:
    for name, value in WAYS[request.param].items():
        monkeypatch.setenv(name, value)
    settings.MIDDLEWARE = list(settings.MIDDLEWARE)
    settings.SESSIONS_PLUS_MAX_CLIENT_ATTEMPTS_PER_HOUR = 0
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))
    found = Spans()
    instrumentor = import_string("opentelemetry.instrumentation.django.DjangoInstrumentor")()
    instrumentor.instrument(tracer_provider=found.provider)
    try:
        yield found
    finally:
        instrumentor.uninstrument()


def test_no_span_of_any_view(spans: Spans, staff: User, secrets: Secrets) -> None:
    """Whichever of our views it saw, answering or failing."""
    enrol(staff)
    secrets.add(totp.in_base32(totp.open_secret(only(staff))))
    visitor = Browser(staff, secrets)
    told, count = [], 0
    for door, method in ours(staff):
        spans.exporter.clear()
        codes = functions_called(lambda: visitor.open(door, method))  # noqa: B023
        for code in [code for code in codes if of_a_view(code)][:1]:
            event = "call" if door.name.endswith("data_download") else "return"
            with failing_at(code, event=event):
                visitor.open(door, method)
        text = spans.text()
        count += bool(text)
        if secrets.in_(text):
            at = min(text.index(secret) for secret in secrets if secret in text)
            told.append(f"{method} {door.name}: {text[max(at - 150, 0) : at]}")

    assert not told, "\n".join(told)
    assert count > 60


@pytest.mark.parametrize("spans", ["all headers"], indirect=True)
def test_it_looks(spans: Spans, user: User) -> None:
    """What is no secret is in a span, so that the look above is none that never finds any."""
    Client().get("/account/login/", headers={"cookie": "a=canary", "x-color": "blue as the sea"})

    assert "blue as the sea" in spans.text()
    assert "canary" not in spans.text()
