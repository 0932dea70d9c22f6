"""Text that strangers send, of each kind that some layer below cannot hold, read or show."""

from __future__ import annotations

TEXTS = {
    "nothing": "",
    "half of a surrogate pair": "\ud800",
    "halves in the wrong order": "\udc00\ud800",
    "half between letters": "a\udfffb",
    "NUL": "\x00",
    "NUL between letters": "a\x00b",
    "control characters": "\x01\x08\x1b[2J\x7f\x85",
    "a line and a header": "a\r\nSet-Cookie: a=b",
    "beyond ASCII": "é",
    "four bytes in UTF-8": "😀" * 20,
    "no character": "\ufffe\uffff",
    "a byte order mark": "\ufeffa",
    "right to left": "abc\u202egnp.exe",
    "a tall stack of marks": "a" + "\u0301" * 200,
    "a ligature that grows": "\ufdfa" * 60,
    "digits of another script": "१२३",
    "a long number": "9" * 5_000,
    "more than 64 bits": "9" * 30,
    "less than none": "-1",
    "no number": "NaN",
    "infinity": "1e999",
    "a quote and SQL": "'; DROP TABLE auth_user; --",
    "a pattern of LIKE": "%_\\",
    "a template": "{{ 7|add:7 }}{% now %}",
    "a format": "%s%n{0.__class__}",
    "markup": "<script>alert(1)</script>&#x27;",
    "a path": "../../../etc/passwd",
    "encoded": "%00%ff%u0000",
    "long": "x" * 10_000,
    "long and wide": "\U0001f469\u200d\U0001f680" * 2_000,
}

IN_A_HEADER = {
    # A server hands on what a header's bytes are in Latin-1, and no line of its own.
    name: text.encode("utf-8", "surrogatepass").decode("latin-1").translate({10: None, 13: None})
    for name, text in TEXTS.items()
}
