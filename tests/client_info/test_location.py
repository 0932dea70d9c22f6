"""Places, read from real MaxMind files that the tests write."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from geoip2.database import Reader
from mmdb_writer import MMDBWriter
from netaddr import IPSet  # type: ignore[import-untyped]  # it has no types
from pytest_django import Settings

from sessions_plus.client_info import location
from sessions_plus.client_info.location import locate

BERLIN = "203.0.113.7"
SINGAPORE = "198.51.100.9"
NOWHERE_IN_FRANCE = "192.0.2.5"
IPV6 = "2001:db8::1"
PRIVATE = "10.0.0.1"


def place(city: str | None, country: str) -> dict[str, object]:
    record: dict[str, object] = {"country": {"names": {"en": country, "de": f"{country} (de)"}}}
    if city is not None:
        record["city"] = {"names": {"en": city, "de": f"{city} (de)"}}
    return record


def write_database(
    path: Path, database_type: str, places: dict[str, dict[str, object]], *, ip_version: int = 6
) -> Path:
    """Write a database beside ``path`` and move it there, as MaxMind's updater does."""
    writer = MMDBWriter(
        ip_version, database_type, languages=["en", "de"], ipv4_compatible=ip_version == 6
    )
    for network, record in places.items():
        writer.insert_network(IPSet([network]), record)
    fresh = path.with_suffix(".new")
    writer.to_db_file(str(fresh))
    return fresh.replace(path)


@pytest.fixture(autouse=True)
def _no_open_database() -> Iterator[None]:
    """Each test begins, and leaves the process, without an open database."""
    location._shelf._start_afresh()
    yield
    location._shelf._start_afresh()


@pytest.fixture
def city_database(tmp_path: Path) -> Path:
    return write_database(
        tmp_path / "city.mmdb",
        "GeoLite2-City",
        {
            "203.0.113.0/24": place("Berlin", "Germany"),
            "198.51.100.0/24": place("Singapore", "Singapore"),
            "192.0.2.0/24": place(None, "France"),
            "2001:db8::/32": place("Tokyo", "Japan"),
        },
    )


@pytest.mark.parametrize(
    ("ip_address", "expected"),
    [
        pytest.param(BERLIN, "Berlin, Germany", id="city and country"),
        pytest.param(SINGAPORE, "Singapore", id="a city that is a country"),
        pytest.param(NOWHERE_IN_FRANCE, "France", id="only the country is known"),
        pytest.param(IPV6, "Tokyo, Japan", id="IPv6"),
        pytest.param(PRIVATE, "", id="private"),
        pytest.param("127.0.0.1", "", id="loopback"),
        pytest.param("garbage", "", id="no address"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="none"),
    ],
)
def test_city_database(
    settings: Settings,
    city_database: Path,
    caplog: pytest.LogCaptureFixture,
    ip_address: str | None,
    expected: str,
) -> None:
    """A City database tells city and country in English."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)

    assert locate(ip_address) == expected
    assert not caplog.records


@pytest.mark.parametrize("database_type", ["GeoIP2-Enterprise", "DBIP-City-Lite"])
def test_other_databases_of_cities(settings: Settings, tmp_path: Path, database_type: str) -> None:
    """Whatever database holds cities tells them."""
    path = write_database(
        tmp_path / "x.mmdb", database_type, {"203.0.113.0/24": place("Berlin", "Germany")}
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert locate(BERLIN) == "Berlin, Germany"


def test_country_database(settings: Settings, tmp_path: Path) -> None:
    """A Country database tells the country."""
    path = write_database(
        tmp_path / "country.mmdb", "GeoLite2-Country", {"203.0.113.0/24": place(None, "Germany")}
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert locate(BERLIN) == "Germany"
    assert locate(PRIVATE) == ""


def test_ipv4_database(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database of IPv4 alone knows no IPv6 address, which is nothing to warn about."""
    path = write_database(
        tmp_path / "city.mmdb",
        "GeoLite2-City",
        {"203.0.113.0/24": place("Berlin", "Germany")},
        ip_version=4,
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert [locate(BERLIN), locate(IPV6)] == ["Berlin, Germany", ""]
    assert not caplog.records


def test_a_long_name_is_cut(settings: Settings, tmp_path: Path) -> None:
    """A place is never longer than the column that keeps it."""
    path = write_database(
        tmp_path / "city.mmdb", "GeoLite2-City", {"203.0.113.0/24": place("B" * 500, "Germany")}
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert locate(BERLIN) == "B" * location.MAX_LOCATION_LENGTH


def test_no_database(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Without a database there are no places, and nothing to warn about."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = None

    assert locate(BERLIN) == ""
    assert not caplog.records


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(None, id="missing"),
        pytest.param(b"", id="empty"),
        pytest.param(b"this is not a database" * 100, id="something else"),
    ],
)
def test_unusable_file(
    settings: Settings,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: bytes | None,
) -> None:
    """A missing or broken file costs one warning, and no request."""
    path = tmp_path / "city.mmdb"
    if content is not None:
        path.write_bytes(content)
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert [locate(BERLIN), locate(BERLIN), locate(IPV6)] == ["", "", ""]
    assert [(r.name, r.levelno) for r in caplog.records] == [("sessions_plus", logging.WARNING)]
    assert "SESSIONS_PLUS_LOCATION_DATABASE" in caplog.text


@pytest.mark.parametrize("path", ["\x00", "/", "x" * 5000], ids=["NUL", "directory", "long"])
def test_impossible_path(settings: Settings, caplog: pytest.LogCaptureFixture, path: str) -> None:
    """A path that can be no file costs one warning, and no request."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = path

    assert [locate(BERLIN), locate(BERLIN)] == ["", ""]
    assert len(caplog.records) == 1


def test_damaged_file(
    settings: Settings, city_database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A database whose records are damaged costs one warning, and no request."""
    content = city_database.read_bytes()
    tree_end = content.index(b"\x00" * 16)
    metadata = content.index(b"\xab\xcd\xefMaxMind.com")
    damaged = b"\xff" * (metadata - tree_end - 16)
    city_database.write_bytes(content[: tree_end + 16] + damaged + content[metadata:])
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)

    assert [locate(BERLIN), locate(SINGAPORE), locate(BERLIN)] == ["", "", ""]
    assert len(caplog.records) == 1


