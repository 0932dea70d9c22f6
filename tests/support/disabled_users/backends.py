"""A backend with a rule of its own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import ModelBackend


class Backend(ModelBackend):
    def user_can_authenticate(self, user: Any) -> bool:
        return bool(user.state != "blocked")
