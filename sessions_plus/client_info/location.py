"""
Where an address is, by the MaxMind database that the site names, or nowhere.

The only home of ``geoip2``. A place is an ornament: whatever is missing or broken
here costs one warning in the log and an empty answer, never a request.
"""

from __future__ import annotations

import logging
import os
from threading import Lock
from typing import TYPE_CHECKING

from sessions_plus.conf import conf

if TYPE_CHECKING:
    from geoip2.database import Reader

logger = logging.getLogger("sessions_plus")

MAX_LOCATION_LENGTH = 128


def locate(ip_address: str | None) -> str:
    """
    Return the place of an address in English, ``"Berlin, Germany"``, or "".

    With a Country database only the country; "" for an address that the database
    does not know, as private ones, and without library or database.
    """
    path = conf.LOCATION_DATABASE
    if not path or not ip_address:
        return ""
    return _shelf.fetch(str(path)).place_of(ip_address)[:MAX_LOCATION_LENGTH]


class _Database:
    """One opened database file, or the fact that it could not be opened."""

    def __init__(self, path: str, version: tuple[int, int] | None) -> None:
        self.path = path
        self.version = version
        self.has_warned = False
        self.reader = self._open()

    def is_of(self, path: str, version: tuple[int, int] | None) -> bool:
        return (self.path, self.version) == (path, version)

    def _open(self) -> Reader | None:
        try:
            from geoip2.database import Reader
            from maxminddb import InvalidDatabaseError
        except ImportError:
            self._warn("the library `geoip2` is not installed")
            return None
        try:
            return Reader(self.path)
        except (OSError, ValueError, InvalidDatabaseError) as error:
            self._warn(str(error))
            return None

    def place_of(self, ip_address: str) -> str:
        if self.reader is None:
            return ""
        from geoip2.errors import AddressNotFoundError

        try:
            return _look_up(self.reader, ip_address)
        except (AddressNotFoundError, ValueError):  # unknown, or IPv6 in an IPv4 database
            return ""
        except Exception as error:
            # A damaged file raises whatever its bytes happen to trip over.
            self._warn(str(error) or type(error).__name__)
            return ""

    def _warn(self, problem: str) -> None:
        """Say it once for each file, not at each request."""
        if not self.has_warned:
            self.has_warned = True
            logger.warning(
                "Places are not looked up in SESSIONS_PLUS_LOCATION_DATABASE (%s): %s",
                self.path,
                problem,
            )


def _look_up(reader: Reader, ip_address: str) -> str:
    database_type = reader.metadata().database_type
    if "City" in database_type or "Enterprise" in database_type:
        look_up = reader.city if "City" in database_type else reader.enterprise
        found = look_up(ip_address)
        names = [found.city.name, found.country.name]
    else:
        names = [reader.country(ip_address).country.name]
    # Singapore is in Singapore: each name once.
    return ", ".join(dict.fromkeys(name for name in names if name))


class _Shelf:
    """Holds this process's one open database."""

    def __init__(self) -> None:
        self._start_afresh()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._start_afresh)

    def _start_afresh(self) -> None:
        """Let a forked process open its own, with a lock that no lost thread holds."""
        self._lock = Lock()
        self._database: _Database | None = None

    def fetch(self, path: str) -> _Database:
        """
        Return the database at ``path``, opened at first use.

        It is opened again when the setting names another file or the file was
        replaced: MaxMind's are, every week, while servers run on. The former one is
        not closed, as another thread may be reading from it.
        """
        version = _version_of(path)
        database = self._database
        if database is None or not database.is_of(path, version):
            with self._lock:
                database = self._database
                if database is None or not database.is_of(path, version):
                    self._database = database = _Database(path, version)
        return database


def _version_of(path: str) -> tuple[int, int] | None:
    """Tell a replaced file from the former one; None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_ino, status.st_mtime_ns


_shelf = _Shelf()
