"""When a session ends, and how long its cookie is kept: never beyond the absolute end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from sessions_plus.conf import conf
from sessions_plus.policy import Limits, absolute_end, expires_at
from sessions_plus.rows.columns import AUTH_USER_KEY
from sessions_plus.rows.lifetime import EXPIRY_KEY, limits_of
from sessions_plus.rows.session_row import Row
from sessions_plus.store.writing import WritingStore


class ExpiringStore(WritingStore):
    """The part of the store that knows about its end."""

    def renew(self, now: datetime) -> bool:
        """
        Record activity now, however recent the last is.

        Return False where the session has ended or is not stored.
        """
        self._dictionary()
        row = self.row
        if row is None:
            return False
        return self._touch(row, now) or self._settle(row.public_id, None, now) is not None

    @property
    def ends_at(self) -> datetime | None:
        """When it ends unless it is used again; None where it is not stored."""
        data = self._dictionary()
        if self.row is None:
            return None
        return expires_at(
            started_at=self.row.started_at,
            last_activity=self.row.last_activity,
            limits=_limits(self.row, data),
        )

    @property
    def absolute_ends_at(self) -> datetime | None:
        """When it ends however active it is; None: never, or it is not stored."""
        data = self._dictionary()
        if self.row is None:
            return None
        return absolute_end(started_at=self.row.started_at, limits=_limits(self.row, data))

    def get_session_cookie_age(self) -> int:
        """The idle timeout in force, in seconds."""
        signed_in = AUTH_USER_KEY in getattr(self, "_session_cache", {})
        idle = conf.IDLE_TIMEOUT if signed_in else conf.ANONYMOUS_LIFETIME
        return int(idle.total_seconds()) if idle is not None else settings.SESSION_COOKIE_AGE

    def get_expiry_age(self, **kwargs: Any) -> int:
        age: int = super().get_expiry_age(**kwargs)
        return self._within_limits(age)

    async def aget_expiry_age(self, **kwargs: Any) -> int:
        """See get_expiry_age()."""
        age: int = await super().aget_expiry_age(**kwargs)
        return self._within_limits(age)

    def get_expire_at_browser_close(self) -> bool:
        return not conf.PERSISTENT_COOKIE or super().get_expire_at_browser_close()

    async def aget_expire_at_browser_close(self) -> bool:
        """See get_expire_at_browser_close()."""
        return not conf.PERSISTENT_COOKIE or await super().aget_expire_at_browser_close()

    def get_cookie_age(self) -> int | None:
        """
        Return how many seconds the browser keeps the cookie; None: until it closes.

        Where activity cannot move the end, that end: see has_news_for_cookie().
        """
        if self.get_expire_at_browser_close():
            return None
        end = self._immovable_end()
        return self.get_expiry_age() if end is None else _seconds(end - timezone.now())

    def has_news_for_cookie(self, *, saved: bool) -> bool:
        """
        Say whether the browser has to be told something: a new key, or another end.

        Nothing else sets the cookie of a signed-in session. A slow response that did
        would put an old key back where there is a newer one by now, which would sign
        the person out and look like a theft.
        """
        if self.has_new_key:
            return True
        if not saved and not self.is_touched:
            return False
        expiry = self._dictionary().get(EXPIRY_KEY)
        if self._immovable_end() is not None and expiry == self._known_expiry:
            return False
        return saved or (self.is_touched and not self.get_expire_at_browser_close())

    def _immovable_end(self) -> datetime | None:
        """The absolute end of a session that somebody is signed in to."""
        data = self._dictionary()
        if self.row is None or self.row.user_id is None or data.get(EXPIRY_KEY):
            return None
        return absolute_end(started_at=self.row.started_at, limits=_limits(self.row, data))

    def _within_limits(self, age: int) -> int:
        """Return the age, shortened where a signed-in session ends before."""
        if self.row is None or self.row.user_id is None:
            return age
        now = timezone.now()
        limits = _limits(self.row, self._dictionary())
        end = expires_at(started_at=self.row.started_at, last_activity=now, limits=limits)
        return min(age, _seconds(end - now))


def _limits(row: Row, data: dict[str, Any]) -> Limits:
    return limits_of(user_id=row.user_id, data=data, kind=row.kind, auth_methods=row.auth_methods)


def _seconds(duration: timedelta) -> int:
    return max(0, int(duration.total_seconds()))
