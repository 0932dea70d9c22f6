"""What people may type as a code."""

from __future__ import annotations

import pytest

from sessions_plus.mfa.typed_code import read_code

RECOVERY = "0123456789ABCDEFGHJKMNPQ"


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("123456", "123456", id="plain"),
        pytest.param("012345", "012345", id="leading zero"),
        pytest.param("12345678", "12345678", id="eight"),
        pytest.param(" 123 456 ", "123456", id="spaces"),
        pytest.param("123-456", "123456", id="hyphen"),
        pytest.param("123\u00a0456", "123456", id="no-break space"),
        pytest.param("12345", None, id="short"),
        pytest.param("", None, id="empty"),
        pytest.param("٣٣٣٣٣٣", None, id="Arabic digits"),
        pytest.param("１２３４５６", None, id="fullwidth digits"),
        pytest.param("12345²", None, id="superscript"),
        pytest.param("+12345", None, id="sign"),
        pytest.param("12_345", None, id="underscore"),
        pytest.param("12345a", None, id="letter"),
        pytest.param("0x1234", None, id="hex"),
        pytest.param("1234.5", None, id="point"),
        pytest.param("123456" + " " * 100, None, id="endless"),
    ],
)
def test_totp_codes_are_ascii_digits(typed: str, expected: str | None) -> None:
    """Six to eight ASCII digits, with spaces and hyphens, and nothing else."""
    code = read_code(typed)

    assert (code.text if code is not None else None) == expected
    assert code is None or not code.is_recovery_code


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("0123-4567-89AB-CDEF-GHJK-MNPQ", RECOVERY, id="as shown"),
        pytest.param(RECOVERY.lower(), RECOVERY, id="small letters"),
        pytest.param("0123 4567 89ab cdef ghjk mnpq", RECOVERY, id="spaces"),
        pytest.param("OL23-4567-89AB-CDEF-GHJK-MNPQ", RECOVERY, id="misread letters"),
        pytest.param("0123-4567-89AB-CDEF-GHJK-MNP", None, id="short"),
        pytest.param("0123-4567-89AB-CDEF-GHJK-MNPU", None, id="no such letter"),
        pytest.param("0123-4567-89AB-CDEF-GHJK-MNPß", None, id="grows when capitalised"),
    ],
)
def test_recovery_codes_forgive_how_they_were_copied(typed: str, expected: str | None) -> None:
    """24 signs of Crockford's base 32 in any case, with the letters that people misread."""
    code = read_code(typed)

    assert (code.text if code is not None else None) == expected
    assert code is None or code.is_recovery_code


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        pytest.param("abcd2345", "ABCD2345", id="django-otp's"),
        pytest.param("ABCD-2345", "ABCD2345", id="as it was written down"),
        pytest.param("oil23456", "01123456", id="misread letters"),
        pytest.param("the-help-desk", "THEHE1PDESK", id="the help desk's"),
        pytest.param("123456789", "123456789", id="nine digits"),
        pytest.param("abcd234", None, id="short"),
        pytest.param("abcd2345" * 2 + "a", None, id="long"),
        pytest.param("abcd_2345", None, id="underscore"),
        pytest.param("١٢٣٤٥٦٧٨٩", None, id="Arabic digits"),
    ],
)
def test_codes_that_came_along(typed: str, expected: str | None) -> None:
    """8 to 16 letters and digits may be a recovery code that another package made."""
    code = read_code(typed)

    assert (code.text if code is not None else None) == expected
    assert code is None or (code.is_recovery_code and code.may_be_imported)


def test_a_typed_code_does_not_show_itself() -> None:
    """The repr, which ends up in logs, does not contain the code."""
    assert "123456" not in repr(read_code("123456"))
