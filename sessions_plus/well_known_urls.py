"""
Addresses that programs look for at the root of a site: ``path(".well-known/", include(…))``.

Password managers and browsers go to ``change-password`` to let people change a password
(W3C, A Well-Known URL for Changing Passwords).
"""

from __future__ import annotations

from django.urls import path

from sessions_plus.views import passwords

urlpatterns = [
    path("change-password", passwords.change_password_address, name="change_password"),
]
