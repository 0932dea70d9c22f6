"""What a browser is told of a session that is bound to its key: the JSON of the protocol."""

from __future__ import annotations

from collections.abc import Iterable


def instructions(
    *,
    identifier: str,
    refresh_path: str,
    origin: str,
    cookie: str,
    attributes: str,
    left_out: Iterable[str],
) -> dict[str, object]:
    """
    Return what makes the browser renew ``cookie`` before each request that would lack it.

    ``left_out``: paths that need no proof, such as those of static files.
    """
    return {
        "session_identifier": identifier,
        "refresh_url": refresh_path,
        "scope": {
            "origin": origin,
            "include_site": False,
            "scope_specification": [
                {"type": "exclude", "domain": "*", "path": path} for path in left_out
            ],
        },
        "credentials": [{"type": "cookie", "name": cookie, "attributes": attributes}],
    }


def the_end(identifier: str) -> dict[str, object]:
    """Return what makes the browser forget its key."""
    return {"session_identifier": identifier, "continue": False}
