"""Answering our challenge in the API of ``allauth.headless``."""

from __future__ import annotations

import math

from allauth.headless.base.response import AuthenticationResponse, UnauthorizedResponse
from allauth.headless.base.views import AuthenticationStageAPIView
from allauth.headless.internal.restkit import inputs
from allauth.headless.internal.restkit.response import ErrorResponse
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from sessions_plus.client_info import client_info_from
from sessions_plus.exceptions import ChallengeOver, InvalidCode, TooManyAttempts
from sessions_plus.integrations.allauth.stage import SecondFactorStage
from sessions_plus.mfa import challenge as challenges
from sessions_plus.mfa.refusals import in_words
from sessions_plus.mfa.sign_in import finish, waiting_challenge
from sessions_plus.store.of_request import current_store


class CodeInput(inputs.Input):
    """``{"code": "123456"}``."""

    code = inputs.CharField(max_length=64)


class ChallengeView(AuthenticationStageAPIView):
    """Takes a code, and answers as every step of a sign-in there does."""

    stage_class = SecondFactorStage
    input_class = CodeInput

    @sensitive_variables()
    def post(self, request: HttpRequest, *args: object, **kwargs: object) -> object:
        store, now = current_store(request), timezone.now()
        if store.client is None:  # an app's session, which no middleware has seen
            store.client = client_info_from(request)
        waiting = waiting_challenge(store, now=now)
        if waiting is None:
            return UnauthorizedResponse(request)
        try:
            passed = challenges.pass_(
                waiting, self.input.cleaned_data["code"], client=store.client, now=now
            )
        except ChallengeOver:
            return UnauthorizedResponse(request)
        except (InvalidCode, TooManyAttempts) as error:
            return _refusal(request, error)
        return AuthenticationResponse.from_response(request, finish(request, passed))


def _refusal(request: HttpRequest, error: InvalidCode | TooManyAttempts) -> HttpResponse:
    """``{"status": 400, "errors": [{"code": "invalid_code", "param": "code", …}]}``."""
    told = ValidationError({"code": ValidationError(in_words(error), code=error.code)})
    is_wait = isinstance(error, TooManyAttempts)
    form = CodeInput(data={"code": "-"})
    form.is_valid()
    form.add_error(None, told)
    response: HttpResponse = ErrorResponse(request, input=form, status=429 if is_wait else 400)
    if isinstance(error, TooManyAttempts):
        response.headers["Retry-After"] = str(math.ceil(error.retry_after.total_seconds()))
    return response
