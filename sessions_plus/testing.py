"""
For a site's own tests: sign people in without a form, with what they are said to have proved.

``force_login()`` signs nobody in who has a second factor, as no code was typed. This does,
also where ``SESSIONS_PLUS_MFA_POLICY`` is ``staff`` or ``required``.
"""

from __future__ import annotations

from collections.abc import Iterable

from asgiref.sync import sync_to_async
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.base_user import AbstractBaseUser
from django.test import Client
from django.test.client import AsyncClient

from sessions_plus.cookies import device_cookie_name
from sessions_plus.devices.recognition import SignIn
from sessions_plus.store.engine import site_engine

__all__ = ["asign_in", "sign_in"]


def sign_in(
    client: Client | AsyncClient | None,
    user: AbstractBaseUser,
    *,
    methods: Iterable[str] = ("pwd", "otp"),
    backend: str | None = None,
) -> dict[str, str]:
    """
    Sign ``user`` in with a session of their own, and return its cookies by name.

        sign_in(self.client, staff)
        sign_in(self.client, customer, methods=("pwd",))

    ``methods`` is how they proved themselves, now: ``pwd`` password, ``otp`` code, ``rcv``
    recovery code, ``ext`` another service. Django's test client gets the cookies; for a real
    browser pass None, and give it what is returned::

        for name, value in sign_in(None, staff).items():
            context.add_cookies([{"name": name, "value": value, "url": live_server.url}])
            driver.add_cookie({"name": name, "value": value})

    No view, form or ``user_logged_in`` receiver runs; the device, the event and what follows
    from them are as at any sign-in. ``backend`` None: the first of ``AUTHENTICATION_BACKENDS``.

    Raises:
        ImproperlyConfigured: the site's engine is none of ours.
    """
    store = site_engine()()
    store.update(
        {
            SESSION_KEY: user._meta.pk.value_to_string(user),
            BACKEND_SESSION_KEY: backend or settings.AUTHENTICATION_BACKENDS[0],
            HASH_SESSION_KEY: _session_hash(user),
        }
    )
    store.bind(SignIn(user, tuple(methods)))
    store.save()
    cookies = {
        settings.SESSION_COOKIE_NAME: str(store.session_key),
        device_cookie_name(): str(store.issued_device_token),
    }
    if client is not None:
        for name, value in cookies.items():
            client.cookies[name] = value
    return cookies


async def asign_in(
    client: Client | AsyncClient | None,
    user: AbstractBaseUser,
    *,
    methods: Iterable[str] = ("pwd", "otp"),
    backend: str | None = None,
) -> dict[str, str]:
    """See sign_in()."""
    return await sync_to_async(sign_in)(client, user, methods=methods, backend=backend)


def _session_hash(user: AbstractBaseUser) -> str:
    return user.get_session_auth_hash() if hasattr(user, "get_session_auth_hash") else ""
