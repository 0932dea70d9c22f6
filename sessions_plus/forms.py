"""What people type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.utils.translation import gettext_lazy as _

from sessions_plus.conf import conf
from sessions_plus.devices.naming import MAX_NAME_LENGTH, clean_name

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser


class SignInForm(AuthenticationForm):
    """
    Name and password.

    One message for whatever is wrong, so that nobody learns which accounts exist or
    are disabled (OWASP ASVS 6.3.8). Whether to be kept signed in is asked only where the
    site allows it.
    """

    error_messages = {
        "invalid_login": _("These details did not sign you in. Please check them and try again."),
    }

    keep_signed_in = forms.BooleanField(
        label=_("Keep me signed in on this device"), required=False, initial=True
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not conf.PERSISTENT_COOKIE or settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
            del self.fields["keep_signed_in"]

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        if not user.is_active:
            raise self.get_invalid_login_error()


class DeviceNameForm(forms.Form):
    """What to call a device; empty: by browser and system."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME_LENGTH, required=False)

    def clean_name(self) -> Any:
        return clean_name(self.cleaned_data["name"])
