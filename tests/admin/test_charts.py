"""Charts as shapes: where bars stand, what the scale says, and the same numbers in a table."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation

from sessions_plus.admin.charts import BASE, HEIGHT, LOWEST_BAR, TOP, Cell, Chart, Series, round_up
from sessions_plus.admin.periods import Period, Step, in_words, interval_in, interval_of
from sessions_plus.admin.topics import ENDS, SIGN_INS, SUSPICIOUS, TOPICS, WITH_CODE
from sessions_plus.models import Event, Reason, Span
from tests.support.translations import LANGUAGES

NOW = datetime(2030, 3, 31, 21, 44, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


def chart(*columns: tuple[float, ...], highest: float | None = None) -> Chart:
    """A chart of some hours, each with its values from the base up."""
    steps = Period.DAY.steps(NOW, UTC)[: len(columns)]
    series = [
        Series(f"s{n}", [Cell(value, f"{value:g}", f"/{n}") for value in values], Cell(0, ""), n)
        for n, values in enumerate(zip(*columns, strict=True), 1)
    ]
    return Chart("c", "C", steps, series, highest=highest)


def test_bars_stand_upon_each_other() -> None:
    """Each part begins where the one below ends; the scale ends at or above the highest."""
    found = chart((6.0, 2.0), (0.0, 4.0))

    first, second, third = found.shapes
    assert found.top == 8
    assert float(first.y) + float(first.height) == BASE
    assert float(second.y) + float(second.height) == float(first.y)
    assert float(second.y) == TOP
    assert float(third.y) == BASE - HEIGHT / 2
    assert [shape.number for shape in found.shapes] == [1, 2, 2]
    assert first.x == second.x != third.x


def test_a_bar_leads_to_its_list_and_says_what_it_is() -> None:
    """A pointer over it reads when, what and how many."""
    (shape,) = chart((3.0,)).shapes

    assert shape.url == "/1"
    assert shape.title == "March 30, 2030, 22:00–23:00: s1, 3"


def test_one_of_many_is_seen() -> None:
    """The lowest bar is still one, and nothing has none."""
    found = chart((10_000.0,), (1.0,), (0.0,))

    assert [float(shape.height) for shape in found.shapes] == [HEIGHT, LOWEST_BAR]


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_places_are_numbers_of_svg(language: str) -> None:
    """A reader whose decimals have a comma gets the same picture."""
    with translation.override(language):
        shapes = chart(*[(number / 3,) for number in range(1, 24)]).shapes

    for shape in shapes:
        for place in (shape.x, shape.y, shape.width, shape.height):
            assert float(place.removesuffix("%")) >= 0


def test_bars_keep_inside() -> None:
    """The first and the last bar are within the picture, and none touches another."""
    found = chart(*[(1.0,)] * 24)
    edges = [
        (float(shape.x[:-1]), float(shape.x[:-1]) + float(shape.width[:-1]))
        for shape in found.shapes
    ]

    assert edges[0][0] > 0
    assert edges[-1][1] < 100
    assert all(one[1] < other[0] for one, other in pairwise(edges))


@pytest.mark.parametrize(
    ("value", "end"),
    [
        *((0, 1), (1, 1), (2, 2), (3, 4), (5, 6), (7, 8), (9, 10), (11, 20)),
        *((99, 100), (100, 100), (101, 200), (1_234_567, 2_000_000)),
    ],
)
def test_scale_ends_at_a_round_number(value: int, end: int) -> None:
    """The next that a reader halves with ease."""
    assert round_up(value) == end


def test_scale() -> None:
    """It says where it ends, and the half where that is a number; percent end at a hundred."""
    assert [line.text for line in chart((3.0,)).lines] == ["4", "2"]
    assert [line.text for line in chart((1.0,)).lines] == ["1"]
    assert [line.text for line in chart((0.5,), highest=100).lines] == ["100", "50"]


@pytest.mark.parametrize("period", Period)
def test_names_of_steps(period: Period) -> None:
    """The last step is named, and no more than a phone has room for."""
    steps = period.steps(NOW, UTC)
    found = Chart("c", "C", steps, [Series("s", [Cell(1, "1")] * len(steps), Cell(1, "1"))])

    assert found.ticks[-1].text == steps[-1].tick
    assert 5 <= len(found.ticks) <= 7


def test_the_table_has_what_the_bars_have() -> None:
    """Step by step, each number with the list that it leads to."""
    found = chart((6.0, 2.0), (0.0, 4.0))

    assert [[cell.text for cell in cells] for _, cells in found.rows] == [["6", "2"], ["0", "4"]]
    assert found.rows[0][0] == found.steps[0].label
    assert {shape.url for shape in found.shapes} <= {
        cell.url for _, cells in found.rows for cell in cells
    }


class TestPeriods:
    def test_day(self) -> None:
        """24 hours, the last the one that it is."""
        steps = Period.DAY.steps(NOW, BERLIN)

        assert len(steps) == 24
        assert steps[-1].begin == datetime(2030, 3, 31, 21, tzinfo=UTC)
        assert steps[-1].tick == "23:00"
        lengths = {step.end.astimezone(UTC) - step.begin.astimezone(UTC) for step in steps}
        assert lengths == {timedelta(hours=1)}

    def test_month(self) -> None:
        """30 days of the reader's zone, also the one that has but 23 hours."""
        steps = Period.MONTH.steps(NOW, BERLIN)
        lengths = [(step.end.astimezone(UTC) - step.begin.astimezone(UTC)) for step in steps]

        assert len(steps) == 30
        assert steps[-1].begin == datetime(2030, 3, 31, tzinfo=BERLIN)
        assert lengths[-1] == timedelta(hours=23)
        assert set(lengths[:-1]) == {timedelta(hours=24)}
        assert steps[-1].tick == "31 Mar"

    def test_year(self) -> None:
        """12 months of UTC, as its sums are."""
        steps = Period.YEAR.steps(NOW, BERLIN)

        assert [step.begin.month for step in steps] == [4, 5, 6, 7, 8, 9, 10, 11, 12, 1, 2, 3]
        assert steps[0].begin == datetime(2029, 4, 1, tzinfo=UTC)
        assert steps[-1].end == datetime(2030, 4, 1, tzinfo=UTC)
        assert steps[-1].label == "March 2030"
        assert Period.YEAR.span is Span.DAY

    @pytest.mark.parametrize("period", Period)
    def test_no_moment_is_left_out(self, period: Period) -> None:
        """Where one step ends the next begins, and now is in the last."""
        steps = period.steps(NOW, BERLIN)

        assert all(one.end == other.begin for one, other in pairwise(steps))
        assert steps[-1].begin <= NOW < steps[-1].end

    def test_intervals_in_urls(self) -> None:
        """What is written is read again."""
        step = Step(Period.DAY, NOW, NOW + timedelta(hours=1))

        assert step.interval == "2030-03-31T21:44Z/2030-03-31T22:44Z"
        assert interval_in(step.interval) == (step.begin, step.end)
        assert interval_in(interval_of(*interval_in(step.interval) or (NOW, NOW))) is not None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "/",
            "day",
            "2030-03-31T21:44Z",
            "2030-03-31T21:44Z/",
            "2030-13-31T21:44Z/x",
            "9" * 99,
        ],
    )
    def test_what_is_no_interval(self, text: str) -> None:
        """Whatever stands in a URL is read as one, or as none."""
        assert interval_in(text) is None

    @pytest.mark.parametrize(
        ("begin", "end", "text"),
        [
            ("2030-01-02 00:00", "2030-01-03 00:00", "Jan. 2, 2030"),
            ("2030-01-02 00:00", "2030-01-04 00:00", "Jan. 2, 2030 – Jan. 3, 2030"),
            ("2030-01-02 10:00", "2030-01-02 11:00", "Jan. 2, 2030, 10:00–11:00"),
            ("2030-01-02 23:00", "2030-01-03 00:00", "Jan. 2, 2030, 23:00–00:00"),
            ("2030-01-02 23:30", "2030-01-03 00:30", "Jan. 2, 2030, 23:30 – Jan. 3, 2030, 00:30"),
        ],
    )
    def test_in_words(self, begin: str, end: str, text: str) -> None:
        """Days where it is whole ones, and no day twice."""
        assert in_words(datetime.fromisoformat(begin), datetime.fromisoformat(end)) == text


