"""Checks of the values of our own settings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from difflib import get_close_matches

from django.conf import settings
from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.client_info.ip_address import UNIX_SOCKET, parse_network
from sessions_plus.conf import PREFIX, Conf, conf
from sessions_plus.crypto import decode_master_key
from sessions_plus.named_types import AnySetting

MEANT_AS_OURS = re.compile(r"(DJANGO_)?SESSIONS?_?PLUS(_|$)")
"""How names begin that somebody wrote for ours; a dictionary of all settings, too."""

SECRET_NAMES = ("_KEY", "_KEYS", "_SECRET", "_SECRETS", "_TOKEN")


def given() -> Iterator[tuple[AnySetting, object]]:
    """Each of our settings that the site sets, with its value."""
    for setting in Conf.declared():
        if hasattr(settings, setting.full_name):
            yield setting, getattr(settings, setting.full_name)


def shown(setting: AnySetting, value: object) -> str:
    """The value as a message may show it: of a secret only its type."""
    if setting.name.endswith(SECRET_NAMES):
        return f"a value of type {type(value).__name__}"
    return str(value) if isinstance(value, timedelta) else repr(value)


def has_right_type(setting: AnySetting, value: object) -> bool:
    if value is None:
        return setting.optional
    if isinstance(value, bool) and bool not in setting.kind:
        return False  # though Python counts True among the numbers
    return isinstance(value, setting.kind)


@register(TAG)
def check_names(**_: object) -> list[CheckMessage]:
    known = [setting.full_name for setting in Conf.declared()]
    ours = {name for name in dir(settings) if MEANT_AS_OURS.match(name)}
    return [
        catalogue.UNKNOWN_SETTING.about(setting=name, suggestion=_instead_of(name, known))
        for name in sorted(ours.difference(known))
    ]


def _instead_of(name: str, known: list[str]) -> str:
    # Of the prefix, which all of them share, nothing can be learned.
    short = [other.removeprefix(PREFIX) for other in known]
    own = MEANT_AS_OURS.sub("", name, count=1)
    if not own:
        return f"Write each setting by itself, such as {known[0]}."
    close = get_close_matches(own, short, n=1)
    return f"Did you mean {PREFIX}{close[0]}?" if close else "Remove it."


@register(TAG)
def check_types(**_: object) -> list[CheckMessage]:
    return [
        catalogue.WRONG_TYPE.about(
            setting=setting.full_name,
            shown=shown(setting, value),
            expected=_expected(setting),
            suggestion=_right_form(setting, value),
        )
        for setting, value in given()
        if not has_right_type(setting, value)
    ]


def _expected(setting: AnySetting) -> str:
    names = [kind.__name__ for kind in setting.kind] + (["None"] if setting.optional else [])
    return " or ".join(names)


def _right_form(setting: AnySetting, value: object) -> str:
    if value is None:
        return "Remove it: it cannot be switched off."
    if timedelta in setting.kind and isinstance(value, int | float):
        return f"Write datetime.timedelta(seconds={value})."
    if list in setting.kind and isinstance(value, str):
        return "Write a list, also where it has one entry."
    return f"Write a value of type {setting.kind[0].__name__}."


@register(TAG)
def check_choices(**_: object) -> list[CheckMessage]:
    return [
        catalogue.NOT_A_CHOICE.about(
            setting=setting.full_name,
            shown=shown(setting, value),
            choices=", ".join(repr(choice) for choice in setting.choices),
        )
        for setting, value in given()
        if setting.choices and has_right_type(setting, value) and value not in setting.choices
    ]


@register(TAG)
def check_problems(**_: object) -> list[CheckMessage]:
    found = []
    for setting, value in given():
        problem = setting.problem if has_right_type(setting, value) else None
        text = problem(value) if problem is not None else None
        if text is not None:
            message = catalogue.BAD_VALUE.about(
                setting=setting.full_name,
                shown=shown(setting, value),
                problem=text.rstrip("."),
                meaning=setting.meaning,
            )
            found.append(message)
    return found


@register(TAG)
def check_encryption_keys(**_: object) -> list[CheckMessage]:
    keys = conf.ENCRYPTION_KEYS
    if not isinstance(keys, list | tuple):
        return []
    return [
        catalogue.BAD_ENCRYPTION_KEY.about(number=number)
        for number, key in enumerate(keys, start=1)
        if not _is_master_key(key)
    ]


def _is_master_key(encoded: object) -> bool:
    if not isinstance(encoded, str):
        return False
    try:
        decode_master_key(encoded)
    except ImproperlyConfigured:
        return False
    return True


@register(TAG)
def check_trusted_proxies(**_: object) -> list[CheckMessage]:
    entries = conf.TRUSTED_PROXIES
    if not isinstance(entries, list | tuple):
        return []
    found = [catalogue.BAD_NETWORK.about(shown=repr(e)) for e in entries if not _is_network(e)]
    if entries and conf.TRUSTED_PROXY_COUNT:
        found.append(catalogue.PROXIES_TWICE.about(count=conf.TRUSTED_PROXY_COUNT))
    if conf.IP_ADDRESS_HEADER is not None and not entries:
        found.append(catalogue.HEADER_OF_NOBODY.about(header=conf.IP_ADDRESS_HEADER))
    return found


def _is_network(entry: object) -> bool:
    try:
        parse_network(str(entry))
    except ValueError:
        return str(entry) == UNIX_SOCKET
    return True


@register(TAG)
def check_timeouts(**_: object) -> list[CheckMessage]:
    if any(not has_right_type(setting, value) for setting, value in given()):
        return []  # there is something to be put right before this can be told
    idle, source = conf.IDLE_TIMEOUT, "SESSIONS_PLUS_IDLE_TIMEOUT"
    if idle is None:
        idle, source = timedelta(seconds=settings.SESSION_COOKIE_AGE), "SESSION_COOKIE_AGE"
    absolute = conf.ABSOLUTE_LIFETIME
    if absolute is None or idle <= absolute:
        return []
    facts = {"idle": idle, "source": source, "absolute": absolute}
    return [catalogue.IDLE_TIMEOUT_TOO_LONG.about(**facts)]
