"""What our commands share: whoever types one is told calmly that the database takes no writes."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from sessions_plus.exceptions import SessionNotStored
from sessions_plus.rows.write_faults import Fault, fault_of

AGAIN = "What was done before that stays done: run the command again"


class OperatorCommand(BaseCommand):
    """
    A command that writes.

    Where it is typed, a write that is refused ends it with a sentence instead of a traceback,
    which ``--traceback`` shows. A program that calls it gets the database's error, as ever.
    """

    _is_typed = False

    def run_from_argv(self, argv: list[str]) -> None:
        self._is_typed = True
        super().run_from_argv(argv)

    def execute(self, *args: object, **options: object) -> str | None:
        try:
            return super().execute(*args, **options)
        except DatabaseError as error:
            sentence = _in_words(error)
            if not self._is_typed or sentence is None:
                raise
            raise CommandError(sentence) from error


def _in_words(error: DatabaseError) -> str | None:
    """Say why nothing could be written; None where that is not what failed."""
    if isinstance(error, SessionNotStored) and isinstance(error.__cause__, DatabaseError):
        error = error.__cause__
    fault = fault_of(error)
    if fault is None:
        return None
    if fault is Fault.UNWRITABLE:
        return f"The database takes no writes ({_first_line(error)}). {AGAIN} once it does."
    return f"Somebody else holds what has to be written ({_first_line(error)}). {AGAIN}."


def _first_line(error: DatabaseError) -> str:
    text = " ".join(str(part) for part in error.args)
    return text.partition("\n")[0] or type(error).__name__
