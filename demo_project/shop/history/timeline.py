"""What they did, in days before now; read from the top, each person's life is in order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class Ending(Enum):
    SIGNED_OUT = "signed out"
    REVOKED = "ended from another device"
    REVOKED_BY_STAFF = "ended by an administrator"
    DEVICE_REVOKED = "the device was removed"
    IDLE = "not used for too long"


@dataclass(frozen=True, slots=True)
class Visit:
    """
    One session: from ``began`` to ``last_used``, both in days before now.

    Without an ``ending`` it still lives, unless the same person signs in again in the
    same browser, which replaces it. ``ended`` is when, in days before now.
    """

    username: str
    browser: str
    place: str
    began: float
    last_used: float
    ending: Ending | None = None
    ended: float = 0
    device_name: str = ""


@dataclass(frozen=True, slots=True)
class FailedSignIn:
    username: str
    browser: str
    place: str
    began: float


@dataclass(frozen=True, slots=True)
class Enrolment:
    """Somebody sets up a second factor; from then on their sign-ins use it."""

    username: str
    browser: str
    began: float


@dataclass(frozen=True, slots=True)
class Reset:
    """Somebody forgot their password, and chose a new one with the link from a mail."""

    username: str
    browser: str
    place: str
    began: float


@dataclass(frozen=True, slots=True)
class FactorReset:
    """Somebody lost their phone, and the help desk took their second factor away."""

    username: str
    began: float


VISITS = (
    Visit("olga", "olga's computer", "the shop", 28.3, 22.4),
    Visit("olga", "olga's computer", "the shop", 21.2, 9.3, device_name="Till"),
    Visit("olga", "olga's computer", "the shop", 8.1, 0.2),
    Visit("sam", "sam's computer", "the shop", 26.4, 20.6, Ending.SIGNED_OUT, 20.6),
    Visit("sam", "sam's computer", "the shop", 13.3, 6.1, Ending.SIGNED_OUT, 6.1),
    Visit("sam", "sam's computer", "the shop", 1.2, 0.03),
    Visit("maya", "maya's laptop", "maya's home", 29.1, 18.2, device_name="Kitchen laptop"),
    Visit("maya", "maya's office", "maya's office", 24.3, 23.9, Ending.SIGNED_OUT, 23.9),
    Visit("maya", "maya's phone", "maya's home", 23.5, 14.4),
    Visit("maya", "maya's laptop", "maya's home", 18.1, 5.3, Ending.SIGNED_OUT, 5.3),
    Visit("maya", "maya's phone", "maya's train", 13.6, 0.11),
    Visit("maya", "maya's office", "maya's office", 6.2, 0.9),
    Visit("maya", "maya's laptop", "maya's home", 4.2, 0.35),
    Visit("maya", "a stranger's", "far away", 1.07, 0.6),
    Visit("noor", "noor's laptop", "noor's home", 26.7, 10.2),
    Visit("noor", "noor's phone", "noor's tram", 22.1, 0.3),
    Visit("noor", "noor's laptop", "noor's home", 9.8, 0.7),
    Visit("jonas", "jonas' laptop", "jonas' home", 27.5, 12.2),
    Visit("jonas", "the library's", "the library", 15.3, 15.2, Ending.REVOKED, 14.9),
    Visit("jonas", "jonas' laptop", "jonas' home", 11.4, 0.01),
    Visit("priya", "priya's laptop", "priya's home", 29.4, 15.6, device_name="Work"),
    Visit("priya", "priya's phone", "Lisbon", 19.7, 3.2),
    Visit("priya", "hotel lobby", "Lisbon", 19.2, 19.1, Ending.DEVICE_REVOKED, 18.9),
    Visit("priya", "priya's laptop", "Oslo", 10.4, 0.4),
    Visit("priya", "priya's phone", "Oslo", 3.1, 0.08),
    Visit("tom", "tom's computer", "tom's home", 25.2, 7.7, Ending.REVOKED_BY_STAFF, 7.5),
    Visit("tom", "tom's phone", "tom's home", 16.3, 8.2, Ending.REVOKED_BY_STAFF, 7.5),
    Visit("tom", "tom's computer", "tom's home", 7.2, 2.3),
    Visit("ines", "ines' laptop", "ines' home", 18.6, 7.6),
    Visit("ines", "ines' laptop", "ines' home", 7.1, 0.45),
    Visit("lena", "the Novaks' tablet", "the Novaks'", 22.8, 21.9, Ending.SIGNED_OUT, 21.9),
    Visit("emil", "the Novaks' tablet", "the Novaks'", 21.7, 17.5, device_name="Sofa"),
    Visit("emil", "emil's chromebook", "the Novaks'", 20.5, 16.2, Ending.IDLE, 2.0),
    Visit("lena", "the Novaks' tablet", "the Novaks'", 12.3, 10.8, Ending.SIGNED_OUT, 10.8),
    Visit("emil", "the Novaks' tablet", "the Novaks'", 9.6, 1.4),
    Visit("lena", "the Novaks' tablet", "the Novaks'", 1.3, 0.5),
    Visit("emil", "emil's chromebook", "the Novaks'", 1.9, 0.25),
)

# In the browser of the visit that goes on at that time.
ENROLMENTS = (
    Enrolment("noor", "noor's laptop", 26.65),
    Enrolment("ines", "ines' laptop", 18.55),
)

# In a day of the help desk, as is the end of Tom's sessions.
FACTOR_RESETS = (FactorReset("ines", 7.4),)

RESETS = (Reset("tom", "tom's computer", "tom's home", 7.205),)

FAILED_SIGN_INS = (
    FailedSignIn("maya", "maya's phone", "maya's train", 13.61),
    FailedSignIn("maya", "a stranger's", "far away", 1.09),
    FailedSignIn("maya", "a stranger's", "far away", 1.08),
    FailedSignIn("tom", "tom's computer", "tom's home", 7.21),
    FailedSignIn("olga", "a script", "nowhere known", 4.003),
    FailedSignIn("olga", "a script", "nowhere known", 4.002),
    FailedSignIn("olga", "a script", "nowhere known", 4.001),
    FailedSignIn("admin", "a script", "nowhere known", 4.0),
)


def days(number: float) -> timedelta:
    return timedelta(days=number)
