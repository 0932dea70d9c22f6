"""
The authentication backend: Django's own, with every guess at a password counted.

    AUTHENTICATION_BACKENDS = ["sessions_plus.auth_backends.Backend"]

It takes the place of Django's ``ModelBackend`` where that was the only one. Elsewhere it
stands before the others, and leaves it to them to know passwords and permissions.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.signals import setting_changed
from django.db import models
from django.http import HttpRequest
from django.utils import timezone
from django.utils.module_loading import import_string
from django.views.decorators.debug import sensitive_variables

from sessions_plus.lifecycle.user_names import as_user_name
from sessions_plus.mfa import guesses
from sessions_plus.mfa.guesses import Guess
from sessions_plus.named_types import SiteUser

BACKEND = "sessions_plus.auth_backends.Backend"
MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


class Backend(ModelBackend):
    """
    Counts each guess before the password is looked at (see ``mfa.guesses``).

    A site whose people sign in by another name than their ``USERNAME_FIELD`` overrides
    ``find_user``: then their own devices are known for that name, too.
    """

    counts_guesses = True

    def find_user(self, name: str) -> AbstractBaseUser | None:
        """Return who signs in by that name, as it was typed; None: nobody."""
        model = get_user_model()
        known = as_user_name(name)
        if known is None:
            return None
        try:
            return model._default_manager.get_by_natural_key(known)
        except (model.DoesNotExist, model.MultipleObjectsReturned):
            return None

    @sensitive_variables()
    def authenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,  # whatever a form calls a name
    ) -> SiteUser | None:
        """
        Return whose name and password these are, or None.

        Raises:
            TooManyAttempts: nothing was looked at.
        """
        name = name_in({"username": username, **kwargs})
        if name is None or password is None:
            return None
        user: SiteUser = self.find_user(name)
        guess = guesses.count(request, name, user, now=timezone.now())
        if not is_alone() or not isinstance(password, str):
            return None
        if user is None:
            _take_as_long(password)
        elif user.check_password(password) and self.user_can_authenticate(user):
            return _accepted(user, guess)
        _refused(guess)
        return None

    @sensitive_variables()
    async def aauthenticate(
        self,
        request: HttpRequest | None,
        username: str | None = None,
        password: str | None = None,
        **kwargs: Any,  # whatever a form calls a name
    ) -> SiteUser | None:
        """See authenticate()."""
        name = name_in({"username": username, **kwargs})
        if name is None or password is None:
            return None
        user: SiteUser = await sync_to_async(self.find_user)(name)
        guess = await sync_to_async(guesses.count)(request, name, user, now=timezone.now())
        if not is_alone() or not isinstance(password, str):
            return None
        if user is None:
            _take_as_long(password)
        elif await user.acheck_password(password) and self.user_can_authenticate(user):
            return await sync_to_async(_accepted)(user, guess)
        _refused(guess)
        return None

    # Beside others, who may do what is theirs to say.

    def get_user_permissions(self, user_obj: SiteUser, obj: models.Model | None = None) -> set[str]:
        return super().get_user_permissions(user_obj, obj) if is_alone() else set()

    async def aget_user_permissions(
        self, user_obj: SiteUser, obj: models.Model | None = None
    ) -> set[str]:
        """See get_user_permissions()."""
        return await super().aget_user_permissions(user_obj, obj) if is_alone() else set()

    def get_group_permissions(
        self, user_obj: SiteUser, obj: models.Model | None = None
    ) -> set[str]:
        return super().get_group_permissions(user_obj, obj) if is_alone() else set()

    async def aget_group_permissions(
        self, user_obj: SiteUser, obj: models.Model | None = None
    ) -> set[str]:
        """See get_group_permissions()."""
        return await super().aget_group_permissions(user_obj, obj) if is_alone() else set()

    def get_all_permissions(self, user_obj: SiteUser, obj: models.Model | None = None) -> set[str]:
        return super().get_all_permissions(user_obj, obj) if is_alone() else set()

    async def aget_all_permissions(
        self, user_obj: SiteUser, obj: models.Model | None = None
    ) -> set[str]:
        """See get_all_permissions()."""
        return await super().aget_all_permissions(user_obj, obj) if is_alone() else set()


def name_in(credentials: Mapping[str, object]) -> str | None:
    """
    Return by which name somebody signs in; None: by none.

    Where it has a name that we do not know, all that was given but the password is one.
    """
    model = get_user_model()
    known = ("username", model.USERNAME_FIELD, model.get_email_field_name(), "email", "login")
    for field in known:
        if credentials.get(field) is not None:
            return str(credentials[field])
    given = [
        str(value)
        for field, value in sorted(credentials.items())
        if value is not None and field != "password"
    ]
    return " ".join(given) or None


def is_alone() -> bool:
    """Say whether there is no backend but ours, so that it does all that ModelBackend did."""
    return _are_ours(tuple(settings.AUTHENTICATION_BACKENDS))


def is_ours(path: str) -> bool:
    """Say whether a dotted path names our backend, or a subclass of it."""
    found = import_string(path)
    return isinstance(found, type) and issubclass(found, Backend)


@lru_cache(maxsize=8)
def _are_ours(paths: tuple[str, ...]) -> bool:
    return all(is_ours(path) for path in paths)


def _take_as_long(password: str) -> None:
    """Hash it once, so that it takes as long to say that nobody has a name (Django's #20760)."""
    get_user_model()().set_password(password)


def _accepted(user: AbstractBaseUser, guess: Guess | None) -> AbstractBaseUser:
    if guess is not None:
        guess.was_right()
    return user


def _refused(guess: Guess | None) -> None:
    if guess is not None:
        guess.was_wrong()


# What Django asks of the list of backends


class _WithOldName(list[str]):
    """
    ``AUTHENTICATION_BACKENDS`` of ours alone, in which ``ModelBackend`` is found by its name.

    Django signs out whoever's session names a backend that the list does not have. So it would
    everybody who signed in before ours stood there.
    """

    def __contains__(self, path: object) -> bool:
        return path == MODEL_BACKEND or super().__contains__(path)


class OnlyOther:
    """
    The ``backend`` of a user who was not asked for a password: of two, the one that is not ours.

    ``login()`` without ``backend=`` takes the only one that there is. Ours, put before it,
    would make that an error. What is set on a user, as ``authenticate()`` does, comes first.
    """

    def __get__(self, user: object, owner: type) -> str:
        paths = tuple(settings.AUTHENTICATION_BACKENDS)
        others = [path for path in paths if not is_ours(path)] if user is not None else []
        if len(others) != 1 or len(others) == len(paths):
            raise AttributeError("backend")
        return others[0]


def take_over() -> None:
    """Let sessions and ``login()`` go on as before ours stood in ``AUTHENTICATION_BACKENDS``."""
    model: Any = get_user_model()  # it gets an attribute
    if not hasattr(model, "backend"):
        model.backend = OnlyOther()
    find_by_old_name(setting="AUTHENTICATION_BACKENDS")
    setting_changed.connect(find_by_old_name, dispatch_uid="sessions_plus.auth_backends")


def find_by_old_name(*, setting: str, **_: object) -> None:
    """Do it for the settings in force; called again where a test changes them."""
    if setting != "AUTHENTICATION_BACKENDS":
        return
    with suppress(ImportError):  # which Django reports to whoever asks for that backend
        paths = tuple(settings.AUTHENTICATION_BACKENDS)
        if paths and is_alone():
            settings.AUTHENTICATION_BACKENDS = _WithOldName(paths)
