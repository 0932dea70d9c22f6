"""Changing the encryption keys of a site that runs."""

from __future__ import annotations

import base64
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import CommandError, call_command
from django.db import models
from django.test import override_settings
from django.utils import timezone

from sessions_plus import crypto
from sessions_plus.crypto import key_ring, sealed_under_current_key
from sessions_plus.keys import new_public_id
from sessions_plus.maintenance import resealing
from sessions_plus.management.sealed_columns import sealed_columns
from sessions_plus.mfa.passkeys.credentials import open_public_key
from sessions_plus.mfa.totp import open_secret, seal_secret
from sessions_plus.models import AdoptedKey, Authenticator, DeviceKey, Session, SigningKey
from sessions_plus.models.device_key import jwk_context
from sessions_plus.tokens.keys import rotate
from tests.conftest import World
from tests.support.authenticators import a_passkey
from tests.support.browsers import Browser

pytestmark = [pytest.mark.urls("tests.support.sites"), pytest.mark.django_db(transaction=True)]

FIRST, SECOND = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.fixture
def key_file(settings: Any) -> Any:
    """A site with one key of its own."""
    caches["default"].clear()
    settings.SESSIONS_PLUS_ENCRYPTION_KEYS = [FIRST]
    return settings


NOTHING = (
    "Resealed: 0 sessions, 0 authenticators, 0 passkeys, 0 signing keys, 0 kept old keys, "
    "0 device keys.\n"
)


def reseal() -> str:
    out = io.StringIO()
    call_command("reseal", stdout=out)
    return out.getvalue()


def test_a_key_is_replaced_while_people_are_signed_in(
    engine: str, world: World, user: User, key_file: Any
) -> None:
    """First both keys, then ``reseal``, then the new one alone: nothing that is stored is lost."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    browser.get("write", color="red")
    authenticator = an_authenticator(user)
    rotate(timezone.now())

    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]
    assert browser.text("read") == "red"
    reseal()
    assert browser.text("read") == "red"
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND]

    assert Session.objects.get().get_decoded()["color"] == "red"
    assert open_secret(Authenticator.objects.get(pk=authenticator.pk)) == b"twenty secret bytes!"
    for row in SigningKey.objects.all():
        assert sealed_under_current_key(bytes(row.sealed_private_key))


def test_keys_of_people_who_came_back_are_of_the_new_ring(
    engine: str, world: World, user: User, key_file: Any
) -> None:
    """A session key that was rotated after the change outlasts the old encryption key."""
    browser = Browser(world)
    browser.get("sign-in", name="ann")
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]
    Session.objects.update(authenticated_at=timezone.now() - timedelta(days=2))
    browser.text("who")
    reseal()

    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND]

    assert browser.text("who") == "ann"


def an_authenticator(user: User) -> Authenticator:
    public_id = new_public_id()
    return Authenticator.objects.create(
        public_id=public_id,
        user=user,
        sealed_secret=seal_secret(b"twenty secret bytes!", public_id=public_id, user_id=user.pk),
    )


def test_public_keys_of_passkeys_move_along(user: User, key_file: Any) -> None:
    """The sealed key of a passkey opens under the new key alone, once it was resealed."""
    passkey = a_passkey(user, public_key=b"a COSE key")
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]

    assert "1 passkeys," in reseal()

    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND]
    assert open_public_key(Authenticator.objects.get(pk=passkey.pk)) == b"a COSE key"


def test_a_device_key_whose_session_is_gone_is_passed_over(user: User, key_file: Any) -> None:
    """A clean-up in parts may remove it days after its session; nothing needs it then."""
    session = Session.objects.create(user=user, expire_date=timezone.now() + timedelta(days=1))
    a_device_key(session.pk, session.public_id)
    a_device_key(session.pk + 1, new_public_id())
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]

    assert "1 device keys." in reseal()
    assert reseal() == NOTHING
    for column in sealed_columns().values():
        assert not resealing.count_unreadable(column, sample=10)


def a_device_key(session: int, session_public_id: UUID) -> None:
    public_id = new_public_id()
    sealed = crypto.seal(
        b"{}",
        purpose=crypto.Purpose.DEVICE_KEY,
        bound_to=jwk_context(public_id, session_public_id),
    )
    DeviceKey.objects.create(
        public_id=public_id, session_id=session, algorithm="ES256", sealed_jwk=sealed
    )


def test_running_it_again_changes_nothing(user: User, key_file: Any) -> None:
    """What is under the newest key is left as it is."""
    an_authenticator(user)
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]
    assert "1 authenticators" in reseal()
    before = Authenticator.objects.values().get()

    assert reseal() == NOTHING
    assert Authenticator.objects.values().get() == before


def test_many_rows_are_done_in_chunks(
    user: User, key_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many there are, a few are in memory at once, and none is forgotten."""
    monkeypatch.setattr(resealing, "CHUNK_ROWS", 3)
    for _ in range(10):
        an_authenticator(user)
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]

    reseal()

    key_id = key_ring()[0].key_id
    sealed = Authenticator.objects.values_list("sealed_secret", flat=True)
    assert {bytes(envelope or b"")[1:5] for envelope in sealed} == {key_id}


def test_what_was_written_meanwhile_is_not_overwritten(
    engine: str, world: World, key_file: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request that writes between reading and sealing wins."""
    browser = Browser(world)
    browser.get("write", color="red")
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND, FIRST]
    seal = crypto.seal

    def seal_late(*args: Any, **kwargs: Any) -> bytes:
        browser.get("write", color="green")
        return seal(*args, **kwargs)

    monkeypatch.setattr(resealing, "seal", seal_late)
    reseal()

    assert browser.text("read") == "green"
    assert Session.objects.get().get_decoded()["color"] == "green"


def test_a_lost_key_is_reported(user: User, key_file: Any) -> None:
    """Values that open with no key are counted, left alone, and make the command fail."""
    an_authenticator(user)
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = [SECOND]
    before = bytes(Authenticator.objects.get().sealed_secret or b"")

    with pytest.raises(CommandError, match="1 values open with none of the keys"):
        reseal()

    assert bytes(Authenticator.objects.get().sealed_secret or b"") == before


def test_a_lost_secret_key_is_told_where_it_belongs(user: User, key_file: Any) -> None:
    """Where ``SECRET_KEY`` seals, the key of before is missing among its fallbacks."""
    key_file.SESSIONS_PLUS_ENCRYPTION_KEYS = []
    an_authenticator(user)
    key_file.SECRET_KEY = "another " * 8

    with pytest.raises(CommandError, match="back into SECRET_KEY_FALLBACKS"):
        reseal()


def test_every_sealed_column_is_known() -> None:
    """Each binary column of ours is resealed, public, or one that only a key's holder can open."""
    from django.apps import apps

    binary = {
        (model, field.name)
        for model in apps.get_app_config("sessions_plus").get_models()
        for field in model._meta.get_fields()
        if isinstance(field, models.BinaryField)
    }
    known = {(column.model, column.column) for column in sealed_columns().values()}

    public = {(Authenticator, name) for name in ("credential_id", "user_handle")}
    assert binary - known == {
        (Session, "sealed_successor"),
        (AdoptedKey, "sealed_device_token"),
        *public,
    }


def test_ended_sessions_have_nothing_to_seal(user: User, key_file: Any) -> None:
    """An empty column is not an unreadable one."""
    Session.objects.create(expire_date=timezone.now(), data=b"")
    with override_settings(SESSIONS_PLUS_ENCRYPTION_KEYS=[SECOND]):
        assert reseal() == NOTHING
