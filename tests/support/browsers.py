"""A browser for tests: it keeps its cookies, and asks in one of the two worlds."""

from __future__ import annotations

from typing import Any

from asgiref.sync import async_to_sync
from django.conf import settings
from django.test import AsyncClient, Client

from tests.conftest import World

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAFARI = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)


class Browser:
    """Asks the views of ``tests.support.sites`` of its world through the whole handler."""

    def __init__(self, world: World, *, user_agent: str = FIREFOX) -> None:
        self.world = world
        self.user_agent = user_agent
        self.headers: dict[str, str] = {}  # besides the user agent
        self.client: Any = AsyncClient() if world.is_async else Client()
        self.response: Any = None  # of the sign-in, where a test keeps it

    @property
    def cookies(self) -> Any:
        return self.client.cookies

    @property
    def key(self) -> str:
        return str(self.cookies[settings.SESSION_COOKIE_NAME].value)

    @key.setter
    def key(self, value: str) -> None:
        self.cookies[settings.SESSION_COOKIE_NAME] = value

    @property
    def has_key(self) -> bool:
        return settings.SESSION_COOKIE_NAME in self.cookies and bool(self.key)

    def twin(self) -> Browser:
        """Make another tab or request of this browser: its cookies, in a jar of its own."""
        twin = Browser(self.world, user_agent=self.user_agent)
        for name, morsel in self.cookies.items():
            twin.cookies[name] = morsel.value
        return twin

    def get(self, name: str, /, **parameters: str) -> Any:
        url = f"/{self.world.name}/{name}/"
        headers = {"user-agent": self.user_agent, **self.headers}
        if self.world.is_async:
            return async_to_sync(self.client.get)(url, parameters, headers=headers)
        return self.client.get(url, parameters, headers=headers)

    def text(self, name: str, /, **parameters: str) -> str:
        return str(self.get(name, **parameters).content.decode())
