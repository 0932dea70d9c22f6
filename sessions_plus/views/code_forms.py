"""What people type to prove their second factor, or themselves again."""

from __future__ import annotations

from collections.abc import Mapping

from django import forms
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from sessions_plus.devices.naming import MAX_NAME_LENGTH, clean_name
from sessions_plus.masked import Secret
from sessions_plus.mfa.passkeys.sent import MAX_BYTES
from sessions_plus.mfa.typed_code import MAX_TYPED_LENGTH


class SecretField(forms.CharField):
    """A field whose value is a ``Secret`` from here on: no error report shows it."""

    @sensitive_variables()
    def clean(self, value: object) -> Secret:
        return Secret(super().clean(value))


def code_field(
    *, is_recovery: bool = False, required: bool = True, takes_focus: bool = True
) -> SecretField:
    """
    A field for a code.

    Phones offer a code that they know of, and show digits to type: not for a
    recovery code, which has letters too.
    """
    widget = forms.TextInput(
        attrs={
            "autocomplete": "off" if is_recovery else "one-time-code",
            "inputmode": "text" if is_recovery else "numeric",
            "autocapitalize": "characters" if is_recovery else "off",
            "autocorrect": "off",
            "spellcheck": "false",
            "class": "code-input",
            **({"autofocus": "autofocus"} if takes_focus else {}),
        }
    )
    return SecretField(
        label=_("Recovery code") if is_recovery else _("Code from your authenticator app"),
        max_length=MAX_TYPED_LENGTH,
        required=required,
        widget=widget,
    )


class ChallengeForm(forms.Form):
    """The second factor at sign-in. Either kind of code is right in either field."""

    def __init__(
        self,
        data: Mapping[str, object] | None = None,
        *,
        is_recovery: bool = False,
        takes_focus: bool = True,
        may_trust: bool = False,
    ) -> None:
        super().__init__(data)
        self.fields["code"] = code_field(is_recovery=is_recovery, takes_focus=takes_focus)
        if may_trust:
            self.fields["trust"] = forms.BooleanField(
                label=_("Trust this device: don't ask for a code here next time"), required=False
            )


class NewAuthenticatorForm(forms.Form):
    """What to call a new authenticator, and whether others are signed out for it."""

    name = forms.CharField(
        label=_("Name"),
        help_text=_("So that you can tell it from others. You may leave it empty."),
        max_length=MAX_NAME_LENGTH,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    others = forms.BooleanField(label=_("Also sign out everywhere else"), required=False)

    def __init__(self, data: Mapping[str, object] | None = None, *, is_first: bool) -> None:
        """``is_first``: recovery codes come next, and the offer to sign out elsewhere with them."""
        super().__init__(data)
        if is_first:
            del self.fields["others"]

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])


class EnrolForm(NewAuthenticatorForm):
    """The first code of an app, too."""

    code = code_field()
    field_order = ("code",)

    def __init__(self, data: Mapping[str, object] | None = None, *, is_first: bool) -> None:
        super().__init__(data, is_first=is_first)
        self.fields["name"].label = _("Name of the app or phone")


class PasskeyForm(NewAuthenticatorForm):
    """What a script had made, too."""

    credential = forms.CharField(
        max_length=MAX_BYTES,
        strip=False,
        widget=forms.HiddenInput,
        error_messages={"required": _("Your browser made no passkey. Please try again.")},
    )
    field_order = ("credential",)


class RecoveryForm(forms.Form):
    """The way back of who gave up their password and lost their passkeys."""

    username = forms.CharField(
        label=_("Username"),
        max_length=254,
        widget=forms.TextInput(attrs={"autocomplete": "username", "autofocus": "autofocus"}),
    )

    def __init__(self, data: Mapping[str, object] | None = None) -> None:
        super().__init__(data)
        self.fields["code"] = code_field(is_recovery=True, takes_focus=False)


class ReauthenticationForm(forms.Form):
    """
    Password, code, or both, as far as the account has them and the page wants them.

    ``is_recovery``: the account has no app, so a recovery code is the only one it could be.
    """

    def __init__(
        self,
        data: Mapping[str, object] | None = None,
        *,
        has_password: bool,
        has_code: bool,
        needs_all: bool,
        is_recovery: bool = False,
        takes_focus: bool = True,
    ) -> None:
        super().__init__(data)
        self.needs_all = needs_all
        is_choice = has_password and has_code and not needs_all
        if has_password:
            self.fields["password"] = SecretField(
                label=_("Password"),
                required=not is_choice,
                strip=False,
                widget=forms.PasswordInput(
                    attrs={
                        "autocomplete": "current-password",
                        **({"autofocus": "autofocus"} if takes_focus else {}),
                    }
                ),
            )
        if has_code:
            self.fields["code"] = code_field(
                is_recovery=is_recovery,
                required=not is_choice,
                takes_focus=takes_focus and not has_password,
            )
            if not is_recovery:
                self.fields["code"].help_text = _("A recovery code is fine, too.")

    def clean(self) -> dict[str, object]:
        given: dict[str, object] = super().clean() or {}
        if not self.errors and not any(given.get(name) for name in ("password", "code")):
            raise forms.ValidationError(_("Please enter your password or a code."))
        return given
