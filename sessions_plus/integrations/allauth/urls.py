"""
The code as an endpoint of ``allauth.headless``, for its clients ``browser`` and ``app``.

``path("_allauth/", include("sessions_plus.integrations.allauth.urls"))``, beside allauth's own:
``POST _allauth/app/v1/auth/sessions-plus/challenge`` with ``{"code": "123456"}``.
"""

from __future__ import annotations

from allauth.headless import app_settings
from allauth.headless.constants import Client
from django.urls import path

from sessions_plus.integrations.allauth.headless import ChallengeView

app_name = "sessions_plus_allauth"
urlpatterns = [
    path(
        f"{client.value}/v1/auth/sessions-plus/challenge",
        ChallengeView.as_api_view(client=client),
        name=f"{client.value}_challenge",
    )
    for client in map(Client, app_settings.CLIENTS)
]
