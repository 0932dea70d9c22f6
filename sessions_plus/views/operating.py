"""What programs of whoever runs the site ask: is it alive, is it ready, how much happens?"""

from __future__ import annotations

from django.contrib.auth.decorators import login_not_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_safe

from sessions_plus.conf import conf
from sessions_plus.crypto import same
from sessions_plus.decorators import mfa_exempt
from sessions_plus.maintenance.exposition import EXPOSITION, exposition
from sessions_plus.maintenance.readiness import lookout
from sessions_plus.maintenance.site_figures import FIGURES, Reading
from sessions_plus.named_types import AnyView
from sessions_plus.store.engine import site_tier

SCHEMES = ("bearer", "token")
"""``Token`` is for sites whose middleware takes every bearer for one of theirs."""


def for_programs(view: AnyView) -> AnyView:
    """
    Let a program ask, whatever the site asks of people, and let no cache answer.

    Nothing here may touch ``request.session`` or ``request.user``.
    """
    return transaction.non_atomic_requests(login_not_required(mfa_exempt(require_safe(view))))


@for_programs
def live(request: HttpRequest) -> HttpResponse:
    """Say that this process answers. It asks nobody."""
    return _fresh(HttpResponse("ok\n", content_type="text/plain"))


@for_programs
def ready(request: HttpRequest) -> HttpResponse:
    """
    Say whether this process can serve: 200 or 503.

    ``{"status": "ok"}``, ``degraded`` (200 all the same) or ``failed``; for whoever holds the
    token with ``"checks": {"database": "ok", "cache": "warning", …}``.
    """
    found = lookout.ask(site_tier())
    body: dict[str, object] = {"status": found.status}
    if holds_token(request):
        body["checks"] = found.states
    return _fresh(JsonResponse(body, status=200 if found.is_ready else 503))


@for_programs
def metrics(request: HttpRequest) -> HttpResponse:
    """
    Tell what is true of the whole site, whichever process is asked, as Prometheus reads it.

    There is no such page where the site set no token.
    """
    if conf.METRICS_TOKEN is None:
        raise Http404
    if not holds_token(request):
        response = HttpResponse(content_type="text/plain", status=401)
        response.headers["WWW-Authenticate"] = "Bearer"
        return _fresh(response)
    text = exposition(FIGURES, Reading(timezone.now()))
    return _fresh(HttpResponse(text, content_type=EXPOSITION))


def holds_token(request: HttpRequest) -> bool:
    """Say whether a request shows ``SESSIONS_PLUS_METRICS_TOKEN``."""
    scheme, _, given = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    token = conf.METRICS_TOKEN
    return token is not None and scheme.lower() in SCHEMES and same(given.strip(), token)


def _fresh(response: HttpResponse) -> HttpResponse:
    add_never_cache_headers(response)
    return response
