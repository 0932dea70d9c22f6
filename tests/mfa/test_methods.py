"""The names of how somebody proved themselves, and what they count for."""

from __future__ import annotations

import pytest

from sessions_plus.mfa.methods import (
    has_second_factor,
    in_tokens,
    is_phishing_resistant,
    without_second_factors,
)
from sessions_plus.templatetags.sessions_plus import methods_in_words


@pytest.mark.parametrize(
    ("methods", "is_second", "is_resistant", "words"),
    [
        pytest.param("pwd", False, False, "password", id="a password"),
        pytest.param("pwd otp", True, False, "password and authenticator code", id="a code"),
        pytest.param("pwd dev", False, False, "password and trusted device", id="trust"),
        pytest.param("pky swk", True, True, "passkey", id="a passkey"),
        pytest.param("pwd sec hwk", True, True, "password and security key", id="a key"),
    ],
)
def test_what_methods_count_for(
    methods: str, is_second: bool, is_resistant: bool, words: str
) -> None:
    """A passkey is a second factor that cannot be phished, and each method has a word."""
    proved = methods.split()

    assert has_second_factor(proved) is is_second
    assert is_phishing_resistant(proved) is is_resistant
    assert methods_in_words(methods) == words


@pytest.mark.parametrize(
    ("methods", "expected"),
    [
        pytest.param("pwd otp", "pwd otp", id="as before"),
        pytest.param("pky swk", "pky swk user mfa", id="synced passkey"),
        pytest.param("pky hwk", "pky hwk user mfa", id="passkey of one device"),
        pytest.param("pwd sec hwk", "pwd sec hwk user", id="key after a password"),
    ],
)
def test_tokens_speak_rfc_8176(methods: str, expected: str) -> None:
    """Beside our words stand those that RFC 8176 registers, and each stands once."""
    assert in_tokens(methods.split()) == expected.split()
    assert in_tokens(expected.split()) == expected.split()


def test_without_an_authenticator_nothing_of_it_is_left() -> None:
    """What the last authenticator proved goes with it, and so does what kind of key it was."""
    assert without_second_factors(["pwd", "otp", "rcv", "pky", "sec", "hwk", "swk"]) == ["pwd"]
