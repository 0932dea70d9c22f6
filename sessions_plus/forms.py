"""What people type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.forms import PasswordChangeForm as DjangoPasswordChangeForm
from django.core.exceptions import ValidationError
from django.db import router, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from sessions_plus.conf import conf
from sessions_plus.current import current_request
from sessions_plus.devices.naming import MAX_NAME_LENGTH, clean_name
from sessions_plus.exceptions import TooManyAttempts, WrongPassword
from sessions_plus.lifecycle.passwords import keep_other_sessions
from sessions_plus.lifecycle.user_names import is_nobodys
from sessions_plus.mfa.reauthentication import prove
from sessions_plus.named_types import SiteUser

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

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # as Django's
        super().__init__(*args, **kwargs)
        if not conf.PERSISTENT_COOKIE or settings.SESSION_EXPIRE_AT_BROWSER_CLOSE:
            del self.fields["keep_signed_in"]

    def clean(self) -> dict[str, object]:
        name = self.cleaned_data.get("username")
        if name is not None and is_nobodys(self.request, name):
            raise self.get_invalid_login_error()
        return super().clean()

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        if not user.is_active:
            raise self.get_invalid_login_error()


class PasswordChangeForm(DjangoPasswordChangeForm):
    """
    The old password, a new one twice, and whether one's other sessions end (OWASP ASVS 7.4.3).

    For Django's ``PasswordChangeView``. A form that is sent without the box keeps them, so a
    template of your own has to show it. ``save(commit=False)`` only sets the password: what
    is saved later ends them.
    """

    sign_out_others = forms.BooleanField(
        label=_("Sign out everywhere else"), required=False, initial=True
    )

    @sensitive_variables()
    def clean_old_password(self) -> str:
        """Check it as everywhere: counted, so that nobody guesses it from a session left open."""
        password: str = self.cleaned_data["old_password"]
        client = getattr(current_request(), "client_info", None)
        try:
            prove(self.user, password=password, typed=None, client=client, now=timezone.now())
        except WrongPassword:
            wrong = "password_incorrect"
            raise ValidationError(self.error_messages[wrong], code=wrong) from None
        except TooManyAttempts as refusal:
            raise ValidationError(str(refusal.message), code=refusal.code) from None
        return password

    def save(self, commit: bool = True) -> SiteUser:
        if self.cleaned_data["sign_out_others"] or not commit:
            return super().save(commit)
        database = router.db_for_write(get_user_model(), instance=self.user)
        # Nobody must find the sessions without the password that they are kept for.
        with keep_other_sessions(self.user), transaction.atomic(database):
            return super().save()


class DeviceNameForm(forms.Form):
    """What to call a device; empty: by browser and system."""

    name = forms.CharField(label=_("Name"), max_length=MAX_NAME_LENGTH, required=False)

    def clean_name(self) -> str:
        return clean_name(self.cleaned_data["name"])
