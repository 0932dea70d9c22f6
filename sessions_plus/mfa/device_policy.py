"""Who must use a browser that binds the session to a key of its device: a policy of the site."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from sessions_plus.authority import Authority
from sessions_plus.conf import conf
from sessions_plus.models.session import Kind

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


TIME_TO_BIND = timedelta(seconds=60)
"""Browsers bind a session beside what they show, within a second."""


def asks_nobody() -> bool:
    """Say whether nobody has to, so that nobody needs to be looked at."""
    return conf.DEVICE_BINDING_REQUIRED is None


def must_be_bound(user: AbstractBaseUser) -> bool:
    """Say whether ``DEVICE_BINDING_REQUIRED`` asks for it of ``user``."""
    policy = conf.DEVICE_BINDING_REQUIRED
    if isinstance(policy, str):
        policy = import_string(policy)
    return policy is not None and bool(policy(user))


def lacks_device(authority: Authority, now: datetime) -> bool:
    """
    Say whether a browser's session is bound to none, a minute after its user proved themselves.

    Programs have tokens, which are none of a browser's.
    """
    row = authority.row
    if row is None or row.kind != Kind.BROWSER or row.device_key_id is not None:
        return False
    proved = [moment for moment in (row.authenticated_at, row.reauthenticated_at) if moment]
    return all(now - moment > TIME_TO_BIND for moment in proved)
