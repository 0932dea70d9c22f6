"""A session or a device ended from its own page, after a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from sessions_plus.models import Device, Event, Reason, Session, SessionEvent
from tests.admin.desk import make_support, said, signed_in

pytestmark = pytest.mark.django_db


def page_of(row: Session | Device, what: str = "change") -> str:
    return reverse(f"admin:sessions_plus_{row._meta.model_name}_{what}", args=[row.pk])


def target(kind: str, session: Session) -> Any:
    return session if kind == "session" else session.device


@pytest.fixture(params=["session", "device"])
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


def test_it_asks_first(
    desk: Client, user: User, kind: str, sign_in: Callable[..., Session]
) -> None:
    """The page leads to a question that names who and what, and nothing has ended by then."""
    session = sign_in(user)
    row = target(kind, session)

    page = desk.get(page_of(row)).content.decode()
    question = desk.get(page_of(row, "end"))

    session.refresh_from_db()
    assert page_of(row, "end") in page
    assert question.status_code == 200
    assert "ann will be signed out" in question.content.decode()
    assert page_of(row) in question.content.decode()  # the way back
    assert session.revoked_at is None


def test_the_button_ends_it(
    desk: Client, user: User, staff: User, kind: str, sign_in: Callable[..., Session]
) -> None:
    """It ends, recorded with who did it; other sessions go on, and staff are back on its page."""
    session, other = sign_in(user), sign_in(user)
    row = target(kind, session)

    response = desk.post(page_of(row, "end"), follow=True)

    session.refresh_from_db()
    other.refresh_from_db()
    assert session.revoked_at is not None
    expected = Reason.REVOKED_BY_STAFF if kind == "session" else Reason.DEVICE_REVOKED
    assert session.revoked_reason == expected
    assert session.revoked_by == staff
    assert other.revoked_at is None
    assert response.request["PATH_INFO"] == page_of(row)
    assert "1 session was ended." in said(response)


def test_what_ended_is_not_asked_for_again(
    desk: Client, user: User, kind: str, sign_in: Callable[..., Session]
) -> None:
    """Of what is over the page offers nothing, and an old tab's button changes nothing."""
    session = sign_in(user)
    row = target(kind, session)
    now = timezone.now()
    type(row).objects.filter(pk=row.pk).update(revoked_at=now)

    page = desk.get(page_of(row)).content.decode()
    response = desk.post(page_of(row, "end"), follow=True)

    row.refresh_from_db()
    assert page_of(row, "end") not in page
    assert "already" in said(response)
    assert row.revoked_at == now
    assert not SessionEvent.objects.filter(event=Event.SESSION_REVOKED).exists()


def test_ones_own_goes_on(desk: Client, staff: User, kind: str) -> None:
    """Nobody ends what they work in from here, nor is offered it."""
    session = Session.objects.get(user=staff)
    row = target(kind, session)

    page = desk.get(page_of(row)).content.decode()
    desk.post(page_of(row, "end"))

    session.refresh_from_db()
    assert page_of(row, "end") not in page
    assert session.revoked_at is None


@pytest.mark.parametrize("without", ["revoke_any_session", "view_{kind}"])
def test_takes_both_permissions(
    user: User, kind: str, without: str, sign_in: Callable[..., Session]
) -> None:
    """Who may only look, and who may not look, is refused, and offered nothing."""
    session = sign_in(user)
    row = target(kind, session)
    support = signed_in(make_support(without.format(kind=kind)))

    asked = support.get(page_of(row, "end"))
    ended = support.post(page_of(row, "end"))

    session.refresh_from_db()
    assert (asked.status_code, ended.status_code) == (403, 403)
    assert page_of(row, "end") not in support.get(page_of(row)).content.decode()
    assert session.revoked_at is None


def test_is_protected_against_forgery(
    desk: Client, user: User, kind: str, sign_in: Callable[..., Session]
) -> None:
    """Another site's form ends nothing."""
    session = sign_in(user)
    desk.handler.enforce_csrf_checks = True

    assert desk.post(page_of(target(kind, session), "end")).status_code == 403


def test_nobody_is_asked_about_nothing(desk: Client, kind: str) -> None:
    address = reverse(f"admin:sessions_plus_{kind}_end", args=[987654])

    assert desk.get(address).status_code == 404
