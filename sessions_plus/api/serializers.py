"""What the API shows of rows: named fields, public ids, never a key, a hash or a secret."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models
from rest_framework import serializers

from sessions_plus.models import Authenticator, Device, Session, SessionEvent
from sessions_plus.models.agent import AgentKind
from sessions_plus.moments import in_utc


class Moment(serializers.DateTimeField):
    """A moment in UTC, whatever the site's time zone is and whether it has any (RFC 3339)."""

    def to_representation(self, value: datetime) -> str:
        return in_utc(value).isoformat().replace("+00:00", "Z")


class Shown(serializers.ModelSerializer[Any]):  # of the model that its Meta names
    """A row as it is shown."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: Moment,
    }


class SessionDeviceSerializer(serializers.Serializer[object]):
    public_id = serializers.UUIDField()
    # The name hides an attribute of fields, which a serializer has no use for.
    label = serializers.CharField(  # type: ignore[assignment]
        help_text="Its name, or browser and system."
    )


class SessionSerializer(Shown):
    shows_actors = False
    """Whether to tell where somebody is who acts as the user: to staff alone."""

    device = SessionDeviceSerializer(allow_null=True, read_only=True)
    is_current = serializers.SerializerMethodField(help_text="Whether it is the one that asks.")
    expires_at = Moment(source="expire_date", read_only=True, help_text="Unless it is used again.")
    auth_methods = serializers.ListField(
        source="methods",
        child=serializers.CharField(),
        read_only=True,
        help_text="How its user signed in: `pwd`, `otp`, `rcv`, `pky`, `sec`, `ext`.",
    )

    by_staff = serializers.BooleanField(
        source="is_acted_in",
        read_only=True,
        help_text="Whether somebody acts as its user; then nothing tells where from.",
    )

    is_bound = serializers.BooleanField(
        read_only=True,
        help_text="Whether it opens on the device only that it began on (DBSC).",
    )

    class Meta:
        model = Session
        fields = [
            "public_id",
            "kind",
            "device",
            "is_current",
            "is_bound",
            "by_staff",
            "created_at",
            "authenticated_at",
            "last_activity",
            "expires_at",
            "auth_methods",
            "ip_address",
            "location",
            "browser",
            "system",
            "agent_kind",
        ]
        read_only_fields = fields

    def to_representation(self, instance: Session) -> dict[str, object]:
        shown = super().to_representation(instance)
        if instance.is_acted_in and not self.shows_actors:
            shown |= {"ip_address": None, "location": "", "browser": "", "system": ""}
        return shown

    def get_is_current(self, row: Session) -> bool:
        return bool(row.public_id == self.context["credentials"].session_public_id)


class AnySessionSerializer(SessionSerializer):
    """As staff sees it: with whose it is."""

    shows_actors = True
    user = serializers.CharField(source="user_id", read_only=True)
    actor = serializers.CharField(
        source="actor_id", allow_null=True, read_only=True, help_text="Who acts as the user."
    )

    class Meta(SessionSerializer.Meta):
        fields = ["user", "actor", *SessionSerializer.Meta.fields]
        read_only_fields = fields


class DeviceSerializer(Shown):
    # See SessionDeviceSerializer: the name is that of a field's attribute.
    label = serializers.CharField(  # type: ignore[assignment]
        read_only=True, help_text="Its name, or browser and system."
    )
    agent_kind = serializers.ChoiceField(choices=AgentKind.choices, read_only=True)
    is_current = serializers.SerializerMethodField(help_text="Whether it is the one that asks.")

    class Meta:
        model = Device
        fields = [
            "public_id",
            "name",
            "label",
            "is_current",
            "browser",
            "system",
            "agent_kind",
            "first_seen_at",
            "last_seen_at",
            "trusted_until",
        ]
        read_only_fields = fields

    def get_is_current(self, row: Device) -> bool:
        session = self.context["credentials"].session
        return session is not None and session.device_id == row.pk


class EventSerializer(Shown):
    session = serializers.UUIDField(source="session_public_id", allow_null=True, read_only=True)
    device = SessionDeviceSerializer(allow_null=True, read_only=True)
    by_staff = serializers.BooleanField(
        source="is_by_another",
        read_only=True,
        help_text="Whether somebody else did it; then nothing tells where from.",
    )
    count = serializers.IntegerField(
        min_value=1, read_only=True, help_text="How often it happened, up to `at`."
    )

    class Meta:
        model = SessionEvent
        fields = [
            "at",
            "event",
            "count",
            "outcome",
            "reason",
            "session",
            "device",
            "by_staff",
            "ip_address",
            "user_agent",
        ]
        read_only_fields = fields

    def to_representation(self, instance: SessionEvent) -> dict[str, object]:
        shown = super().to_representation(instance)
        return shown | {"ip_address": None, "user_agent": ""} if instance.is_by_another else shown


class AuthenticatorSerializer(Shown):
    is_disabled = serializers.SerializerMethodField(
        help_text="Whether too many wrong codes switched it off."
    )

    class Meta:
        model = Authenticator
        fields = ["public_id", "name", "kind", "confirmed_at", "last_used_at", "is_disabled"]
        read_only_fields = fields

    def get_is_disabled(self, row: Authenticator) -> bool:
        return row.disabled_at is not None


class Revoked(serializers.Serializer[object]):
    """What became of it."""

    count = serializers.IntegerField(min_value=0, help_text="How many sessions were ended.")
    effective = serializers.ChoiceField(
        choices=["at_once", "soon"],
        help_text="`soon`: a cache could not be told, so at the next check of each session.",
    )
