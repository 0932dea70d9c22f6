"""What a setting is: a name, its type, its default and its meaning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, cast, overload

from django.conf import settings

from sessions_plus.conf.profiles import Profile
from sessions_plus.named_types import ResolvedSettings

PREFIX = "SESSIONS_PLUS_"

T = TypeVar("T")

# A site's function, or its dotted path. To isinstance() Callable is a type, to mypy it is none.
FUNCTION = cast("tuple[type, ...]", (str, Callable))


class FromProfile:
    """The default of a setting that the chosen profile decides."""

    def __repr__(self) -> str:
        return "<from the profile>"


FROM_PROFILE = FromProfile()


@dataclass(frozen=True, slots=True)
class Call:
    """
    How a function that a setting names is called, never awaited.

    ``words`` are values that stand for functions of ours.
    """

    positional: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    def __str__(self) -> str:
        """``(user, session)``, or ``(*, to, subject)`` of what is given by name alone."""
        return (
            f"({', '.join([*self.positional, *(['*'] if self.keywords else []), *self.keywords])})"
        )


class Resolved(Protocol):
    """What a setting asks of the object that it is an attribute of."""

    resolved: ResolvedSettings

    @property
    def profile(self) -> Profile:
        """The profile in force."""


class Setting(Generic[T]):
    """One ``SESSIONS_PLUS_*`` setting: a read-only attribute of ``conf``."""

    name: str

    def __init__(
        self,
        kind: type | tuple[type, ...],
        default: T | FromProfile,
        meaning: str,
        *,
        choices: tuple[T, ...] = (),
        optional: bool = False,
        profile_field: str = "",
        problem: Callable[[T], str | None] | None = None,
        call: Call | None = None,
    ) -> None:
        """
        Declare it.

        ``kind`` is the type or types a value may have, ``optional`` says that None
        (off) may be given, ``profile_field`` names the profile's value that is the
        default, ``problem`` returns what is wrong with a value of the right type, and
        ``call`` says how it is called, where it is a function or its dotted path.
        """
        self.kind = kind if isinstance(kind, tuple) else (kind,)
        self.default = default
        self.meaning = meaning
        self.choices = choices
        self.optional = optional
        self.profile_field = profile_field
        self.problem = problem
        self.call = call

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @property
    def full_name(self) -> str:
        return PREFIX + self.name

    @overload
    def __get__(self, instance: None, owner: type) -> Setting[T]: ...

    @overload
    def __get__(self, instance: Resolved, owner: type) -> T: ...

    def __get__(self, instance: Resolved | None, owner: type) -> Setting[T] | T:
        if instance is None:
            return self
        try:
            found: T = instance.resolved[self.name]
        except KeyError:
            found = instance.resolved[self.name] = self.resolve(instance)
        return found

    def resolve(self, conf: Resolved) -> T:
        default = self.default
        if isinstance(default, FromProfile):
            default = cast(T, getattr(conf.profile, self.profile_field))
        return cast(T, getattr(settings, self.full_name, default))
