"""Who is calling, which device it is, and what people are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import PurePath
from typing import Literal

from sessions_plus.conf.problems import (
    empty,
    no_header,
    no_origin,
    no_site_data,
    not_negative,
    positive,
)
from sessions_plus.conf.setting import FUNCTION, Call, Setting
from sessions_plus.named_types import SiteUser


class PeopleSettings:
    """Who is calling, which device it is, and what people are told."""

    # Who is calling

    TRUSTED_PROXY_COUNT = Setting[int](
        int,
        0,
        "How many proxies of yours stand in front of the site and append to `X-Forwarded-For`.",
        problem=not_negative,
    )
    TRUSTED_PROXIES = Setting[list[str]](
        (list, tuple),
        [],
        "Addresses and networks of your proxies, instead of their number. "
        "`unix` stands for a proxy that connects through a Unix socket.",
    )
    IP_ADDRESS_HEADER = Setting[str | None](
        str,
        None,
        "Header in which your proxy tells the client's address, in place of `X-Forwarded-For`: "
        "`CF-Connecting-IP`, `X-Real-IP`, `True-Client-IP`. It is believed from "
        "`SESSIONS_PLUS_TRUSTED_PROXIES` alone. None: there is none.",
        optional=True,
        problem=no_header,
    )
    IP_ADDRESS_PRIVACY = Setting[Literal["full", "truncated", "none"]](
        str,
        "full",
        "What of an IP address is stored: all, its network (/24 or /48), or nothing.",
        choices=("full", "truncated", "none"),
    )
    TRACK_ANONYMOUS = Setting[bool](
        bool,
        True,
        "Whether address and user agent are stored for sessions that nobody is signed in to.",
    )
    LOCATION_DATABASE = Setting[str | PurePath | None](
        (str, PurePath),
        None,
        "Path of a MaxMind City or Country database (`.mmdb`). None: places are not looked up.",
        optional=True,
    )

    # Devices

    DEVICE_COOKIE_NAME = Setting[str | None](
        str,
        None,
        "Name of the cookie that recognises a browser. None: `device`, with the prefix "
        "`__Host-` or `__Secure-` where `SESSION_COOKIE_SECURE` is on.",
        optional=True,
    )
    DEVICE_COOKIE_AGE = Setting[timedelta](
        timedelta,
        timedelta(days=400),
        "How long a browser is recognised after its last sign-in. Browsers allow 400 days.",
        problem=positive,
    )

    CLEAR_SITE_DATA = Setting[list[str]](
        (list, tuple),
        ["cache", "storage"],
        "What browsers are told to forget when a session has ended, on HTTPS: `Clear-Site-Data`. "
        "With `cookies` they forget their device, too. Empty: nothing.",
        problem=no_site_data,
    )

    # Notices

    NOTICE_SENDER = Setting[str](
        str,
        "sessions_plus.notices.sending.send_in_background",
        "Dotted path of the function that sends a mail; name your own to queue it. The default "
        "does it in a thread, and gives it up after five seconds; "
        "`sessions_plus.notices.sending.send_now` lets the request wait for that long.",
        call=Call(keywords=("to", "subject", "text", "html", "event")),
    )
    SITE_URL = Setting[str | None](
        str,
        None,
        "Where the site is, for links in mails: `https://example.com`. None: the host of the "
        "request that caused the mail, if `ALLOWED_HOSTS` names it in full; else mails have no "
        "link.",
        optional=True,
        problem=no_origin,
    )
    NOTICE_LANGUAGE = Setting[Callable[[SiteUser], str | None] | str | None](
        FUNCTION,
        None,
        "A function of the user, or its dotted path, that returns the language of their mails. "
        "None: `LANGUAGE_CODE`.",
        optional=True,
        problem=empty,
        call=Call(("user",)),
    )
