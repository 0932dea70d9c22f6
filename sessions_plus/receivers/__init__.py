"""What we do when something happens elsewhere, by what happened. Importing it connects all."""

from sessions_plus.receivers import (
    guesses,
    moving,
    notices,
    passwords,
    sessions,
    sign_ins,
    users,
)

__all__ = ["guesses", "moving", "notices", "passwords", "sessions", "sign_ins", "users"]
