"""Checks of the functions that our settings name: each is there, and takes what it is given."""

from __future__ import annotations

from inspect import iscoroutinefunction, signature
from typing import Any

from django.core.checks import CheckMessage, register
from django.utils.module_loading import import_string

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.values import given, has_right_type, shown
from sessions_plus.conf import Call, Conf
from sessions_plus.named_types import AnySetting
from sessions_plus.policy import Limits, SessionFacts


@register(TAG)
def check_functions(**_: object) -> list[CheckMessage]:
    """Each function that a setting names is there, and can be called as it will be."""
    found = []
    for setting, value in given():
        if setting.call is None or not has_right_type(setting, value) or value is None:
            continue
        if value in setting.call.words or (setting.problem and setting.problem(value)):
            continue
        found += _wrong_with(setting, setting.call, value)
    return found


def _wrong_with(setting: AnySetting, call: Call, value: object) -> list[CheckMessage]:
    facts = {
        "setting": setting.full_name,
        "shown": shown(setting, value),
        "call": f"function{call}",
    }
    try:
        function = import_string(value) if isinstance(value, str) else value
    except Exception as error:  # whatever the site's module raises
        return [catalogue.NOT_THERE.about(error=_in_words(error), **facts)]
    problem = _hindrance(function, call) or _answer_to_a_visitor(setting, function)
    return [catalogue.CALLED_OTHERWISE.about(problem=problem, **facts)] if problem else []


def _hindrance(function: object, call: Call) -> str | None:
    """Say why a function cannot be called so; None: it can. It is not run: it may send mails."""
    if not callable(function):
        return f"is a {type(function).__name__}, and no function"
    if iscoroutinefunction(function) or iscoroutinefunction(getattr(function, "__call__", None)):  # noqa: B004
        return "is async"
    try:
        signature(function).bind(*call.positional, **dict.fromkeys(call.keywords))
    except TypeError as error:
        return f"cannot be called so: {error}"
    except ValueError:
        pass  # written in C: it has no signature to look at
    return None


def _answer_to_a_visitor(setting: AnySetting, function: Any) -> str | None:  # callable, as was seen
    """
    Say what is wrong with what ``LIMITS`` returns for a visitor who has nothing in the session.

    Alone of all it is run: it asks nobody, changes nothing, and is called with each request.
    """
    if setting is not Conf.LIMITS:
        return None
    try:
        limits = function(SessionFacts(None, "browser", (), {}))
    except Exception as error:  # whatever the site's function raises
        return f"fails for a visitor's session, whose data is empty: {_in_words(error)}"
    if limits is None or isinstance(limits, Limits):
        return None
    return f"returned {limits!r}, which is neither a sessions_plus.policy.Limits nor None"


def _in_words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(" .:")
