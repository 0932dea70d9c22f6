"""
One code, one success: many threads at once, on a real database.

On SQLite writers wait for each other, which is a race all the same; PostgreSQL and MariaDB
let them meet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import override_settings

from sessions_plus.exceptions import SessionsPlusError
from sessions_plus.mfa import challenge, enrolment, recovery_codes, totp
from sessions_plus.mfa.typed_code import read_code
from sessions_plus.mfa.verification import verify_code
from sessions_plus.models import Authenticator, Challenge, RecoveryCode, Scope, Throttle
from tests.support.authenticators import SESSION, enrol

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 10


def race(act: Callable[[int], object], *, threads: int = THREADS) -> Counter[str]:
    """Do it in all threads at the same moment; count "ok" and the codes of the refusals."""
    barrier = Barrier(threads)

    def run(number: int) -> str:
        try:
            connections["default"].ensure_connection()
            barrier.wait(timeout=120)
            return "ok" if act(number) else "no"
        except SessionsPlusError as refusal:
            return refusal.code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return Counter(pool.map(run, range(threads)))


def test_asvs_6_5_1_one_totp_code(user: User, now: datetime) -> None:
    """Ten threads with one code: one passes."""
    app = enrol(user, at=now)
    code = app.code(now)

    found = race(lambda _number: verify_code(user, code, client=None, now=now))

    assert found["ok"] == 1


def test_one_step_of_several(user: User, now: datetime) -> None:
    """Threads that spend one time step directly: one does."""
    enrol(user, at=now)
    authenticator = Authenticator.objects.get()
    step = totp.step_at(now, period=30)

    found = race(lambda _number: totp.spend(authenticator, step, now=now))

    assert found == {"ok": 1, "no": THREADS - 1}


def test_one_recovery_code(user: User, now: datetime) -> None:
    """Ten threads with one recovery code: one passes."""
    app = enrol(user, at=now)
    code = read_code(app.recovery_codes[0])
    assert code is not None
    text = code.text

    found = race(lambda _number: recovery_codes.spend(user, text, now=now))

    assert found == {"ok": 1, "no": THREADS - 1}
    assert RecoveryCode.objects.unused().count() == 9


def test_one_challenge(user: User, now: datetime) -> None:
    """Ten right codes for one challenge: one signs in."""
    app = enrol(user, at=now)
    waiting = challenge.begin(
        user,
        backend="django.contrib.auth.backends.ModelBackend",
        methods=("pwd",),
        session_public_id=SESSION,
        client=None,
        now=now,
    )

    with override_settings(SESSIONS_PLUS_THROTTLE_ATTEMPTS=100):
        found = race(
            lambda number: challenge.pass_(
                waiting, app.recovery_codes[number], client=None, now=now
            )
        )

    assert found["ok"] == 1
    assert found["challenge_over"] == THREADS - 1
    assert Challenge.objects.get().closed_at == now


def test_one_confirmation(user: User, now: datetime) -> None:
    """Confirming an enrolment in ten tabs makes one authenticator and one batch of codes."""
    pending = enrolment.begin(user, session_public_id=SESSION, now=now)
    secret = totp.open_secret(pending)
    step = totp.step_at(now, period=30)
    code = totp.code_at_step(secret, step, algorithm=totp.scheme_of(pending).algorithm, digits=6)

    found = race(
        lambda _number: enrolment.confirm(
            user, code, authority=None, session_public_id=SESSION, client=None, now=now
        )
    )

    assert found == {"ok": 1, "enrolment_over": THREADS - 1}
    assert RecoveryCode.objects.count() == 10


@pytest.mark.parametrize("limit", [3, 10])
def test_asvs_6_3_1_fifty_guesses_at_once(user: User, now: datetime, limit: int) -> None:
    """Of 50 parallel guesses no more are looked at than the limit says."""
    app = enrol(user, at=now)
    wrong = app.wrong_code(now)

    with override_settings(SESSIONS_PLUS_THROTTLE_ATTEMPTS=limit):
        found = race(lambda _number: verify_code(user, wrong, client=None, now=now), threads=50)

    assert found == {"invalid_code": limit, "too_many_attempts": 50 - limit}
    counted = Throttle.objects.get(scope=Scope.ACCOUNT)
    assert counted.attempts == limit
