"""
Ending what a user still has at the old engine, together with their sessions here.

Most engines cannot tell whose a session is. So it is written down that this user's are over,
and that is asked when one of them comes to be taken over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from datetime import datetime

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Q

from sessions_plus.conf import conf
from sessions_plus.lifecycle.alone import alone_for
from sessions_plus.models import AdoptedKey, AdoptionBar, Session
from sessions_plus.named_types import UserId
from sessions_plus.rows import session_row
from sessions_plus.store import old_engine
from sessions_plus.store.kept_old_keys import end_others_of


def bar(user_id: UserId, *, now: datetime) -> None:
    """
    Let no old session of a user be taken over any more. Nothing unless old sessions are at all.

    To be called before the sessions here are looked for: one that was just being taken over
    has been stored by then, and is found.
    """
    if not old_engine.is_adopting(now):
        return
    with alone_for(user_id):
        _write(user_id, now)
    end_others_of(user_id)


def note_new_hash(user: AbstractBaseUser) -> None:
    """
    Take note that nobody is signed in any more to what a user has at the old engine.

    It compares sessions with their user's password, as Django does, and that is another or was
    hashed anew. So it will lose them, and nobody has signed out.
    """
    if not conf.ADOPT_KEEP_OLD:
        return
    alias = session_row.database()
    here = Session.objects.using(alias).for_user(user).filter(revoked_at=None)
    adopted = AdoptedKey.objects.using(alias).filter(session_public_id__in=here.values("public_id"))
    adopted.update(is_signed_in=False)


def bar_everybody(*, now: datetime) -> None:
    """Let no old session of anybody be taken over signed in. See bar()."""
    if old_engine.is_adopting(now):
        _write(None, now)


def bar_older(user_ids: Iterable[UserId] | None, *, than: datetime, now: datetime) -> None:
    """
    Let none be taken over that users (None: all) signed in to before a moment. See bar().

    Where nobody knows when one began, it counts as one of before.
    """
    if not old_engine.is_adopting(now):
        return
    for user_id in [None] if user_ids is None else user_ids:
        with nullcontext() if user_id is None else alone_for(user_id):
            _write(user_id, than)


def _write(user_id: UserId, at: datetime) -> None:
    alias = session_row.database()
    bars = AdoptionBar.objects.using(alias).filter(user_id=user_id)
    if bars.filter(at__lt=at).update(at=at) or bars.exists():
        return
    try:
        with transaction.atomic(using=alias):
            AdoptionBar(user_id=user_id, at=at).save(using=alias, force_insert=True)
    except IntegrityError:
        bars.filter(at__lt=at).update(at=at)


def is_barred(user_id: UserId, *, began_at: datetime | None) -> bool:
    """Say whether an old session is over, as its user's or everybody's were ended here."""
    return is_over(barred_since([user_id]), user_id, began_at=began_at)


def barred_since(user_ids: Iterable[UserId]) -> dict[UserId, datetime]:
    """Return when sessions were ended last, by user; under None: everybody's."""
    bars = AdoptionBar.objects.using(session_row.database())
    of_users = bars.filter(Q(user_id__in=list(user_ids)) | Q(user_id=None))
    return dict(of_users.values_list("user_id", "at"))


def is_over(bars: Mapping[UserId, datetime], user_id: UserId, *, began_at: datetime | None) -> bool:
    """
    Say whether one of these ended an old session of a user.

    ``began_at`` None: nobody knows when it began, so it counts as one of before.
    """
    ended = [bars[key] for key in (user_id, None) if key in bars]
    return bool(ended) and (began_at is None or max(ended) >= began_at)
