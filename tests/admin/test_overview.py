"""The overview in the admin: what is counted, what it leads to, and what it costs."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from sessions_plus.admin.charts import Chart
from sessions_plus.admin.topics import TOPICS
from sessions_plus.events import record
from sessions_plus.maintenance.counting import count_events
from sessions_plus.models import Event, HourCount, Measure, Outcome, Reason, SessionEvent, Span
from tests.admin.desk import EVENTS
from tests.support.translations import LANGUAGES

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("_nobody_else_writes"),
]

URL = "/admin/sessions_plus/overview/"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def now() -> datetime:
    return timezone.now()


def happen(event: Event, at: datetime, reason: str = "", times: int = 1) -> None:
    for _ in range(times):
        outcome = Outcome.FAILURE if event.endswith("failed") else Outcome.SUCCESS
        SessionEvent.objects.create(event=event, at=at, reason=reason, outcome=outcome)


def charts(desk: Client, **chosen: str) -> dict[str, Chart]:
    response = desk.get(URL, chosen)
    assert response.status_code == 200
    return {chart.name: chart for chart in response.context["charts"]}


def numbers(chart: Chart) -> dict[str, list[float]]:
    """What stands in each series, but for the noughts."""
    return {
        str(series.label): [cell.value for cell in series.cells if cell.value]
        for series in chart.series
    }


def test_what_is_counted(desk: Client, now: datetime) -> None:
    """Sign-ins, failures, ends by reason, new devices, and how many used a second factor."""
    SessionEvent.objects.all().delete()
    happen(Event.SESSION_STARTED, now, "pwd", times=3)
    happen(Event.SESSION_STARTED, now, "pwd otp")
    happen(Event.SIGN_IN_FAILED, now, times=2)
    happen(Event.CHALLENGE_FAILED, now, "wrong_code")
    happen(Event.SESSION_SIGNED_OUT, now)
    happen(Event.SESSION_REVOKED, now, Reason.KEY_REUSED)
    happen(Event.SESSION_REVOKED, now, Reason.LIMIT, times=4)
    happen(Event.SESSION_EXPIRED, now, Reason.IDLE)
    happen(Event.DEVICE_FIRST_SEEN, now, "first")
    count_events(now)

    for period in ("day", "month", "year"):
        found = charts(desk, period=period)

        assert numbers(found["sign_ins"]) == {"Sign-ins": [4]}
        assert numbers(found["failures"]) == {
            "Wrong name or password": [2],
            "Wrong second factor": [1],
        }
        assert {name: cells for name, cells in numbers(found["ended"]).items() if cells} == {
            "Signed out": [1],
            "Expired": [1],
            "Ended by a rule": [4],
            "Suspected theft": [1],
        }
        assert numbers(found["second_factor"]) == {
            "Sign-ins with a code": [25],
            "Sign-ins with a passkey": [],
        }
        assert numbers(found["new_devices"]) == {"New devices": [1]}
        assert numbers(found["signed_in"]) == {"Browser": [1], "API client": []}
        assert [chart.headline for chart in found.values()] == ["4", "3", "7", "1", "25 %", "1"]


def test_why_sessions_ended(desk: Client, now: datetime) -> None:
    """Each reason by itself, the most frequent first, in the words for staff."""
    happen(Event.SESSION_REVOKED, now, Reason.REVOKED)
    happen(Event.SESSION_REVOKED, now, Reason.LIMIT, times=2)
    count_events(now)

    ranking = charts(desk)["ended"].ranking

    assert [(row.label, row.total.value) for row in ranking] == [
        ("Signed in on too many devices", 2),
        ("Ended by its user from another device", 1),
    ]


@pytest.mark.parametrize(
    ("period", "ages", "expected"),
    [
        pytest.param("day", (0, 1, 22, 25), [1, 1, 1], id="hours"),
        pytest.param("month", (0, 24, 24 * 28, 24 * 31), [1, 1, 1], id="days"),
        pytest.param("year", (0, 24 * 31, 24 * 320, 24 * 370), [1, 1, 1], id="months"),
    ],
)
def test_how_far_back(
    desk: Client, now: datetime, period: str, ages: tuple[int, ...], expected: list[int]
) -> None:
    """Each bar has what is of it, and what is older is left out."""
    SessionEvent.objects.all().delete()
    for age in ages:
        happen(Event.SESSION_STARTED, now - age * HOUR)
    count_events(now)

    assert numbers(charts(desk, period=period)["sign_ins"])["Sign-ins"] == expected


@pytest.mark.skipif(not settings.USE_TZ, reason="such a site has one zone for all")
def test_days_are_of_the_readers_zone(desk: Client) -> None:
    """An hour before midnight of UTC is tomorrow in Tokyo."""
    now = timezone.now()
    evening = (now - 2 * DAY).replace(hour=23, minute=30)
    SessionEvent.objects.all().delete()
    happen(Event.SESSION_STARTED, evening)
    count_events(now)

    def day(zone: str) -> str:
        with override_settings(TIME_ZONE=zone):
            (series,) = charts(desk)["sign_ins"].series
            steps = charts(desk)["sign_ins"].steps
        (at,) = [number for number, cell in enumerate(series.cells) if cell.value]
        return steps[at].begin.date().isoformat()

    assert day("UTC") == evening.date().isoformat()
    assert day("Asia/Tokyo") == (evening + DAY).date().isoformat()


def test_each_number_leads_to_what_it_counts(desk: Client, now: datetime) -> None:
    """The list behind a bar, a name or a number is as long as that says."""
    for topic in TOPICS:
        for event in topic.events:
            for reason in topic.reasons or topic.methods or [""]:
                happen(event, now - HOUR, f"pwd {reason}" if topic.methods else reason)
    happen(Event.SESSION_STARTED, now - 40 * DAY)
    count_events(now)

    followed = 0
    for name, chart in charts(desk, period="month").items():
        cells = [cell for series in chart.series for cell in (*series.cells, series.total)]
        cells += [row.total for row in chart.ranking]
        for cell in cells:
            if cell.url is None or not cell.value or name in ("second_factor", "signed_in"):
                continue
            assert desk.get(cell.url).context["cl"].result_count == cell.value, cell.url
            followed += 1
    assert followed > 10


def test_a_part_leads_to_what_it_is_made_of(desk: Client, now: datetime) -> None:
    """Of a share the list has those that it is a share of; of sessions it has those of now."""
    SessionEvent.objects.all().delete()
    happen(Event.SESSION_STARTED, now, "pwd", times=2)
    happen(Event.SESSION_STARTED, now, "pwd rcv")
    count_events(now)

    found = charts(desk)
    shares, signed_in = found["second_factor"].series[0], found["signed_in"].series[0]

    assert desk.get(str(shares.total.url)).context["cl"].result_count == 1
    assert desk.get(str(signed_in.total.url)).context["cl"].result_count == 1


def test_bars_and_table_have_the_same_links(desk: Client, now: datetime) -> None:
    """Whoever reads no picture gets everywhere that it leads; the keyboard passes it by."""
    happen(Event.SESSION_STARTED, now)
    count_events(now)

    html = desk.get(URL).content.decode()

    pictures = re.findall(r'<svg class="overview-plot".*?</svg>', html, re.DOTALL)
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    drawn = {url for text in pictures for url in re.findall(r'<a href="([^"]+)"', text)}
    written = {url for text in tables for url in re.findall(r'<a href="([^"]+)"', text)}
    assert drawn
    assert drawn <= written
    for picture in pictures:
        assert 'aria-hidden="true"' in picture
        assert picture.count("<a ") == picture.count('tabindex="-1"')


def test_nothing_is_inline(desk: Client, now: datetime) -> None:
    """A policy that forbids styles and scripts in a page takes nothing from it."""
    happen(Event.SESSION_STARTED, now)
    count_events(now)

    html = desk.get(URL).content.decode()

    content = html[html.index('<div class="overview">') :]
    assert "<script" not in content[: content.index("</section>")]
    assert not re.search(r"\sstyle=|<style|\son\w+=", content)


@pytest.mark.parametrize("language", ["en", *LANGUAGES])
def test_in_every_language_it_is_a_picture(desk: Client, now: datetime, language: str) -> None:
    """No number of a shape is written with a comma."""
    for number in range(7):
        happen(Event.SESSION_STARTED, now - number * DAY, times=number)
    count_events(now)

    html = desk.get(URL, headers={"accept-language": language}).content.decode()

    pictures = "".join(re.findall(r'<svg class="overview-plot".*?</svg>', html, re.DOTALL))
    places = re.findall(r'\s(?:x|y|width|height|x1|x2|y1|y2)="([^"]*)"', pictures)
    assert len(places) > 50
    assert all(re.fullmatch(r"-?\d+(\.\d+)?%?", place) for place in places)


class TestWhoMay:
    def visit(self, person: User, *permissions: str) -> Any:
        ours = Permission.objects.filter(content_type__app_label="sessions_plus")
        found = ours.filter(codename__in=permissions)
        assert len(found) == len(permissions)
        User.objects.filter(pk=person.pk).update(is_staff=True)
        person.user_permissions.set(found)
        client = Client()
        client.force_login(person)
        return client.get(URL)

    def test_whoever_may_see_events(self, user: User) -> None:
        """The overview takes the permission that the lists behind it take."""
        assert self.visit(user, "view_sessionevent").status_code == 200
        assert self.visit(user, "view_session").status_code == 403

    def test_strangers(self, client: Client) -> None:
        """Others are asked to sign in."""
        assert client.get(URL).status_code == 302

    def test_no_link_to_what_one_may_not_see(self, user: User, now: datetime) -> None:
        """Where sessions are not theirs to see, no number leads there."""
        count_events(now)
        assert "/session/?" not in self.visit(user, "view_sessionevent").content.decode()
        both = self.visit(user, "view_sessionevent", "view_session").content.decode()
        assert "/session/?" in both

    def test_it_stands_in_the_index(self, desk: Client, user: User) -> None:
        """Whoever may see it finds it."""
        assert URL in desk.get("/admin/").content.decode()
        assert self.visit(user, "view_session").status_code == 403

    def test_nothing_to_write(self, desk: Client) -> None:
        """There is the page, and no row of it to add, change or delete."""
        assert desk.post(URL).status_code == 405
        for path in ("add/", "1/change/", "1/delete/"):
            assert desk.get(URL + path).status_code == 404

    def test_no_permission_of_its_own(self) -> None:
        """The page is no model, so nobody is asked to grant it."""
        assert not Permission.objects.filter(codename__endswith="_overview").exists()


class TestCost:
    def statements(self, desk: Client, period: str) -> list[str]:
        desk.get(URL, {"period": period})
        with CaptureQueriesContext(connection) as captured:
            desk.get(URL, {"period": period})
        return [str(query["sql"]) for query in captured]

    @pytest.mark.parametrize("period", ["day", "month", "year"])
    def test_one_statement_of_one_table(self, user: User, now: datetime, period: str) -> None:
        """Also for staff with few permissions five in all; one is the charts', of counts alone."""
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename="view_sessionevent"))
        desk = Client()
        desk.force_login(user)
        for number in range(40):
            happen(Event.SESSION_STARTED, now - number * HOUR, times=2)
        count_events(now)

        found = self.statements(desk, period)

        assert len(found) <= 5
        ours = [sql for sql in found if "sessions_plus_" in sql and "key_hash" not in sql]
        assert len(ours) == 1
        for sql in ours:
            tables = set(re.findall(r"sessions_plus_\w+", sql))
            assert tables == {"sessions_plus_hourcount"}, sql
        # Who asks, and what they may: the site's own, and the session that it is asked in.
        others = " ".join(sql for sql in found if sql not in ours)
        assert set(re.findall(r'FROM ["`](\w+)["`]', others)) <= {
            *("sessions_plus_session", "auth_user", "auth_permission", "auth_group"),
        }

    def test_no_more_for_more(self, desk: Client, now: datetime) -> None:
        """What is counted later costs no further statement."""
        count_events(now)
        before = len(self.statements(desk, "month"))
        for reason in Reason:
            happen(Event.SESSION_REVOKED, now, reason)
        count_events(now)

        assert len(self.statements(desk, "month")) == before


