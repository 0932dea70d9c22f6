"""Sessions that only the browser's own key keeps open (DBSC)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sessions_plus.conf.problems import BINDINGS, no_binding, no_proof_lifetime
from sessions_plus.conf.setting import FUNCTION, Call, Setting
from sessions_plus.named_types import SiteUser


class DeviceKeySettings:
    """Sessions that only the browser's own key keeps open (DBSC)."""

    DEVICE_BINDING = Setting[Callable[[SiteUser], str] | str](
        FUNCTION,
        "off",
        "Whether browsers that can bind a session to a key of their device do so. `observe`: "
        "they do, and events tell what would be refused; `enforce`: requests without a proof "
        "are refused. Or a function of the user that returns one of the three, or its dotted "
        "path.",
        problem=no_binding,
        call=Call(("user",), words=BINDINGS),
    )
    DEVICE_BINDING_REQUIRED = Setting[Callable[[SiteUser], bool] | str | None](
        FUNCTION,
        None,
        "A function of the user, or its dotted path, that says whose browsers must bind their "
        "sessions: within a minute of the sign-in, else nothing opens but proving oneself again. "
        "None: nobody's.",
        optional=True,
        call=Call(("user",)),
    )
    PROOF_LIFETIME = Setting[timedelta](
        timedelta,
        timedelta(minutes=10),
        "How long a browser's proof holds: it is also the longest time for which somebody else "
        "can use stolen cookies. From 3 minutes to an hour.",
        problem=no_proof_lifetime,
    )
