"""What a site writes: views, functions that its settings name, a receiver, a test."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta

from django.contrib.auth import login
from django.contrib.auth.models import User
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.api.authentication import BearerAuthentication, CookieAuthentication
from sessions_plus.api.permissions import HasPassedSecondFactor
from sessions_plus.auth_backends import Backend
from sessions_plus.authority import authority_of
from sessions_plus.decorators import (
    MfaRequiredMixin,
    is_reauthenticated,
    mfa_exempt,
    mfa_required,
    reauthentication_required,
)
from sessions_plus.lifecycle import Revocation, arevoke_all, revoke, revoke_all, revoke_others
from sessions_plus.mfa.impersonation import acting_as, returning
from sessions_plus.mfa.sign_in import using
from sessions_plus.models import Device, Reason, Session, SessionEvent
from sessions_plus.policy import Limits, SessionFacts
from sessions_plus.rows.session_row import Row
from sessions_plus.signals import event_recorded, session_revoked
from sessions_plus.testing import asign_in, sign_in
from sessions_plus.tokens.bearer import Credentials
from sessions_plus.tokens.guards import bearer_required

logger = logging.getLogger(__name__)


@mfa_required
def payroll(request: HttpRequest) -> HttpResponse:
    return HttpResponse("payroll")


@reauthentication_required
def export(request: HttpRequest) -> HttpResponse:
    return HttpResponse("export")


@reauthentication_required(factors="all", max_age=timedelta(minutes=2))
async def transfer(request: HttpRequest) -> HttpResponse:
    return HttpResponse("transfer")


@mfa_exempt
def help_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("help" if not is_reauthenticated(request) else "hello")


class Report(MfaRequiredMixin):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse("report")


@bearer_required(verification="stateless")
def stock(request: HttpRequest) -> HttpResponse:
    authority = authority_of(request)
    methods = authority.methods if authority is not None else ()
    return JsonResponse({"methods": list(methods)})


# A decorator hands on the type of its view.
STOCK: Callable[[HttpRequest], HttpResponse] = stock
PAYROLL: Callable[[HttpRequest], HttpResponse] = payroll


class OnWeekdays(HasPassedSecondFactor):
    def has_permission(self, request: Request, view: APIView) -> bool:
        return super().has_permission(request, view) and timezone.now().weekday() < 5


class ByAddress(Backend):
    def find_user(self, name: str) -> User | None:
        return User.objects.filter(email__iexact=name).first()


class Orders(APIView):
    authentication_classes = [BearerAuthentication, CookieAuthentication]
    permission_classes = [OnWeekdays]

    def get(self, request: Request) -> Response:
        shown = request.auth
        session = shown.session_public_id if isinstance(shown, Credentials) else None
        return Response({"session": str(session)})


def sign_in_from_elsewhere(request: HttpRequest, user: User) -> HttpResponse:
    with using(request, methods=["ext", "otp"]):
        login(request, user)
    return HttpResponse("in")


def help_somebody(request: HttpRequest, customer: User, staff: User) -> HttpResponse:
    with acting_as(request, customer):
        login(request, customer)
    with returning(request):
        login(request, staff)
    return HttpResponse("done")


def end(user: User, staff: User) -> int:
    own: list[Session] = list(Session.objects.for_user(user).active())
    found: Revocation = revoke_all(user, reason=Reason.REVOKED_BY_STAFF, actor=staff)
    for session in own:
        found += revoke(session)
    found += revoke_others(user, keep=None)
    return found.count if found.cache_reached else 0


async def aend(user: User) -> bool:
    return bool(await arevoke_all(user))


def devices(user: User) -> list[str]:
    return [device.label for device in Device.objects.for_user(user).active()]


# What settings name


def must_have_factor(user: User) -> bool:
    return user.is_staff


def limits(session: SessionFacts) -> Limits | None:
    if session.user_id is None:
        return None
    return Limits(idle_timeout=timedelta(hours=1), absolute_lifetime=None)


def claims(user: User, session: Row) -> Mapping[str, str]:
    return {"https://shop.example/kind": session.kind}


@receiver(session_revoked)
def count_revocation(session: Session, reason: str, **_: object) -> None:
    logger.info("%s ended: %s", session.public_id, reason)


@receiver(event_recorded)
def forward(event: SessionEvent, **_: object) -> None:
    logger.info("%s at %s", event.event, event.at)


def test_payroll(client: Client, staff: User) -> None:
    cookies: dict[str, str] = sign_in(client, staff, methods=("pwd", "otp"))
    assert cookies
    assert client.get("/payroll/").status_code == 200


async def test_in_async(staff: User) -> None:
    assert await asign_in(None, staff)
