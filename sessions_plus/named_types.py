"""
The types that have a name: what a site decides, and what passes through many parts.

The one home of ``Any``. Elsewhere it has a comment that says why nothing narrower is true
(``tests/test_typing.py``). What is only handed on, compared or printed is an ``object``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import AnonymousUser
    from django.db import models
    from django.utils.functional import _StrPromise
    from rest_framework.request import Request

    from sessions_plus.client_info import ClientInfo
    from sessions_plus.conf import Setting

UserId: TypeAlias = Any
"""
The primary key of a user: an int, a UUID or a str, as the site's user model has it.

Any, as the stubs hold each lookup against the user model of the settings they are given.
"""

SessionData: TypeAlias = dict[str, Any]
"""What a site keeps in a session: its own values by its own names."""

Json: TypeAlias = Mapping[str, Any]
"""A JSON object that was read: what it holds is what its sender put there."""

JsonObject: TypeAlias = dict[str, Any]
"""The same where it is ours to change."""

Columns: TypeAlias = dict[str, object]
"""Values of a row by the attribute of their column."""

Values: TypeAlias = Mapping[str, Any]
"""The same where they are read: each has the type of its column."""

Found: TypeAlias = Sequence[Any]
"""Values of one row in the order that they were asked for in: each has the type of its column."""

Params: TypeAlias = list[Any]
"""What a statement is executed with, as the database's driver takes it."""

AnyView: TypeAlias = Callable[..., Any]
"""A view of any kind, sync or async, ours or a site's: its arguments are its URL's."""

AnyUser: TypeAlias = "AbstractBaseUser | AnonymousUser"
"""Whoever may be in ``request.user``."""

AnyRequest: TypeAlias = "HttpRequest | Request"
"""Django's request, or REST framework's wrapper of it."""

AnyModelAdmin: TypeAlias = "admin.ModelAdmin[Any]"
"""How an admin shows some model, perhaps one of the site's."""

AnyField: TypeAlias = "models.Field[Any, Any]"
"""A column of a model that is not named: of a type of its own."""

AnySetting: TypeAlias = "Setting[Any]"
"""One of our settings, of whatever type its value is."""

Words: TypeAlias = "str | _StrPromise"
"""Words for a person, translated now or when they are shown."""

SiteUser: TypeAlias = Any
"""
A user of whom more is asked than ``AbstractBaseUser`` has: a name, rights, the backend.

Any, as the stubs take the user model of the settings they are given for every site's.
"""

Fields: TypeAlias = dict[str, Any]
"""What a form, a body or a command's line gave, checked: each is of the type its field makes."""

Arguments: TypeAlias = dict[str, Any]
"""Arguments by their names, for ``**``: what takes them says of which type each is."""

PsycopgObject: TypeAlias = Any
"""A connection or a cursor of psycopg 3: the stubs know Django's as psycopg 2's."""

RedisClient: TypeAlias = Any
"""A client of redis-py, or one of its connections, of either world: its answers are unions."""

RedisAnswer: TypeAlias = Any
"""What Redis says: bytes, a number or None, as the command has it."""

ResolvedSettings: TypeAlias = dict[str, Any]
"""Settings by name, each of its own type. Any, as a cast() would be a call at each look."""

OthersRow: TypeAlias = Any
"""A row of a model that is not ours: its columns are found by name, as the package has them."""

OthersRows: TypeAlias = "models.QuerySet[Any]"
"""Rows of a model that is not ours, or that is only known when it runs."""


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in. For types: nothing makes one."""

    user: AbstractBaseUser  # type: ignore[assignment]  # never an AnonymousUser here
    client_info: ClientInfo
