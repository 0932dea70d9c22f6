"""What we do when something happens elsewhere: sign-ins, sign-outs, users and rows that change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import BACKEND_SESSION_KEY, get_user_model, load_backend
from django.contrib.auth.backends import ModelBackend, RemoteUserBackend
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from sessions_plus.cache import copies
from sessions_plus.client_info import ClientInfo
from sessions_plus.cookies import trust_token_of
from sessions_plus.current import current_request
from sessions_plus.devices.trust import distrust_all
from sessions_plus.events import note, record
from sessions_plus.lifecycle.passwords import end_or_keep_others, is_new_password
from sessions_plus.lifecycle.revocation import revoke, revoke_selected
from sessions_plus.lifecycle.users import end_access, end_access_if_gone
from sessions_plus.mfa.sign_in import complete_or_challenge
from sessions_plus.models import (
    Authenticator,
    Challenge,
    Device,
    Event,
    Notice,
    Outcome,
    Reason,
    RecoveryCode,
    Session,
    SessionEvent,
)
from sessions_plus.notices.sending import notify
from sessions_plus.policy import Verdict
from sessions_plus.rows.session_row import Row, database
from sessions_plus.signals import (
    client_changed,
    data_unreadable,
    event_recorded,
    key_reused,
    rows_changed,
    session_ended,
    session_expired,
    user_gone,
)
from sessions_plus.store.client_change import ClientChange, Reaction
from sessions_plus.store.session_store import SessionStore


def _store_of(request: HttpRequest | None) -> SessionStore | None:
    session = getattr(request, "session", None)
    return session if isinstance(session, SessionStore) else None


@receiver(user_logged_in, dispatch_uid="sessions_plus.signed_in")
def bind_sign_in(request: HttpRequest, user: AbstractBaseUser, **_: object) -> None:
    """
    Whatever called login(): the session gets its device, methods and a new key.

    Or waits, anonymous, for the second factor.
    """
    store = _store_of(request)
    if store is None:
        return
    methods, store.auth_methods = store.auth_methods or (_method_of(store),), None
    complete_or_challenge(
        request,
        store,
        user,
        methods,
        trust_token=trust_token_of(request),
        now=timezone.now(),
    )


def _method_of(store: SessionStore) -> str:
    """``pwd`` for Django's password backends, ``ext`` for everything else."""
    path = store.get(BACKEND_SESSION_KEY)
    backend = load_backend(path) if path else None
    by_password = isinstance(backend, ModelBackend) and not isinstance(backend, RemoteUserBackend)
    return "pwd" if by_password else "ext"


@receiver(user_logged_out, dispatch_uid="sessions_plus.signed_out")
def note_sign_out(request: HttpRequest, user: models.Model | None, **_: object) -> None:
    store = _store_of(request)
    if store is None:
        return
    store.ending_reason = Reason.SIGNED_OUT


@receiver(session_ended, dispatch_uid="sessions_plus.ended")
def note_end(row: Row, reason: str, client: ClientInfo | None, **_: object) -> None:
    """A sign-out, or a ``flush()`` by the site: Django's own when a password hash changed."""
    is_sign_out = reason == Reason.SIGNED_OUT
    record(
        Event.SESSION_SIGNED_OUT if is_sign_out else Event.SESSION_REVOKED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        reason="" if is_sign_out else reason,
        client=client,
    )


@receiver(user_login_failed, dispatch_uid="sessions_plus.sign_in_failed")
def note_failed_sign_in(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: object
) -> None:
    store = _store_of(request)
    model = get_user_model()
    name = credentials.get(model.USERNAME_FIELD) or credentials.get("username")
    user = model._default_manager.filter(**{model.USERNAME_FIELD: name}).first() if name else None
    record(
        Event.SIGN_IN_FAILED,
        user=user,
        outcome=Outcome.FAILURE,
        client=store.client if store is not None else None,
    )


@receiver(session_expired, dispatch_uid="sessions_plus.expired")
def note_expiry(row: Row, verdict: Verdict, client: ClientInfo | None, **_: object) -> None:
    record(
        Event.SESSION_EXPIRED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        reason=verdict.value,
        client=client,
    )


def _session_of(row: Row) -> Session | None:
    sessions = Session.objects.using(database()).select_related("device")
    return sessions.filter(public_id=row.public_id).first()


@receiver(key_reused, dispatch_uid="sessions_plus.key_reused")
def end_after_reuse(row: Row, client: ClientInfo | None, **_: object) -> None:
    """An old key came back: this session, and only this one, ends."""
    session = (
        Session.objects.using(database())
        .filter(public_id=row.public_id)
        .select_related("device")
        .first()
    )
    if session is None or not revoke(session, reason=Reason.KEY_REUSED, client=client):
        return
    record(
        Event.KEY_REUSED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=session.device,
        outcome=Outcome.FAILURE,
        client=client,
    )


@receiver(client_changed, dispatch_uid="sessions_plus.client_changed")
def note_client_change(
    row: Row, change: ClientChange, client: ClientInfo | None, **_: object
) -> None:
    """Another browser, system or network: written down, and the session ended where it has to."""
    session = (
        Session.objects.using(database())
        .filter(public_id=row.public_id)
        .select_related("device")
        .first()
    )
    is_ended = change.reaction is Reaction.REVOKE
    if session is None:
        return
    if is_ended and not revoke(session, reason=Reason.CLIENT_CHANGED, client=client):
        return
    record(
        Event.SESSION_CLIENT_CHANGED,
        user_id=row.user_id,
        session_public_id=row.public_id,
        device=session.device,
        outcome=Outcome.SUCCESS if change.reaction is Reaction.RECORD else Outcome.FAILURE,
        reason=" ".join(change.what),
        client=client,
    )


