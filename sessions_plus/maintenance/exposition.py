"""
Figures of the whole site as Prometheus reads them: the text format, version 0.0.4.

    # HELP sessions_plus_site_sessions_active Sessions that somebody is signed in to.
    # TYPE sessions_plus_site_sessions_active gauge
    sessions_plus_site_sessions_active{kind="browser"} 12
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sessions_plus.maintenance.site_figures import Figure, Reading, Sample

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "sessions_plus_site_"
"""Apart from what each process counts: nobody adds up the two."""


def exposition(figures: Iterable[Figure], reading: Reading) -> str:
    return "".join(f"{line}\n" for figure in figures for line in lines_of(figure, reading))


def lines_of(figure: Figure, reading: Reading) -> Iterator[str]:
    name = f"{PREFIX}{figure.name}"
    yield f"# HELP {name} {figure.meaning}"
    yield f"# TYPE {name} {'counter' if figure.is_counter else 'gauge'}"
    for sample in figure.read(reading):
        yield f"{name}{_labels(sample)} {_number(sample.value)}"


def _labels(sample: Sample) -> str:
    inside = ",".join(f'{name}="{_escaped(value)}"' for name, value in sample.labels.items())
    return f"{{{inside}}}" if inside else ""


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
