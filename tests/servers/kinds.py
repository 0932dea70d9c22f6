"""Each server, and what stands between it and the database: a row of the table each."""

from __future__ import annotations

from dataclasses import dataclass

WSGI, ASGI = "tests.servers.wsgi:application", "tests.servers.asgi:application"


NOTHING, POOL, POOLER = "–", "psycopg's pool", "PgBouncer in transaction mode"


@dataclass(frozen=True)
class Kind:
    """How a server is started with two processes; where it has but one, it is started twice."""

    server: str
    command: str
    """A program and its arguments; ``{port}`` and ``{host}`` are filled in."""
    between: str = NOTHING
    """What stands between its processes and the database."""
    copies: int = 1

    def __str__(self) -> str:
        return self.server if self.between == NOTHING else f"{self.server}, {self.between}"


_GUNICORN = f"gunicorn {WSGI} --workers 2 --bind {{host}}:{{port}}"
_UVICORN = f"uvicorn {ASGI} --workers 2 --host {{host}} --port {{port}} --lifespan off"
_GTHREAD = f"{_GUNICORN} --threads 4"

KINDS = (
    Kind("gunicorn, sync", _GUNICORN),
    Kind("gunicorn, gthread", _GTHREAD),
    Kind("gunicorn, gevent", f"{_GUNICORN} --worker-class gevent"),
    Kind("gunicorn, preload", f"{_GTHREAD} --preload"),
    Kind(
        "uWSGI",
        f"pyuwsgi --module {WSGI} --master --processes 2 --threads 2 --enable-threads "
        "--http-socket {host}:{port} --die-on-term --need-app",
    ),
    Kind("uvicorn", _UVICORN),
    Kind("daphne", f"daphne {ASGI} --bind {{host}} --port {{port}} --verbosity 0", copies=2),
    Kind("hypercorn", f"hypercorn {ASGI} --workers 2 --bind {{host}}:{{port}}"),
    Kind(
        "granian, WSGI",
        f"granian {WSGI} --interface wsgi --workers 2 --host {{host}} --port {{port}}",
    ),
    Kind(
        "granian, ASGI",
        f"granian {ASGI} --interface asginl --workers 2 --host {{host}} --port {{port}}",
    ),
    Kind("gunicorn, gthread", _GTHREAD, POOL),
    Kind("uvicorn", _UVICORN, POOL),
    Kind("gunicorn, gthread", _GTHREAD, POOLER),
    Kind("uvicorn", _UVICORN, POOLER),
)
