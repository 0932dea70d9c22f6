"""Users whose names are no text."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models


class Manager(BaseUserManager[Any]):
    def create_user(self, name: Any, email: str, password: str) -> Any:
        user = self.model(email=email, **{self.model.USERNAME_FIELD: name})
        user.set_password(password)
        user.save()
        return user


class Named(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField()
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)

    objects = Manager()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return str(self.get_username())


class Numbered(Named):
    number = models.IntegerField(unique=True)
    USERNAME_FIELD = "number"


class Coded(Named):
    code = models.UUIDField(unique=True, default=uuid4)
    USERNAME_FIELD = "code"
