"""What no page of the admin may show."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from sessions_plus.models import Device, Session, SessionEvent

pytestmark = pytest.mark.django_db


def test_no_page_shows_a_secret(desk: Client, user: User, sign_in: Callable[..., Session]) -> None:
    """Keys, digests and session data stand in no page of the admin."""
    session = sign_in(user)
    browser = Client()
    browser.force_login(user)
    store = browser.session
    store["cart"] = "a very private thing"
    store.save()
    store.cycle_key()
    store.save()
    Device.objects.filter(user=user).update(trust_hash="d" * 64)

    pages = [desk.get(address).content.decode() for address in every_page(user)]

    for secret in secrets_of(session) | {store.session_key, "a very private thing", "d" * 64}:
        assert not [page for page in pages if secret in page]  # type: ignore[operator]
    for column in ("key_hash", "token_hash", "trust_hash", "sealed_successor", "successor_seen"):
        assert not [page for page in pages if column in page]


def every_page(user: User) -> list[str]:
    """The address of each list, row, deletion and history of ours, and of the user's page."""
    found = [reverse("admin:index"), reverse("admin:app_list", args=["sessions_plus"])]
    found.append(reverse("admin:auth_user_change", args=[user.pk]))
    for model in (Session, Device, SessionEvent):
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        found.append(reverse(f"{name}_changelist"))
        for row in model._default_manager.all():
            found += [reverse(f"{name}_{page}", args=[row.pk]) for page in ("change", "history")]
            found += [reverse(f"{name}_delete", args=[row.pk])] if model is Session else []
    return found


def secrets_of(session: Session) -> set[str]:
    """Every value of the database that no page may show."""
    found: set[str] = set()
    for row in Session.objects.all():
        found |= {row.key_hash, row.previous_key_hash, bytes(row.data).hex(), repr(row.data)}
        found |= {repr(row.sealed_successor)} if row.sealed_successor else set()
    found |= set(Device.objects.values_list("token_hash", flat=True))  # type: ignore[arg-type]
    assert session.key_hash in found
    return {secret for secret in found if len(secret) > 16}
