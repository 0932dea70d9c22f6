"""What the endpoints read: one class for each body there is."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from sessions_plus.api.bodies import Body, Text
from sessions_plus.devices.naming import MAX_NAME_LENGTH
from sessions_plus.keys import TOKEN_LENGTH
from sessions_plus.mfa.typed_code import MAX_TYPED_LENGTH
from sessions_plus.named_types import Fields

MAX_USERNAME_LENGTH = 254
MAX_PASSWORD_LENGTH = 4096  # Django's own limit for what it hashes


class DeviceName(Body):
    name = Text(
        max_length=MAX_NAME_LENGTH,
        allow_blank=True,
        help_text="Empty: named after browser and system again.",
    )


class Credentials(Body):
    username = Text(max_length=MAX_USERNAME_LENGTH)
    password = Text(is_secret=True, max_length=MAX_PASSWORD_LENGTH)


class ChallengeAnswer(Body):
    code = Text(
        is_secret=True, max_length=MAX_TYPED_LENGTH, help_text="A TOTP code or a recovery code."
    )


class Proofs(Body):
    """What somebody proves themselves again with: one of them, or both."""

    password = Text(is_secret=True, required=False, max_length=MAX_PASSWORD_LENGTH)
    code = Text(is_secret=True, required=False, max_length=MAX_TYPED_LENGTH)

    def validate(self, attrs: Fields) -> Fields:
        if not attrs:
            raise ValidationError(_("Give your password, a code, or both."))
        return attrs


class Installation(Body):
    """What a program tells of itself, so that its user knows it again."""

    device_token = Text(
        is_secret=True,
        required=False,
        max_length=TOKEN_LENGTH,
        help_text="As given at this installation's first sign-in; it is then the same device.",
    )
    device_name = Text(
        required=False,
        max_length=MAX_NAME_LENGTH,
        help_text="What a new device is called until its user renames it.",
    )


class TokenCredentials(Installation, Credentials):
    pass


class TokenChallengeAnswer(Installation, ChallengeAnswer):
    challenge = Text(is_secret=True, max_length=TOKEN_LENGTH)


class RefreshToken(Body):
    refresh = Text(is_secret=True, max_length=TOKEN_LENGTH)


class Refreshing(RefreshToken):
    device_token = Text(
        is_secret=True,
        required=False,
        max_length=TOKEN_LENGTH,
        help_text="If given, whoever repeats this request has to give the same.",
    )


class Confirmation(Body):
    code = Text(is_secret=True, max_length=MAX_TYPED_LENGTH, help_text="The app's first code.")
    name = Text(required=False, allow_blank=True, max_length=MAX_NAME_LENGTH)


class Signed(Body):
    """What a passkey made or signed: ``PublicKeyCredential.toJSON()``, verified as a whole."""

    credential = serializers.DictField(help_text="`PublicKeyCredential.toJSON()`, as it is.")


class NewPasskey(Signed):
    name = Text(required=False, allow_blank=True, max_length=MAX_NAME_LENGTH)


class PasskeyProof(Signed):
    password = Text(
        is_secret=True,
        required=False,
        max_length=MAX_PASSWORD_LENGTH,
        help_text="Beside a passkey that is a second factor only.",
    )


class PasskeyCredentials(Installation, Signed):
    nonce_token = Text(
        is_secret=True, max_length=TOKEN_LENGTH, help_text="As it came with the options."
    )


class PasskeyChallenge(Body):
    challenge = Text(is_secret=True, max_length=TOKEN_LENGTH)


class PasskeyChallengeAnswer(Installation, Signed, PasskeyChallenge):
    pass
