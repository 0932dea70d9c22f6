"""Our second factor as the last stage of an allauth login."""

from __future__ import annotations

from typing import Any

from allauth.account.adapter import get_adapter
from allauth.account.stages import LoginStage, LoginStageController
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from sessions_plus.client_info import client_info_from
from sessions_plus.integrations.allauth.proofs import methods_of
from sessions_plus.mfa.answers import CHALLENGE
from sessions_plus.mfa.sign_in import using, waiting_challenge
from sessions_plus.store.of_request import current_store

STAGE = "sessions_plus.integrations.allauth.stage.SecondFactorStage"

SIGNED_IN = "_sessions_plus_signed_in_by_stage"
"""Where a request keeps whom its stage signed in: allauth does so after the last one."""


class SecondFactorStage(LoginStage):
    """
    Signs in, as only then is it known whether a code is due; if so, waits for it.

    A trusted device of ours signs in at once, and so does a factor that allauth asked for.
    """

    key = "sessions_plus_challenge"
    urlname = CHALLENGE

    def handle(self) -> tuple[HttpResponse | None, bool]:
        """See ``LoginStage.handle()``: a response, and whether the login goes on."""
        user = self.login.user
        if user is None:  # a login that only looks like one, for a name that nobody has
            return None, True
        store = current_store(self.request)
        if store.client is None:  # an app's session, which no middleware has seen
            store.client = client_info_from(self.request)
        with using(self.request, methods=methods_of(self.request, self.login)):
            get_adapter().login(self.request, user)
        if store.begun_challenge:
            return HttpResponseRedirect(reverse(CHALLENGE)), True
        setattr(self.request, SIGNED_IN, user.pk)
        return None, True

    def is_resumable(self, request: HttpRequest) -> bool:
        """Say whether the code is still waited for."""
        return waiting_challenge(current_store(request), now=timezone.now()) is not None


def is_signed_in_by_stage(request: HttpRequest, user: models.Model) -> bool:
    return bool(getattr(request, SIGNED_IN, None) == user.pk)


def resume(request: HttpRequest, user: models.Model) -> HttpResponse | None:
    """Do what allauth does after a login, once our code was right; None: it began none."""
    stage: Any = LoginStageController.enter(request, SecondFactorStage.key)  # allauth has no types
    if stage is None or stage.login.user != user:
        return None
    setattr(request, SIGNED_IN, user.pk)
    response: HttpResponse = stage.exit()
    return response
