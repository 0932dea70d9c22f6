"""Every address of ours, as the URL configuration has it, with real things in their places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLResolver, get_resolver, reverse

OURS = ("sessions_plus", "sessions_plus_api")


@dataclass(frozen=True)
class Address:
    """One pattern of ours: its name with its namespace, and the names of its places."""

    name: str
    places: tuple[str, ...]
    view: Callable[..., Any]

    def path(self, **facts: str) -> str:
        return reverse(self.name, kwargs={place: facts[place] for place in self.places})


def addresses(namespaces: tuple[str, ...] = OURS) -> list[Address]:
    return sorted(_walk(get_resolver("tests.urls"), "", namespaces), key=lambda found: found.name)


def _walk(resolver: URLResolver, namespace: str, namespaces: tuple[str, ...]) -> Iterator[Address]:
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern, pattern.namespace or namespace, namespaces)
        elif namespace in namespaces:
            places = tuple(pattern.pattern.converters)
            yield Address(f"{namespace}:{pattern.name}", places, pattern.callback)