@receiver(data_unreadable, dispatch_uid="sessions_plus.unreadable")
def note_unreadable(row: Row, client: ClientInfo | None, **_: object) -> None:
    """Once a session: with a lost key there would be a row for each of its requests."""
    facts: dict[str, Any] = {"user_id": row.user_id, "session_public_id": row.public_id}
    if SessionEvent.objects.filter(event=Event.SESSION_UNREADABLE, **facts).exists():
        note(Event.SESSION_UNREADABLE, reason="again", client=client)
        return
    record(Event.SESSION_UNREADABLE, outcome=Outcome.FAILURE, client=client, **facts)


@receiver(event_recorded, dispatch_uid="sessions_plus.notices")
def tell_by_mail(event: SessionEvent, **_: object) -> None:
    notify(event)


def act_on_new_password(
    instance: AbstractBaseUser,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None,
    **_: object,
) -> None:
    """
    A new password ends every session but the one in which it was chosen, and all trust.

    The other sessions go on where that was chosen too (``keep_other_sessions``). A reset is
    done signed out, so that it ends all of them. What is changed past ``save()`` Django's own
    session hash ends, without a word from us.
    """
    if not is_new_password(instance, created=created, raw=raw, update_fields=update_fields):
        return
    request = current_request()
    store = _store_of(request)
    row = store.row if store is not None else None
    own = row if row is not None and row.user_id == instance.pk else None
    facts: dict[str, Any] = {
        "client": store.client if store is not None else None,
        "actor": _somebody_else(request, instance) if own is None else None,
    }
    here = own.public_id if own is not None else None
    reason = end_or_keep_others(instance, own=here, **facts)
    distrust_all(instance, client=facts["client"])
    device_id = own.device_id if own is not None else None
    device = Device.objects.filter(pk=device_id).first() if device_id is not None else None
    record(
        Event.PASSWORD_CHANGED,
        user=instance,
        session_public_id=here,
        device=device,
        reason=reason,
        **facts,
    )


def _somebody_else(request: HttpRequest | None, user: AbstractBaseUser) -> models.Model | None:
    """Who is signed in and changes another person's account: an administrator."""
    found = getattr(request, "user", None)
    is_other = found is not None and found.is_authenticated and found.pk != user.pk
    return found if is_other else None


@receiver(rows_changed, dispatch_uid="sessions_plus.rows_changed")
def tell_cache(public_ids: list[UUID], ended: bool, **_: object) -> None:
    for public_id in public_ids:
        if ended:
            copies.forget(public_id)
        else:
            copies.outdate(public_id)


@receiver(pre_delete, sender=Device, dispatch_uid="sessions_plus.device_deleting")
def end_sessions_of_deleted_device(instance: Device, **_: object) -> None:
    live = Session.objects.using(database()).filter(device_id=instance.pk, revoked_at=None)
    revoke_selected(live.select_related("device"), reason=Reason.DEVICE_REVOKED)


@receiver(pre_delete, sender=Session, dispatch_uid="sessions_plus.session_deleting")
def end_before_delete(instance: Session, **_: object) -> None:
    """Deleting a session's row, one or many, ends it the same way as everywhere else."""
    if instance.revoked_at is None and instance.user_id is not None:
        revoke(instance, reason=Reason.DELETED)
    else:
        copies.forget(instance.public_id)


@receiver(user_gone, dispatch_uid="sessions_plus.user_gone")
def end_after_user_went(row: Row, reason: Reason, client: ClientInfo | None, **_: object) -> None:
    """A user was disabled or deleted in a way that sends no signal."""
    end_access(row.user_id, reason=reason, client=client)


def end_sessions_of_disabled_user(
    instance: models.Model,
    created: bool,
    raw: bool,
    update_fields: frozenset[str] | None,
    **_: object,
) -> None:
    """Costs nothing for a user who may sign in."""
    is_told = update_fields is None or "is_active" in update_fields
    if is_told and not created and not raw and not getattr(instance, "is_active", True):
        end_access_if_gone(instance.pk)


def end_sessions_of_deleted_user(instance: models.Model, **_: object) -> None:
    end_access(instance.pk, reason=Reason.USER_DELETED)


def forget_deleted_user(instance: models.Model, **_: object) -> None:
    """
    What stays of a deleted user's own account names them no more.

    What they did to other people's stays on record, by their number alone.
    """
    Session.objects.for_user(instance).update(user=None, device=None)
    Device.objects.for_user(instance).delete()
    for belonging in (Authenticator, RecoveryCode, Challenge, Notice):
        belonging._default_manager.filter(user_id=instance.pk).delete()
    SessionEvent.objects.for_user(instance).update(user=None)


# By sender, as a receiver for every model would slow down each delete of the whole site.
for _model in apps.get_models():
    if issubclass(_model, get_user_model()):
        post_save.connect(act_on_new_password, sender=_model)
        post_save.connect(end_sessions_of_disabled_user, sender=_model)
        pre_delete.connect(end_sessions_of_deleted_user, sender=_model)
        post_delete.connect(forget_deleted_user, sender=_model)
