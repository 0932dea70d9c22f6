"""What all endpoints have in common, whatever the site sets for its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar, cast
from uuid import UUID

from django.contrib.auth.decorators import login_not_required
from django.db import models, transaction
from django.utils.cache import add_never_cache_headers
from django.views.decorators.debug import sensitive_variables
from drf_spectacular.openapi import AutoSchema
from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sessions_plus.api.authentication import CookieAuthentication, LiveBearerAuthentication
from sessions_plus.api.bodies import MAX_BODY_BYTES, Body, JSONAnswer, StrictJSONParser
from sessions_plus.api.errors import BodyTooLarge, handle
from sessions_plus.api.pages import Pages
from sessions_plus.api.permissions import ActsForThemselves, IsSignedIn
from sessions_plus.api.serializers import Shown
from sessions_plus.api.throttling import RequestThrottle
from sessions_plus.authority import Authority, proof_of, why_nothing_is_proved
from sessions_plus.client_info import ClientInfo
from sessions_plus.events import record
from sessions_plus.models import Event, Outcome
from sessions_plus.named_types import Fields, SiteUser
from sessions_plus.store.unwritable import doing_without
from sessions_plus.tokens.bearer import CHALLENGE, Credentials, client_of

if TYPE_CHECKING:
    from rest_framework.views import AsView, GenericView

M = TypeVar("M", bound=models.Model)


class JsonOnly(DefaultContentNegotiation):
    """Answers JSON whatever is asked for, so that a browser shows no page made of it."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        first, *_ = renderers
        return first, first.media_type


def announces_more_than(limit: int, content_length: str) -> bool:
    """Say whether the header is a larger number; what is no number the parser finds out."""
    is_number = content_length.isascii() and content_length.isdecimal()
    digits = content_length.lstrip("0")
    return is_number and (len(digits) > len(str(limit)) or int(digits or "0") > limit)


class Endpoint(APIView):
    """
    An endpoint: JSON in and out, signed in, throttled, never cached.

    Nothing of ``REST_FRAMEWORK`` applies here, so that no site opens a door of ours
    with a setting that was meant for its own.
    """

    authentication_classes = [LiveBearerAuthentication, CookieAuthentication]
    permission_classes = [IsSignedIn, ActsForThemselves]
    throttle_classes = [RequestThrottle]
    parser_classes = [StrictJSONParser]
    # Nothing is told to OPTIONS, so no answer may say in `Allow` that it is taken.
    http_method_names = [name for name in APIView.http_method_names if name != "options"]
    renderer_classes = [JSONAnswer]
    content_negotiation_class = JsonOnly
    metadata_class = None
    versioning_class = None
    schema = AutoSchema()

    @classmethod
    def as_view(cls, **initkwargs: object) -> AsView[GenericView]:
        """
        Return the view, outside the transaction that ``ATOMIC_REQUESTS`` would put around it.

        What a refused request leaves (a session ended as its old token came back, a
        counted attempt, an event) must not be rolled back with it.
        """
        # Who may come is for `authentication_classes` to say, not for LoginRequiredMiddleware.
        return login_not_required(transaction.non_atomic_requests(super().as_view(**initkwargs)))

    def get_exception_handler(self) -> Callable[..., Response | None]:
        return handle

    def get_authenticate_header(self, request: Request) -> str:
        # There is one where only cookies are taken, too, so that nobody gets 403 for 401.
        return super().get_authenticate_header(request) or CHALLENGE

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        super().initial(request, *args, **kwargs)
        if announces_more_than(MAX_BODY_BYTES, request.META.get("CONTENT_LENGTH") or ""):
            raise BodyTooLarge

    def finalize_response(
        self, request: Request, response: Response, *args: object, **kwargs: object
    ) -> Response:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if not answer.has_header("Cache-Control"):
            add_never_cache_headers(answer)
        answer.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        return answer

    # What endpoints ask for

    @property
    def user(self) -> SiteUser:
        """Who is signed in."""
        return self.request.user

    @property
    def client_info(self) -> ClientInfo:
        return client_of(self.request._request)

    @property
    def credentials(self) -> Credentials:
        return cast(Credentials, self.request.auth)

    @property
    def authority(self) -> Authority:
        """
        The session on whose strength the request acts, of the user whom it names.

        Raises:
            ActingForAnother, ConflictingSessions, PermissionDenied: nothing is proved.
        """
        found = proof_of(self.request)
        if found is None:
            raise why_nothing_is_proved(self.request) or PermissionDenied()
        return found

    @sensitive_variables()
    def read(self, kind: type[Body]) -> Fields:
        """Return the body's fields. Raises: ValidationError."""
        body = kind(data=self.request.data)
        body.is_valid(raise_exception=True)
        return cast(Fields, body.validated_data)

    def page(self, rows: models.QuerySet[models.Model], shown_by: type[Shown]) -> Response:
        """Return one page of ``rows``."""
        pages = Pages()
        found = pages.paginate_queryset(rows, self.request, view=self)
        context = {"credentials": self.credentials, "request": self.request}
        return pages.get_paginated_response(shown_by(found, many=True, context=context).data)

    def show(self, row: models.Model, shown_by: type[Shown]) -> Response:
        context = {"credentials": self.credentials, "request": self.request}
        return Response(shown_by(row, context=context).data)

    def find(self, rows: models.QuerySet[M], public_id: str) -> M:
        """
        Return the row of that name among one's own.

        Raises:
            NotFound: there is none, or it is another's: the same answer, and an event.
        """
        try:
            found = rows.filter(public_id=UUID(public_id)).first()
        except ValueError:
            found = None
        if found is None:
            with doing_without():
                record(
                    Event.ACCESS_DENIED,
                    user_id=self.user.pk,
                    session_public_id=self.credentials.session_public_id,
                    outcome=Outcome.FAILURE,
                    reason="not_found",
                    client=self.client_info,
                )
            raise NotFound
        return found
