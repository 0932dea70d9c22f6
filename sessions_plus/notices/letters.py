"""Which events people are told of by mail, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_plus.models import Event


@dataclass(frozen=True, slots=True)
class Letter:
    """The words about one event: the mail's subject, and what happened in a sentence."""

    subject: str | Promise
    lead: str | Promise


LETTERS: Mapping[str, Letter] = MappingProxyType(
    {
        Event.DEVICE_FIRST_SEEN: Letter(
            _("New sign-in to your account"),
            _("Somebody signed in to your account on a device that we had not seen before."),
        ),
        Event.KEY_REUSED: Letter(
            _("We ended a session of yours"),
            _(
                "A copy of an old session key of yours was used, perhaps by somebody who stole "
                "it. We ended that session."
            ),
        ),
        Event.PASSWORD_CHANGED: Letter(
            _("Your password was changed"),
            _("The password of your account was changed. Your other sessions were ended."),
        ),
        Event.AUTHENTICATOR_ADDED: Letter(
            _("Two-factor sign-in: an authenticator was added"),
            _("An authenticator was added to your account."),
        ),
        Event.AUTHENTICATOR_REMOVED: Letter(
            _("Two-factor sign-in: an authenticator was removed"),
            _("An authenticator was removed from your account."),
        ),
        Event.AUTHENTICATOR_DISABLED: Letter(
            _("Two-factor sign-in: an authenticator was switched off"),
            _(
                "Somebody entered your password and then too many wrong codes. We switched that "
                "authenticator off. A recovery code still signs you in."
            ),
        ),
        Event.RECOVERY_CODES_MADE: Letter(
            _("New recovery codes were made"),
            _("New recovery codes were made for your account. The old ones no longer work."),
        ),
        Event.RECOVERY_CODE_USED: Letter(
            _("A recovery code was used"),
            _("Somebody signed in to your account with a recovery code."),
        ),
        Event.DEVICE_TRUSTED: Letter(
            _("A device was trusted"),
            _("A device of yours may now sign in without a code for a while."),
        ),
    }
)