def test_a_database_of_something_else(
    settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A MaxMind database without places costs one warning, and no request."""
    path = write_database(tmp_path / "asn.mmdb", "GeoLite2-ASN", {"203.0.113.0/24": {"asn": 64500}})
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)

    assert [locate(BERLIN), locate(BERLIN)] == ["", ""]
    assert len(caplog.records) == 1


def test_without_the_library(
    settings: Settings,
    city_database: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Without ``geoip2`` there are no places, and one warning names it."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)
    monkeypatch.setitem(sys.modules, "geoip2.database", None)

    assert [locate(BERLIN), locate(BERLIN)] == ["", ""]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "geoip2" in caplog.text


def test_another_file_in_the_setting(
    settings: Settings, city_database: Path, tmp_path: Path
) -> None:
    """A change of the setting takes effect at the next request."""
    other = write_database(
        tmp_path / "other.mmdb", "GeoLite2-City", {"203.0.113.0/24": place("Bonn", "Germany")}
    )
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)
    before = locate(BERLIN)

    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(other)

    assert (before, locate(BERLIN)) == ("Berlin, Germany", "Bonn, Germany")


def test_a_replaced_file(settings: Settings, city_database: Path) -> None:
    """A newer database in the same place is read without a restart."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)
    before = locate(BERLIN)

    write_database(city_database, "GeoLite2-City", {"203.0.113.0/24": place("Bonn", "Germany")})

    assert (before, locate(BERLIN)) == ("Berlin, Germany", "Bonn, Germany")


def test_a_file_that_comes_later(settings: Settings, tmp_path: Path) -> None:
    """A database that was missing is read as soon as it is there."""
    path = tmp_path / "city.mmdb"
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(path)
    before = locate(BERLIN)

    write_database(path, "GeoLite2-City", {"203.0.113.0/24": place("Berlin", "Germany")})

    assert (before, locate(BERLIN)) == ("", "Berlin, Germany")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that geoip2's reader opens, in order; it really opens them."""
    paths: list[str] = []
    really_open = Reader.__init__

    def count_and_open(self: Reader, path: str) -> None:
        paths.append(path)
        time.sleep(0.02)  # so that threads without a lock would meet here
        really_open(self, path)

    monkeypatch.setattr(Reader, "__init__", count_and_open)
    return paths


def test_one_reader_for_all_threads(
    settings: Settings, city_database: Path, opened: list[str]
) -> None:
    """Ten threads that ask at once share one reader, and all are answered."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)
    barrier = Barrier(10)

    def ask(_: int) -> str:
        barrier.wait(timeout=120)
        return locate(BERLIN)

    with ThreadPoolExecutor(10) as pool:
        answers = set(pool.map(ask, range(10)))

    assert answers == {"Berlin, Germany"}
    assert opened == [str(city_database)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes fork on Unix only")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_opens_its_own(
    settings: Settings, city_database: Path, opened: list[str]
) -> None:
    """A forked worker reads by its own reader, also when the parent was opening one."""
    settings.SESSIONS_PLUS_LOCATION_DATABASE = str(city_database)
    locate(BERLIN)

    with location._shelf._lock:
        child = os.fork()
        if child == 0:
            is_well = locate(BERLIN) == "Berlin, Germany" and len(opened) == 2
            os._exit(0 if is_well else 1)
        _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert locate(BERLIN) == "Berlin, Germany"
    assert opened == [str(city_database)]
