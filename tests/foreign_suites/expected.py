"""
What differs with us in place, and rightly so: each test, with its reason.

By suite and database. A difference that is not here fails the run; so does one that is here
and is none, so that this list cannot go stale.
"""

from __future__ import annotations

from collections.abc import Mapping

EXPECTED: Mapping[tuple[str, str], Mapping[str, str]] = {}
