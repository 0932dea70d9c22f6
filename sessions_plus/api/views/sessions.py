"""One's own sessions, devices and events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.bodies import Nothing
from sessions_plus.api.docs import operations as docs
from sessions_plus.api.inputs import DeviceName
from sessions_plus.api.permissions import FreshFactor, IsSignedIn
from sessions_plus.api.serializers import DeviceSerializer, EventSerializer, SessionSerializer
from sessions_plus.api.views.base import Endpoint
from sessions_plus.devices.naming import rename
from sessions_plus.devices.overview import NOT_SHOWN
from sessions_plus.devices.revocation import revoke_device
from sessions_plus.lifecycle.ending import Revocation
from sessions_plus.lifecycle.in_force import goes_on, live_sessions
from sessions_plus.lifecycle.revocation import revoke, revoke_all, revoke_others
from sessions_plus.models import Device, Session, SessionEvent
from sessions_plus.models.device import DeviceQuerySet
from sessions_plus.models.session import SessionQuerySet
from sessions_plus.rows import session_row

if TYPE_CHECKING:
    from rest_framework.permissions import _SupportsHasPermission


def outcome(revoked: Revocation) -> Response:
    """Tell what became of a revocation."""
    effective = "at_once" if revoked.cache_reached else "soon"
    return Response({"count": revoked.count, "effective": effective})


def sessions_shown() -> SessionQuerySet:
    found = goes_on(Session.objects.using(session_row.database()).all(), now=timezone.now())
    return found.select_related("device").defer(*NOT_SHOWN)


class SessionEndpoint(Endpoint):
    permission_classes = [IsSignedIn, FreshFactor]

    def own(self) -> SessionQuerySet:
        own = live_sessions(self.user, now=timezone.now())
        return own.select_related("device").defer(*NOT_SHOWN)


class SessionList(SessionEndpoint):
    @docs.session_list
    def get(self, request: Request) -> Response:
        return self.page(self.own(), SessionSerializer)


class SessionDetail(SessionEndpoint):
    @docs.session_detail
    def get(self, request: Request, public_id: str) -> Response:
        return self.show(self.find(self.own(), public_id), SessionSerializer)

    @docs.session_revoke
    def delete(self, request: Request, public_id: str) -> Response:
        return outcome(revoke(self.find(self.own(), public_id), client=self.client_info))


class RevokeOthers(SessionEndpoint):
    @docs.revoke_others
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        keep = self.credentials.session_public_id
        return outcome(revoke_others(self.user, keep=keep, client=self.client_info))


class RevokeAll(SessionEndpoint):
    @docs.revoke_all
    def post(self, request: Request) -> Response:
        self.read(Nothing)
        return outcome(revoke_all(self.user, client=self.client_info))


class DeviceEndpoint(Endpoint):
    def own(self) -> DeviceQuerySet:
        return Device.objects.using(session_row.database()).for_user(self.user).active()


class DeviceList(DeviceEndpoint):
    @docs.device_list
    def get(self, request: Request) -> Response:
        return self.page(self.own(), DeviceSerializer)


class DeviceDetail(DeviceEndpoint):
    def get_permissions(self) -> Sequence[_SupportsHasPermission]:
        fresh = [FreshFactor()] if self.request.method == "DELETE" else []
        return [*super().get_permissions(), *fresh]

    @docs.device_detail
    def get(self, request: Request, public_id: str) -> Response:
        return self.show(self.find(self.own(), public_id), DeviceSerializer)

    @docs.device_rename
    def patch(self, request: Request, public_id: str) -> Response:
        device = self.find(self.own(), public_id)
        rename(device, self.read(DeviceName)["name"], client=self.client_info)
        return self.show(device, DeviceSerializer)

    @docs.device_revoke
    def delete(self, request: Request, public_id: str) -> Response:
        return outcome(revoke_device(self.find(self.own(), public_id), client=self.client_info))


class EventList(Endpoint):
    @docs.event_list
    def get(self, request: Request) -> Response:
        own = SessionEvent.objects.using(session_row.database()).shown_to(self.user)
        return self.page(own.select_related("device"), EventSerializer)
