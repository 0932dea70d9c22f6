"""
System checks: what is wrong with a site's configuration, and what to write instead.

``catalogue`` holds every message there is; the other modules find the causes. None of them
ever shows a secret's value.
"""

from sessions_plus.checks import (
    beside,
    databases,
    deployment,
    device_keys,
    foreign_columns,
    functions,
    installation,
    moving,
    second_factor,
    values,
)

__all__ = [
    "beside",
    "databases",
    "deployment",
    "device_keys",
    "foreign_columns",
    "functions",
    "installation",
    "moving",
    "second_factor",
    "values",
]
