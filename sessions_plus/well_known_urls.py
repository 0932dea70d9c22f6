"""
Addresses that programs look for at the root of a site: ``path(".well-known/", include(…))``.

Password managers and browsers go to ``change-password`` to let people change a password
(W3C, A Well-Known URL for Changing Passwords), and to ``passkey-endpoints`` to let them add and
manage passkeys (W3C, A Well-Known URL for Relying Party Passkey Endpoints). Browsers ask
``webauthn`` before they use a passkey on another domain (WebAuthn, Related Origins).
"""

from __future__ import annotations

from django.urls import path

from sessions_plus.views import passkey_addresses, passwords

urlpatterns = [
    path("change-password", passwords.change_password_address, name="change_password"),
    path("passkey-endpoints", passkey_addresses.endpoints, name="passkey_endpoints"),
    path("webauthn", passkey_addresses.related, name="webauthn"),
]
