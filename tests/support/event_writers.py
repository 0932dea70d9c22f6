"""
Many threads that record events, commit and roll back: ``python -m tests.support.event_writers``.

Arguments: how many threads, and how many transactions each. Prints the keys of what was
committed as one JSON list.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time

import django


def main(threads: int, rounds: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    committed: list[int] = []
    begun = threading.Barrier(threads)
    writers = [
        threading.Thread(target=write, args=(seed, rounds, begun, committed))
        for seed in range(threads)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    sys.stdout.write(json.dumps(committed))


def write(seed: int, rounds: int, begun: threading.Barrier, committed: list[int]) -> None:
    """Write an event or two, think a while, and commit three times out of four."""
    from django.db import connection, transaction

    from sessions_plus.events import record
    from sessions_plus.models import Event

    dice = random.Random(seed)
    connection.ensure_connection()
    begun.wait()
    for _ in range(rounds):
        with transaction.atomic():
            keys = [record(Event.SESSION_STARTED).pk for _ in range(dice.choice((1, 2)))]
            time.sleep(dice.random() / 5)
            keeps = dice.random() < 0.75
            transaction.set_rollback(not keeps)
        if keeps:
            committed += keys
    connection.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
