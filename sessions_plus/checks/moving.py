"""Checks of a site that moves in from another engine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core.checks import CheckMessage, register
from django.utils import timezone

from sessions_plus.checks import catalogue
from sessions_plus.checks.catalogue import TAG
from sessions_plus.checks.deployment import better_name
from sessions_plus.checks.values import given, has_right_type
from sessions_plus.conf import PREFIX, conf
from sessions_plus.store.old_tables import own_rows
from sessions_plus.store.session_store import SessionStore

LONGEST = timedelta(days=60)
WEEKS_SUGGESTED = timedelta(weeks=4)


@register(TAG)
def check_end_of_adoption(**_: object) -> list[CheckMessage]:
    until = conf.adopts_until if _is_told() else None
    if until is None:
        return list(_without_end())
    now = timezone.now()
    if until <= now:
        return [catalogue.ADOPTION_IS_OVER.about(until=_day(until))]
    if until - now <= LONGEST:
        return []
    days, longest = (until - now).days, LONGEST.days
    return [catalogue.LONG_ADOPTION.about(until=_day(until), days=days, longest=longest)]


def _is_told() -> bool:
    """Say whether where from and until when are values of the right type, if anything."""
    return _has_right_types() and conf.ADOPT_FROM is not None and conf.ADOPT_UNTIL is not None


def _has_right_types() -> bool:
    ours = ((setting, value) for setting, value in given() if setting.name.startswith("ADOPT_"))
    return all(has_right_type(setting, value) for setting, value in ours)


def _without_end() -> Iterator[CheckMessage]:
    if _has_right_types() and conf.ADOPT_FROM is not None and conf.ADOPT_UNTIL is None:
        day = timezone.now() + WEEKS_SUGGESTED
        yield catalogue.NO_END_OF_ADOPTION.about(
            engine=conf.ADOPT_FROM, year=day.year, month=day.month, day=day.day
        )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


@register(TAG)
def check_old_engine(**_: object) -> list[CheckMessage]:
    engine = conf.ADOPT_FROM
    if not isinstance(engine, str) or not engine.strip():
        return []
    problem = _problem_with(engine)
    if problem is not None:
        return [catalogue.NO_OLD_ENGINE.about(engine=engine, problem=problem)]
    if issubclass(import_module(engine).SessionStore, SessionStore):
        return [catalogue.ADOPTS_FROM_ITSELF.about(engine=engine)]
    return []


def _problem_with(engine: str) -> str | None:
    try:
        store = import_module(engine).SessionStore
        own_rows()
    except Exception as error:  # whatever a module does when it is imported
        return f"{type(error).__name__}: {error}"
    is_store = isinstance(store, type) and issubclass(store, SessionBase)
    return None if is_store else "its SessionStore is not one of Django's kind."


@register(TAG)
def check_old_cookie(**_: object) -> list[CheckMessage]:
    name = settings.SESSION_COOKIE_NAME
    if not conf.ADOPT_KEEP_OLD or conf.ADOPT_COOKIE_NAME not in (None, name):
        return []
    better = better_name(name, "SESSION_COOKIE")
    return [catalogue.SAME_COOKIE_AS_OLD.about(name=name, better=better)]


@register(TAG)
def check_settings_without_engine(**_: object) -> list[CheckMessage]:
    if conf.ADOPT_FROM is not None:
        return []
    return [
        catalogue.ADOPTS_FROM_NOWHERE.about(setting=PREFIX + name)
        for name in _given_besides_engine()
    ]


def _given_besides_engine() -> Iterator[str]:
    for setting, value in given():
        is_about = setting.name.startswith("ADOPT_") and setting.name != "ADOPT_FROM"
        if is_about and has_right_type(setting, value) and value != setting.default:
            yield setting.name
