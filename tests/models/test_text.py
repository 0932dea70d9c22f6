"""Text of strangers is stored as far as the database can hold it, in whatever column."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection, models
from django.test import Client
from pytest_django import Settings

from sessions_plus.checks import databases
from sessions_plus.models import Device, Session, SessionEvent
from sessions_plus.models.text import (
    ANYTHING,
    BASIC_PLANE,
    FittedCharField,
    can_hold,
    codec_named,
    fitted,
    was_kept_as,
)
from sessions_plus.rows.table import Table
from tests.conftest import World
from tests.support.authenticators import enrol
from tests.support.browsers import FIREFOX, Browser
from tests.support.databases import encoding
from tests.support.hostile import IN_A_HEADER, TEXTS

BEYOND_ASCII = {name: text for name, text in IN_A_HEADER.items() if not text.isascii()}

OURS = {
    "AdoptedKey.key_hash": "a digest",
    "Authenticator.algorithm": "a choice",
    "Authenticator.imported_from": "a choice",
    "Authenticator.credential_hash": "a digest",
    "Authenticator.kind": "a choice",
    "Authenticator.rp_id": "a domain of the site's settings",
    "Challenge.backend": "a dotted path of the site's settings",
    "Challenge.credentials_hash": "a digest",
    "Challenge.methods": "words of ours or of the site's code",
    "Challenge.token_hash": "a digest",
    "Authenticator.transports": "words of ASCII letters",
    "Cursor.name": "a name that an operator gives",
    "Device.agent_kind": "a choice",
    "DeviceKey.algorithm": "a choice",
    "Device.token_hash": "a digest",
    "Device.trust_hash": "a digest",
    "FailureCount.subject": "a digest",
    "HourCount.event": "a choice",
    "HourCount.outcome": "a choice",
    "HourCount.reason": "words of ours",
    "HourCount.span": "a choice",
    "Notice.event": "a choice",
    "Notice.token_hash": "a digest",
    "RecoveryCode.code_hash": "a digest",
    "RecoveryCode.imported_from": "a choice",
    "Session.agent_kind": "a choice",
    "Session.auth_methods": "words of ours or of the site's code",
    "Session.key_hash": "a digest",
    "Session.kind": "a choice",
    "Session.previous_key_hash": "a digest",
    "Session.reauth_methods": "words of ours or of the site's code",
    "Session.revoked_reason": "a choice",
    "SessionEvent.event": "a choice",
    "SessionEvent.outcome": "a choice",
    "SigningKey.algorithm": "a choice",
    "SigningKey.kid": "a digest",
    "Throttle.scope": "a choice",
    "Throttle.subject": "a digest",
    "UsedNonce.hash": "a digest",
}
"""What no stranger writes, and why."""


def text_columns() -> list[Any]:
    return [
        field
        for model in apps.get_app_config("sessions_plus").get_models()
        for field in model._meta.local_concrete_fields
        if isinstance(field, models.CharField | models.TextField)
    ]


def name_of(field: Any) -> str:
    return f"{field.model.__name__}.{field.name}"


FITTED = [field for field in text_columns() if isinstance(field, FittedCharField)]


@pytest.mark.parametrize("field", text_columns(), ids=name_of)
def test_each_text_column_is_decided(field: Any) -> None:
    """A column holds what strangers may send, or what only we write: then it is said what."""
    assert isinstance(field, FittedCharField) != (name_of(field) in OURS)


@pytest.fixture
def rows(user: User, password: str) -> dict[type[models.Model], Any]:
    """A row of each model that has text of strangers, as sign-ins and an enrolment leave it."""
    account = {"username": "ann", "password": password}
    browser = Client(headers={"user-agent": FIREFOX})
    for tried in ({**account, "password": "another"}, account):
        browser.post("/account/login/", tried)
    enrol(user)
    found = {field.model: field.model._default_manager.first() for field in FITTED}
    assert all(found.values())
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("field", FITTED, ids=name_of)
def test_any_text_is_stored(field: Any, rows: dict[type[models.Model], Any]) -> None:
    """Each way to write stores any text, cut and with `?` for what the database cannot hold."""
    row, column = rows[field.model], field.attname
    for text in TEXTS.values():
        expected = field.fit(text, connection)
        here = field.model._default_manager.filter(pk=row.pk)

        for write in (save, update, plain_update):
            here.update(**{column: ""})
            write(row, column, text)
            assert here.values_list(column, flat=True).get() == expected
        assert here.filter(**{column: text}).exists()
        assert was_kept_as(text[: field.max_length], expected)


def save(row: Any, column: str, text: str) -> None:
    setattr(row, column, text)
    row.save(update_fields=[column])


def update(row: Any, column: str, text: str) -> None:
    models.QuerySet(type(row)).filter(pk=row.pk).update(**{column: text})


def plain_update(row: Any, column: str, text: str) -> None:
    assert Table(type(row)).update("default", {column: text}, {"id": row.pk}) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("tests.support.sites")
@pytest.mark.parametrize("text", BEYOND_ASCII.values(), ids=BEYOND_ASCII)
def test_any_user_agent_signs_in_and_stays(
    engine: str, world: World, user: User, settings: Settings, text: str
) -> None:
    """Whatever a browser calls itself is no error, and no other browser the next time."""
    settings.SESSIONS_PLUS_CLIENT_CHANGE = "revoke"
    browser = Browser(world, user_agent=f"{text}/1.0 ({text})")

    browser.get("sign-in", name="ann")

    assert browser.text("who") == "ann"
    assert browser.text("who") == "ann"
    assert Session.objects.get().revoked_at is None


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_name_is_an_answer(user: User, password: str, settings: Settings, text: str) -> None:
    """Whatever people call themselves, a phone or an app: an answer of ours, and no fault."""
    settings.SESSIONS_PLUS_API_THROTTLE_RATES = dict.fromkeys(("requests", "sign_in", "refresh"))
    pytest.importorskip("rest_framework")
    form = text.encode(errors="replace").decode()
    client = Client(headers={"user-agent": "shop/1.0"})
    account = {"username": "ann", "password": password, "device_name": text[:100]}
    answers = [
        client.post("/account/login/", {"username": form, "password": "x"}),
        client.post("/api/tokens/", account | {"username": form}, content_type="application/json"),
        client.post("/api/tokens/", account, content_type="application/json"),
        client.post("/account/login/", {"username": "ann", "password": password}),
    ]
    for device in Device.objects.all():
        path = f"/account/devices/{device.public_id}/rename/"
        answers.append(client.post(path, {"name": form}))
    answers += [client.get(f"/account/{page}/") for page in ("devices", "activity")]

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    assert SessionEvent.objects.exists()


@pytest.mark.parametrize(
    ("text", "codecs", "expected"),
    [
        pytest.param("abc", ("ascii",), "abc", id="ASCII"),
        pytest.param("a\x00b", (), "a?b", id="NUL"),
        pytest.param("a\ud800b", (ANYTHING,), "a?b", id="half of a pair"),
        pytest.param("é😀", (ANYTHING,), "é😀", id="everything"),
        pytest.param("é€😀", (ANYTHING, BASIC_PLANE), "é€?", id="three bytes at most"),
        pytest.param("é€😀ł", ("cp1252",), "é€??", id="Western Europe"),
        pytest.param("éł", ("cp1252", "iso8859-2"), "é?", id="both"),
        pytest.param("é", ("ascii",), "?", id="beyond ASCII"),
    ],
)
def test_fitted(text: str, codecs: tuple[str, ...], expected: str) -> None:
    """What one of them has no character for is one question mark."""
    assert fitted(text, codecs) == expected


@pytest.mark.parametrize(
    ("vendor", "charset", "codec"),
    [
        ("mysql", "utf8mb4", ANYTHING),
        ("mysql", "utf8mb3", BASIC_PLANE),
        ("mysql", "utf8", BASIC_PLANE),
        ("mysql", "latin1", "cp1252"),
        ("mysql", "cp1250", "cp1250"),
        ("mysql", "swe7", "ascii"),
        ("mysql", "nonsense", "ascii"),
        ("postgresql", "UTF8", ANYTHING),
        ("postgresql", "SQL_ASCII", "ascii"),
        ("postgresql", "LATIN1", "iso8859-1"),
        ("postgresql", "LATIN9", "iso8859-15"),
        ("postgresql", "WIN1251", "cp1251"),
        ("postgresql", "EUC_JP", "euc_jp"),
        ("postgresql", "MULE_INTERNAL", "ascii"),
    ],
)
def test_codecs(vendor: str, charset: str, codec: str) -> None:
    """A database's name for its characters is Python's; of one that nobody knows, ASCII is safe."""
    assert codec_named(vendor, charset) == codec


@pytest.mark.django_db
def test_the_check_says_what_the_database_should_be() -> None:
    """A database that cannot hold every text is warned of, and no other; without asking, none."""
    found = databases.check_character_sets(databases=["default"])
    is_odd = encoding() not in ("", "utf8mb4", "UTF8")

    assert [message.id for message in found] == (["sessions_plus.W105"] if is_odd else [])
    assert databases.check_character_sets(databases=None) == []
    if is_odd:
        assert encoding().lower() in found[0].msg.lower()


@pytest.mark.django_db
def test_what_cannot_be_held_is_not_looked_for() -> None:
    """Whether a column can hold a text is known before the database is asked."""
    field = User._meta.get_field("username")

    assert can_hold(field, "default", "ann")
    assert not can_hold(field, "default", "a\x00")
    assert not can_hold(field, "default", "\ud800")
    assert can_hold(field, "default", "😀") == (fitted("😀", (ANYTHING,)) == field_fit("😀"))


def field_fit(text: str) -> str:
    return str(Device._meta.get_field("name").fit(text, connection))


@pytest.mark.django_db
def test_migrations_know_nothing_of_it() -> None:
    """The columns are plain ones, so that no migration depends on our class."""
    call_command("makemigrations", "sessions_plus", check=True, dry_run=True, verbosity=0)
