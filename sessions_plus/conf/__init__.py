"""
Every setting of the app, by topic: name, type, default and meaning.

Read as ``conf.NAME`` at the moment of use: nothing may keep a value, so that a
test's ``override_settings`` or a reloaded configuration takes effect at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

from django.core.signals import setting_changed

from sessions_plus.conf.device_keys import DeviceKeySettings
from sessions_plus.conf.moving import MovingSettings, end_of_adoption
from sessions_plus.conf.operating import OperatingSettings
from sessions_plus.conf.people import PeopleSettings
from sessions_plus.conf.profiles import PROFILES, Profile
from sessions_plus.conf.second_factor import SecondFactorSettings
from sessions_plus.conf.sessions import SessionSettings
from sessions_plus.conf.setting import PREFIX, Call, FromProfile, Setting
from sessions_plus.conf.tokens import TokenSettings
from sessions_plus.named_types import AnySetting, ResolvedSettings

__all__ = ["PREFIX", "PROFILES", "Call", "Conf", "FromProfile", "Profile", "Setting", "conf"]

T = TypeVar("T")


class Conf(
    SessionSettings,
    PeopleSettings,
    SecondFactorSettings,
    DeviceKeySettings,
    TokenSettings,
    OperatingSettings,
    MovingSettings,
):
    """The settings, each resolved once and again after a change."""

    def __init__(self) -> None:
        self.resolved: ResolvedSettings = {}
        setting_changed.connect(self._forget, weak=False, dispatch_uid="sessions_plus.conf")

    def _forget(self, *, setting: str, **_: object) -> None:
        if setting.startswith((PREFIX, "SESSION_", "SECRET_KEY")):
            self.resolved.clear()

    def derived(self, name: str, make: Callable[[], T]) -> T:
        """Return what ``make`` makes of the settings, made once and again after a change."""
        try:
            found: T = self.resolved[name]
        except KeyError:
            found = self.resolved[name] = make()
        return found

    @classmethod
    def declared(cls) -> Iterator[AnySetting]:
        """Every setting there is, in the order of the documentation."""
        return (
            value
            for part in cls.__bases__
            for value in vars(part).values()
            if isinstance(value, Setting)
        )

    @property
    def adopts_until(self) -> datetime | None:
        """When sessions of another engine cease to be taken over; None: they never are."""
        return self.derived("adopts until", self._adopts_until)

    def _adopts_until(self) -> datetime | None:
        return end_of_adoption(self.ADOPT_UNTIL) if self.ADOPT_FROM is not None else None

    @property
    def profile(self) -> Profile:
        """The profile named by ``PROFILE``; ``aal1`` for an unknown name (a check reports it)."""
        return PROFILES.get(self.PROFILE, PROFILES["aal1"])


conf = Conf()
