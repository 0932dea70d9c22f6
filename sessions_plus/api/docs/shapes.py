"""What the API answers, where that is no row: field by field."""

from __future__ import annotations

from rest_framework import serializers

from sessions_plus.api.serializers import (
    AuthenticatorSerializer,
)


class Error(serializers.Serializer[object]):
    code = serializers.CharField(help_text="For programs: stays.")
    detail = serializers.CharField(help_text="For people: translated, may change.")


class SecondFactorNeeded(Error):
    code = serializers.CharField()
    challenge = serializers.CharField(
        required=False, help_text="To be sent with the code. Absent: the session cookie holds it."
    )
    expires_in = serializers.IntegerField(required=False, help_text="Seconds.")


class Tokens(serializers.Serializer[object]):
    token_type = serializers.ChoiceField(choices=["Bearer"])
    access = serializers.CharField(help_text="Sent as `Authorization: Bearer …`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    refresh = serializers.CharField(help_text="Good for one refresh.")
    session = serializers.UUIDField(help_text="The session's public id.")
    device_token = serializers.CharField(
        required=False, help_text="To be kept, and sent with this installation's next sign-in."
    )


class SignedIn(serializers.Serializer[object]):
    session = serializers.UUIDField(help_text="The session's public id.")


class Reauthenticated(SignedIn):
    """Tokens too, where a token came; the old refresh token is dead."""

    token_type = serializers.ChoiceField(choices=["Bearer"], required=False)
    access = serializers.CharField(required=False)
    expires_in = serializers.IntegerField(required=False)
    refresh = serializers.CharField(required=False)


class MfaState(serializers.Serializer[object]):
    is_required = serializers.BooleanField(help_text="Whether the site asks this user for one.")
    authenticators = AuthenticatorSerializer(many=True)
    recovery_codes_left = serializers.IntegerField()


class Enrolment(serializers.Serializer[object]):
    secret = serializers.CharField(help_text="In base32, to be typed into an app.")
    otpauth_uri = serializers.CharField()
    svg = serializers.CharField(help_text="The same as a QR code.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class PasskeyOptions(serializers.Serializer[object]):
    public_key = serializers.DictField(
        help_text="For `PublicKeyCredential.parseRequestOptionsFromJSON()`."
    )


class SignInOptions(PasskeyOptions):
    nonce_token = serializers.CharField(help_text="To be sent with what is signed.")


class CreationOptions(serializers.Serializer[object]):
    public_key = serializers.DictField(
        help_text="For `PublicKeyCredential.parseCreationOptionsFromJSON()`."
    )


class Enrolled(serializers.Serializer[object]):
    authenticator = AuthenticatorSerializer()
    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        help_text="Shown this once. Empty where there were unused ones.",
    )
    tokens = Tokens(required=False, help_text="Where a token came: its session now has the factor.")


class NewTokens(serializers.Serializer[object]):
    """What an access token's session goes on with; its refresh token of before is dead."""

    tokens = Tokens()


class NewCodes(serializers.Serializer[object]):
    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Shown this once; the older ones are void."
    )


class PublicKey(serializers.Serializer[object]):
    kty = serializers.ChoiceField(choices=["EC", "OKP"])
    crv = serializers.ChoiceField(choices=["P-256", "Ed25519"])
    x = serializers.CharField()
    y = serializers.CharField(required=False)
    kid = serializers.CharField()
    alg = serializers.ChoiceField(choices=["ES256", "EdDSA"])
    use = serializers.ChoiceField(choices=["sig"])


class PublicKeys(serializers.Serializer[object]):
    keys = PublicKey(many=True)