class TestTopics:
    def test_every_end_is_told(self) -> None:
        """Each reason for which a session ends is of one topic, and of one only."""
        for reason in Reason:
            holding = [topic for topic in ENDS if topic.holds(Event.SESSION_REVOKED, reason)]
            assert len(holding) == 1, reason

    def test_names_are_unique(self) -> None:
        """No two stand under one name in a URL."""
        assert len({topic.name for topic in TOPICS}) == len(TOPICS)

    @pytest.mark.parametrize(
        ("event", "reason", "topics"),
        [
            ("session.started", "pwd otp", {"sign_ins", "with_code"}),
            ("session.started", "pwd", {"sign_ins"}),
            ("session.revoked", "key_reused", {"suspicious"}),
            ("session.expired", "idle_timeout", {"expired"}),
            ("session.signed_out", "", {"signed_out"}),
            ("sign_in.failed", "", {"wrong_password"}),
            ("device.renamed", "", set()),
        ],
    )
    def test_of_which(self, event: str, reason: str, topics: set[str]) -> None:
        """By event, by reason, or by a word of it."""
        assert {topic.name for topic in TOPICS if topic.holds(event, reason)} == topics

    def test_labels(self) -> None:
        """Each has a name for people."""
        assert {str(topic.label) for topic in (SIGN_INS, WITH_CODE, SUSPICIOUS)} == {
            *("Sign-ins", "Sign-ins with a code", "Suspected theft"),
        }
