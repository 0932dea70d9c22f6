"""Users whom something else than a column named ``is_active`` disables."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Everybody(BaseUserManager[Any]):
    def create_user(self, name: str, email: str, password: str) -> Any:
        user = self.model(username=name, email=email)
        user.set_password(password)
        user.save()
        return user


class Unblocked(Everybody):
    def get_queryset(self) -> models.QuerySet[Any]:
        return super().get_queryset().exclude(state="blocked")


class Person(AbstractBaseUser, PermissionsMixin):
    username = models.CharField(unique=True, max_length=150)
    email = models.EmailField()
    state = models.CharField(max_length=10, default="welcome")
    is_staff = models.BooleanField(default=False)

    USERNAME_FIELD = "username"

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.username


class Stated(Person):
    """A property of the class says it."""

    objects = Everybody()

    @property
    def is_active(self) -> bool:  # type: ignore[override]
        return self.state != "blocked"


class Hidden(Person):
    """The manager does not show them."""

    objects = Unblocked()


class Refused(Person):
    """``backends.Backend`` refuses them."""

    objects = Everybody()
