"""One thing at a time for a user, on whatever node."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction
from django.db.models import F

from sessions_plus.named_types import Arguments, UserId


def alone_for(user_id: UserId) -> AbstractContextManager[None]:
    """
    Hold off others that do this for the same user, until the block and its transaction are over.
    """
    return alone_for_many([user_id])


@contextmanager
def alone_for_many(user_ids: Collection[UserId]) -> Iterator[None]:
    """Do so for several users, in one order. See alone_for()."""
    model = get_user_model()
    users = model._base_manager.using(router.db_for_write(model))
    features = connections[users.db].features
    with transaction.atomic(using=users.db):
        if features.has_select_for_update:
            # On PostgreSQL a weaker lock does, which no foreign key to the user waits for.
            weaker: Arguments = {"no_key": True} if features.has_select_for_no_key_update else {}
            locked = users.select_for_update(**weaker).filter(pk__in=user_ids).order_by("pk")
            list(locked.values_list("pk"))
        else:
            # SQLite has one writer at a time: a write is its lock.
            users.filter(pk__in=user_ids).update(**{model._meta.pk.attname: F("pk")})
        yield