class TestAge:
    def test_nothing_is_counted(self, desk: Client) -> None:
        """Charts of nothing say why."""
        html = desk.get(URL).content.decode()

        assert "Nothing is counted." in html
        assert html.count("None in this time.") == 6

    def test_nothing_was_counted_lately(self, desk: Client, now: datetime) -> None:
        """Old charts say how old."""
        count_events(now - 5 * DAY)
        for period in ("day", "month", "year"):
            said = "Nothing is counted" if period == "day" else "Nothing was counted since"
            assert said in desk.get(URL, {"period": period}).content.decode()

        count_events(now)
        for period in ("day", "month", "year"):
            assert "errornote" not in desk.get(URL, {"period": period}).content.decode()


class TestLists:
    """What the list of events is narrowed to."""

    @pytest.mark.parametrize(
        ("at", "ages"),
        [
            ("hour", {0}),
            ("day", {0, 20}),
            ("week", {0, 20, 100}),
            ("month", {0, 20, 100, 500}),
            ("nonsense", {0, 20, 100, 500, 900}),
            ("x/y", {0, 20, 100, 500, 900}),
        ],
    )
    def test_by_time(self, desk: Client, now: datetime, at: str, ages: set[int]) -> None:
        """What is none of the choices, and no interval, narrows nothing."""
        SessionEvent.objects.all().delete()
        for age in (0, 20, 100, 500, 900):
            happen(Event.SIGN_IN_FAILED, now - age * HOUR)

        found = desk.get(reverse(EVENTS), {"at": at}).context["cl"].result_list

        assert {round((now - event.at) / HOUR) for event in found} == ages

    def test_an_interval_is_told(self, desk: Client) -> None:
        """Whoever comes from a bar reads which time it was."""
        page = desk.get(reverse(EVENTS), {"at": "2030-01-02T00:00Z/2030-01-03T00:00Z"})

        assert "Jan. 2, 2030" in page.content.decode()

    def test_without_time_zones(self, desk: Client, now: datetime) -> None:
        """Intervals are compared as the site stores moments."""
        from sessions_plus.admin.filters import as_stored

        with override_settings(USE_TZ=False, TIME_ZONE="Asia/Tokyo"):
            stored = as_stored(datetime.fromisoformat("2030-01-02T00:00+00:00"))
        assert stored.isoformat() == "2030-01-02T09:00:00"


def test_the_highest_of_each_step(desk: Client, now: datetime) -> None:
    """Of a day stands how many were signed in at its highest."""
    for hours, count in ((1, 3), (2, 8), (30, 5)):
        at = Span.HOUR.begin(now.replace(hour=12) - hours * HOUR)
        facts = {"event": Measure.ACTIVE_SESSIONS, "reason": "browser", "outcome": ""}
        HourCount.objects.create(hour=at, count=count, **facts)

    assert numbers(charts(desk)["signed_in"])["Browser"] == [5, 8]


def test_a_real_sign_in_is_seen(desk: Client, now: datetime, user: User) -> None:
    """From the sign-in page to the chart."""
    SessionEvent.objects.all().delete()
    Client().post("/account/login/", {"username": "ann", "password": "wrong"})
    record(Event.SESSION_SIGNED_OUT)
    count_events(timezone.now())

    found = charts(desk, period="day")

    assert found["failures"].headline == "1"
    assert found["ended"].headline == "1"
