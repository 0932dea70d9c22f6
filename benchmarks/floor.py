"""What a session costs that does nothing but fetch some bytes: no engine can read for less."""

from __future__ import annotations

from collections.abc import Callable

import redis
from django.conf import settings
from django.http import HttpRequest, HttpResponse

GetResponse = Callable[[HttpRequest], HttpResponse]


def middleware(get_response: GetResponse) -> GetResponse:
    """Ask Redis for 600 bytes, on a connection that is kept, and give the view a dictionary."""
    client = redis.Redis.from_url(settings.CACHES["default"]["LOCATION"])
    client.set("floor", b"x" * 600)
    connection = client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)

    def handle(request: HttpRequest) -> HttpResponse:
        connection.send_command("GET", "floor", check_health=False)
        connection.read_response()
        request.session = {}  # type: ignore[assignment]
        return get_response(request)

    return handle
