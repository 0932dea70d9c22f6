"""Which events people are told of by mail, and in which words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_plus.events import BY_COMMAND, IMPORTED
from sessions_plus.lifecycle.passwords import OTHERS_KEPT
from sessions_plus.models import AuthenticatorKind, Event, Reason, Scope

NOTHING_TO_DO = _("If this was you, there is nothing to do.")


@dataclass(frozen=True, slots=True)
class Letter:
    """
    The words about one event.

    subject    the mail's subject and heading
    lead       what happened, in a sentence or two
    outcome    what came of it, by the event's reason: said after the lead, in the mail
    harmless   when there is nothing to do
    unless     reasons of the event that are no news to its user
    by_staff   the only reasons that are news, and only where somebody else did it; empty: all are
    pause      after one such event, how long the next ones bring no mail; None: each brings one
    """

    subject: str | Promise
    lead: str | Promise
    harmless: str | Promise = NOTHING_TO_DO
    outcome: Mapping[str, str | Promise] = field(default_factory=dict)
    unless: tuple[str, ...] = ()
    by_staff: tuple[str, ...] = ()
    pause: timedelta | None = None


LETTERS: Mapping[str, Letter] = MappingProxyType(
    {
        Event.DEVICE_FIRST_SEEN: Letter(
            _("New sign-in to your account"),
            _("Somebody signed in to your account on a device that we had not seen before."),
        ),
        Event.SESSION_REVOKED: Letter(
            _("You were signed out by our staff"),
            _("Somebody of our staff ended a session of yours, or several."),
            _("If you asked for it, there is nothing to do: sign in again."),
            # Who ends one's own sessions knows, and of what else ends them other mails tell.
            by_staff=(Reason.REVOKED_BY_STAFF, Reason.DEVICE_REVOKED),
            # Many end together.
            pause=timedelta(minutes=10),
        ),
        Event.KEY_REUSED: Letter(
            _("We ended a session of yours"),
            _(
                "An old session key of yours was used again, perhaps by somebody who copied it. "
                "We ended that session at once; the device has to sign in again."
            ),
            _(
                "If you have just restored a browser or a computer from a backup, that was the "
                "reason, and there is nothing more to do."
            ),
        ),
        Event.PASSWORD_CHANGED: Letter(
            _("Your password was changed"),
            _("The password of your account was changed."),
            outcome={
                "": _("All other devices were signed out and are trusted no more."),
                OTHERS_KEPT: _("Your other devices stay signed in, but are trusted no more."),
            },
        ),
        Event.PASSWORD_REMOVED: Letter(
            _("Your password was given up"),
            _(
                "The password of your account was given up: from now on you sign in with a "
                "passkey. All other devices were signed out."
            ),
        ),
        Event.AUTHENTICATOR_ADDED: Letter(
            _("Two-factor sign-in: an authenticator was added"),
            _("An authenticator was added to your account."),
            unless=(IMPORTED,),
            outcome={AuthenticatorKind.PASSKEY: _("It is a passkey.")},
        ),
        Event.AUTHENTICATOR_REMOVED: Letter(
            _("Two-factor sign-in: an authenticator was removed"),
            _("An authenticator was removed from your account."),
            outcome={AuthenticatorKind.PASSKEY: _("It was a passkey.")},
        ),
        Event.THROTTLED: Letter(
            _("Wrong codes were entered for your account"),
            _(
                "Somebody who knows your password, or uses a device on which you are signed in, "
                "entered wrong codes for your account. Before each further one they have to wait."
            ),
            # Whoever guesses at a password proves nothing; an address is shared by many.
            unless=(Scope.PASSWORD, Scope.ADDRESS, Scope.NAME, Scope.DEVICE, Scope.NETWORK),
            # Whoever goes on trying causes such an event up to once in 30 seconds.
            pause=timedelta(days=1),
        ),
        Event.AUTHENTICATOR_DISABLED: Letter(
            _("Two-factor sign-in: an authenticator was switched off"),
            _(
                "Too many wrong codes in a row were entered for an authenticator of yours, so "
                "we switched it off. A recovery code still signs you in."
            ),
            _(
                "If that was you, sign in with a recovery code and set the authenticator up "
                "again. If it was not, somebody may know your password: change it."
            ),
        ),
        Event.AUTHENTICATOR_CLONED: Letter(
            _("A passkey of yours may have been copied"),
            _(
                "A passkey of yours was used in a way that a copy would be, so we refused it. We "
                "did not switch it off, as it may be the one that you have."
            ),
            _(
                "If it was refused to you, try it again: then there is probably nothing wrong. "
                "Else remove it from your account and add a new one."
            ),
            # Whoever goes on trying causes one each time.
            pause=timedelta(days=1),
        ),
        Event.RECOVERY_CODES_MADE: Letter(
            _("New recovery codes were made"),
            _("New recovery codes were made for your account. The old ones no longer work."),
        ),
        Event.RECOVERY_CODE_USED: Letter(
            _("A recovery code was used"),
            _("One of your recovery codes was used. It will not work again."),
        ),
        Event.DATA_EXPORTED: Letter(
            _("Your data was downloaded"),
            _(
                "A copy of what we keep about your sessions and devices was downloaded: when you "
                "signed in, where from, and with what."
            ),
            # The help desk made it, for whoever asked.
            unless=(BY_COMMAND,),
        ),
        Event.DEVICE_TRUSTED: Letter(
            _("A device was trusted"),
            _("From now on, and for a while, this device may sign in without a code."),
        ),
    }
)
