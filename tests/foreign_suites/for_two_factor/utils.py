"""What the tests import: people, their factors, and a choice of methods."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import wraps
from typing import Any
from unittest import mock

from django.contrib.auth import get_user_model
from django.utils.module_loading import import_string

default_device = import_string("two_factor.utils.default_device")
totp = import_string("django_otp.oath.totp")
registry: Any = import_string("two_factor.plugins.registry.registry")

NAME, PASSWORD = "bouke@example.com", "secret"


class UserMixin:
    """The user of a test is whoever was made last."""

    client: Any
    user: Any = None

    @property
    def User(self) -> Any:
        return get_user_model()

    def create_user(self, username: str = NAME, password: str = PASSWORD) -> Any:
        self.user = self.User.objects.create_user(username, email=NAME, password=password)
        return self.user

    def create_superuser(self, username: str = NAME, password: str = PASSWORD) -> Any:
        self.user = self.User.objects.create_superuser(username, email=NAME, password=password)
        return self.user

    def enable_otp(self, user: Any = None) -> Any:
        return (user or self.user).totpdevice_set.create(name="default")

    def login_user(self, user: Any = None) -> None:
        """Sign in; whoever has a factor has proved it, the way django-otp writes it down."""
        user = user or self.user
        assert self.client.login(username=user.get_username(), password=PASSWORD)
        device = default_device(user)
        if device is not None:
            session = self.client.session
            session["otp_device_id"] = device.persistent_id
            session.save()


def totp_str(key: bytes) -> str:
    return f"{totp(key):06}"


def method_registry(codes: Collection[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run a test where there are these methods alone."""

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(test)
        def run(*args: Any, **kwargs: Any) -> Any:
            left = [method for method in registry._methods if method.code in codes]
            with mock.patch.object(registry, "_methods", left):
                return test(*args, **kwargs)

        return run

    return decorate
