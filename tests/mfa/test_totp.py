"""TOTP codes against the RFCs' tables, an independent tool, and each other."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from shutil import which

import pytest
from django.contrib.auth.models import User
from django.test import override_settings

from sessions_plus.exceptions import SealBroken
from sessions_plus.mfa import totp
from sessions_plus.models import Authenticator
from sessions_plus.moments import in_utc
from tests.support.authenticators import App, enrol, only
from tests.support.moments import utc

SEED = b"12345678901234567890"
# The table of RFC 6238 does not say that each hash has a seed of its own length.
SEEDS = {"SHA1": SEED, "SHA256": (SEED * 2)[:32], "SHA512": (SEED * 4)[:64]}

RFC_4226 = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489"]  # fmt: skip

RFC_6238 = [
    (59, "94287082", "46119246", "90693936"),
    (1111111109, "07081804", "68084774", "25091201"),
    (1111111111, "14050471", "67062674", "99943326"),
    (1234567890, "89005924", "91819424", "93441116"),
    (2000000000, "69279037", "90698825", "38618901"),
    (20000000000, "65353130", "77737706", "47863826"),
]


@pytest.mark.parametrize(("counter", "code"), list(enumerate(RFC_4226)))
def test_codes_are_those_of_rfc_4226(counter: int, code: str) -> None:
    """The codes are those of the table in RFC 4226 appendix D."""
    assert totp.code_at_step(SEED, counter, algorithm="SHA1", digits=6) == code


@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits", [6, 7, 8])
@pytest.mark.parametrize("row", RFC_6238, ids=lambda row: str(row[0]))
def test_codes_are_those_of_rfc_6238(
    row: tuple[int, str, str, str], digits: int, algorithm: str
) -> None:
    """The codes are those of RFC 6238 appendix B, of which shorter ones are the last digits."""
    moment = datetime.fromtimestamp(row[0], tz=UTC)
    expected = row[1:][list(SEEDS).index(algorithm)]

    step = totp.step_at(moment, period=30)

    found = totp.code_at_step(SEEDS[algorithm], step, algorithm=algorithm, digits=digits)
    assert found == expected[-digits:]


@pytest.mark.skipif(which("oathtool") is None, reason="oathtool is not installed")
@pytest.mark.parametrize("algorithm", ["SHA1", "SHA256", "SHA512"])
@pytest.mark.parametrize("digits", [6, 8])
def test_an_independent_tool_agrees(algorithm: str, digits: int) -> None:
    """oathtool and we make the same codes of fresh secrets."""
    for day in range(5):
        secret = totp.new_secret()
        moment = utc(2031, 5, 6, 7, 8, 9) + timedelta(days=day, seconds=37 * day)
        theirs = subprocess.run(
            ["oathtool", f"--totp={algorithm}", f"--digits={digits}", "--base32",
             f"--now={in_utc(moment):%Y-%m-%d %H:%M:%S} UTC", totp.in_base32(secret)],
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

        step = totp.step_at(moment, period=30)

        ours = totp.code_at_step(secret, step, algorithm=algorithm, digits=digits)
        assert ours == theirs


@pytest.mark.parametrize("tolerance", [0, 1, 2])
@pytest.mark.parametrize("offset", range(-4, 5))
def test_asvs_6_5_5_clock_offsets(user: User, now: datetime, offset: int, tolerance: int) -> None:
    """A code is accepted exactly as many time steps off as the setting says."""
    app = enrol(user, at=now)

    with override_settings(SESSIONS_PLUS_TOTP_TOLERANCE=tolerance):
        step = totp.matching_step(only(user), app.code(now, steps=offset), now=now)

    current = totp.step_at(now, period=30)
    assert step == (current + offset if abs(offset) <= tolerance else None)


@pytest.mark.parametrize(("profile", "tolerance"), [("aal1", 1), ("aal2", 1), ("aal3", 0)])
def test_the_profile_decides_the_tolerance(
    user: User, now: datetime, profile: str, tolerance: int
) -> None:
    """aal3 accepts the current time step only."""
    app = enrol(user, at=now)

    with override_settings(SESSIONS_PLUS_PROFILE=profile):
        step = totp.matching_step(only(user), app.code(now, steps=-1), now=now)

    assert (step is not None) == (tolerance > 0)


def test_a_step_is_spent_once_and_never_backwards(user: User, now: datetime) -> None:
    """Neither a used step nor an earlier one is spent."""
    enrol(user, at=now)
    step = totp.step_at(now, period=30)

    assert totp.spend(only(user), step, now=now)

    assert not totp.spend(only(user), step, now=now)
    assert not totp.spend(only(user), step - 1, now=now)
    assert totp.spend(only(user), step + 1, now=now)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"disabled_at": utc(2030, 1, 1)}, id="disabled"),
        pytest.param({"confirmed_at": None}, id="pending"),
    ],
)
def test_what_is_not_in_use_spends_nothing(
    user: User, now: datetime, changes: dict[str, datetime | None]
) -> None:
    """A pending or disabled authenticator accepts no step."""
    enrol(user, at=now)
    Authenticator.objects.update(**changes)

    assert not totp.spend(only(user), totp.step_at(now, period=30), now=now)


def test_a_secret_moved_to_another_row_does_not_open(
    user: User, other_user: User, now: datetime
) -> None:
    """A sealed secret opens in its own row, for its own user, only."""
    enrol(user, at=now)
    enrol(other_user, at=now)
    theirs = only(other_user).sealed_secret

    Authenticator.objects.for_user(user).update(sealed_secret=theirs)

    with pytest.raises(SealBroken):
        totp.open_secret(only(user))


def test_the_link_tells_an_app_everything(user: User, now: datetime) -> None:
    """The otpauth link has secret, issuer, account, and what differs from the defaults."""
    with override_settings(SESSIONS_PLUS_TOTP_ALGORITHM="SHA256", SESSIONS_PLUS_TOTP_DIGITS=8):
        app = enrol(user, at=now)

    link = totp.provisioning_uri(only(user), account="ann", issuer="Shop & Co")

    assert link.startswith("otpauth://totp/Shop%20%26%20Co:ann?")
    assert f"secret={totp.in_base32(app.secret)}" in link
    assert "algorithm=SHA256" in link
    assert "digits=8" in link


@pytest.mark.parametrize(
    ("setting", "host", "issuer"),
    [
        (None, "shop.example:8000", "shop.example"),
        (None, "[::1]:8000", "[::1]"),
        ("Marlow & Fig", "shop.example", "Marlow & Fig"),
    ],
)
def test_apps_name_the_site(setting: str | None, host: str, issuer: str) -> None:
    """The setting, or the host without its port."""
    with override_settings(SESSIONS_PLUS_TOTP_ISSUER=setting):
        assert totp.issuer_at(host) == issuer


def test_secrets_are_160_random_bits() -> None:
    """RFC 4226 recommends 160 bits, and no two are alike."""
    secrets = {totp.new_secret() for _ in range(50)}

    assert len(secrets) == 50
    assert {len(secret) for secret in secrets} == {20}


def test_the_tests_app_is_independent() -> None:
    """The tests' own phone agrees with the RFC, so that it may judge us."""
    app = App(SEED, digits=8)

    assert app.code(datetime.fromtimestamp(1111111109, tz=UTC)) == "07081804"
