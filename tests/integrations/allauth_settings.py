"""What a site sets that signs people in with django-allauth."""

from __future__ import annotations

from typing import Any

from tests.integrations.settings import INSTALLED_APPS as INSTALLED

ADAPTER = "sessions_plus.integrations.allauth.adapter.AccountAdapter"
SETTINGS: dict[str, Any] = {
    "INSTALLED_APPS": [*INSTALLED, "sessions_plus.integrations.allauth.AllauthIntegration"],
    "ACCOUNT_ADAPTER": ADAPTER,
    "ROOT_URLCONF": "tests.integrations.allauth_site",
    "LOGIN_URL": "account_login",
    "LOGIN_REDIRECT_URL": "/who/",
    "SOCIALACCOUNT_PROVIDERS": {"dummy": {"APP": {"client_id": "x", "secret": "x"}}},
    "SOCIALACCOUNT_LOGIN_ON_GET": True,
}
