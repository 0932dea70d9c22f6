"""One thing at a time for a user, on whatever node."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections, router, transaction


@contextmanager
def alone_for(user_id: Any) -> Iterator[None]:
    """
    Hold off others that do this for the same user, until the block and its transaction are over.
    """
    model = get_user_model()
    users: Any = model._base_manager.using(router.db_for_write(model))
    features = connections[users.db].features
    with transaction.atomic(using=users.db):
        if features.has_select_for_update:
            # On PostgreSQL a weaker lock does, which no foreign key to the user waits for.
            weaker = {"no_key": True} if features.has_select_for_no_key_update else {}
            users.select_for_update(**weaker).filter(pk=user_id).values_list("pk").first()
        else:
            # SQLite has one writer at a time: a write is its lock.
            users.filter(pk=user_id).update(**{model._meta.pk.attname: user_id})
        yield
