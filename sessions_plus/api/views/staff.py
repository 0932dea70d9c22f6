"""Everybody's sessions, for staff who may end them. Each act is audited with its actor."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from sessions_plus.api.bodies import Nothing
from sessions_plus.api.docs import operations as docs
from sessions_plus.api.permissions import FreshFactor, IsSignedIn, MayRevokeAnySession
from sessions_plus.api.serializers import AnySessionSerializer
from sessions_plus.api.views.base import Endpoint
from sessions_plus.api.views.sessions import outcome, sessions_shown
from sessions_plus.lifecycle.revocation import revoke_all
from sessions_plus.models import Reason
from sessions_plus.named_types import UserId


class StaffEndpoint(Endpoint):
    permission_classes = [IsSignedIn, MayRevokeAnySession, FreshFactor]


class AnySessionList(StaffEndpoint):
    @docs.staff_session_list
    def get(self, request: Request) -> Response:
        found = sessions_shown().exclude(user=None)
        if "user" in request.query_params:
            found = found.filter(user_id=primary_key(request.query_params["user"]))
        return self.page(found, AnySessionSerializer)


class RevokeAllOfUser(StaffEndpoint):
    @docs.staff_revoke_all
    def post(self, request: Request, user_id: str) -> Response:
        self.read(Nothing)
        user = get_user_model()._default_manager.filter(pk=primary_key(user_id)).first()
        if user is None:
            raise NotFound
        return outcome(
            revoke_all(
                user,
                reason=Reason.REVOKED_BY_STAFF,
                actor=self.user,
                client=self.client_info,
            )
        )


def primary_key(text: str) -> UserId:
    """
    Return a user's primary key as its type.

    Raises:
        NotFound: it cannot be one.
    """
    field = get_user_model()._meta.pk
    try:
        value = field.to_python(text)
        field.run_validators(value)
    except ValidationError:
        raise NotFound from None
    return value
