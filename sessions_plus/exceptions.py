"""
What can go wrong, named for the state it leaves.

Each has a stable ``code`` for programs and a calm, translatable ``message`` for people.
"""

from __future__ import annotations

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.db.utils import DatabaseError
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from sessions_plus.named_types import UserId


class SessionsPlusError(Exception):
    """The ancestor of every error of this app."""

    code: str = "error"
    message: str | Promise = _("That did not work. Please try again.")

    def __init__(self, message: str | Promise | None = None) -> None:
        if message is not None:
            self.message = message
        super().__init__(str(self.message))


class SealBroken(SessionsPlusError):
    """
    A sealed value does not open: forged, damaged, moved, or sealed under a lost key.

    One error for all of these, so that nothing can be learned from which it was.
    """

    code = "seal_broken"
    message = _("A stored value could not be read.")


class SessionLimitReached(SessionsPlusError, PermissionDenied):
    """
    A sign-in was one too many, and the site does not end older sessions for it.

    Raised by whatever saves the session: also a view or a middleware of the site. As Django's
    ``PermissionDenied`` it is an answer (403) wherever nobody expects it, and no fault (500).
    """

    code = "session_limit_reached"
    message = _(
        "You are signed in on as many devices as this site allows. Sign out on one of them, "
        "then try again."
    )


class SessionNotStored(SessionsPlusError, DatabaseError):
    """
    The database took no change of a session: it is read-only, full, or somebody holds the row.

    Nothing was stored, so the same request may be made again.
    """

    code = "session_not_stored"
    message = _("This could not be saved just now. Please try again in a moment.")
    retry_after = timedelta(seconds=5)


class NotSerialisable(SessionsPlusError, TypeError):
    """A value in a session cannot be stored; the message names its key."""

    code = "not_serialisable"


class OpenedByName(SessionsPlusError):
    """A session that was opened by its public id was to change hands, or its key."""

    code = "opened_by_name"
    message = (
        "This session was opened by its public id, so nobody can be told a new key of it. Call "
        "login() and cycle_key() in a request that came with the session."
    )


class InvalidToken(SessionsPlusError):
    """
    A token is not accepted: forged, expired, of another kind, or its session has ended.

    One error for all of these. ``reason`` is for the log and never leaves the server.
    """

    code = "invalid_token"
    message = _("The token is not valid.")

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class TokenReused(InvalidToken):
    """A refresh token was used after its successor; its session has ended for that."""

    code = "token_reused"
    message = _("The token was used before. Its session has ended: please sign in again.")


class InvalidCode(SessionsPlusError):
    """
    A code is not accepted: wrong, used before, or of a disabled authenticator.

    One error for all of these. ``reason`` is for the audit and never leaves the server.
    """

    code = "invalid_code"
    message = _("This code is not right, or was used before. Please try the next one.")

    def __init__(self, reason: str = "wrong") -> None:
        super().__init__()
        self.reason = reason


class WrongPassword(SessionsPlusError):
    """The password that was asked for again is not the user's."""

    code = "wrong_password"
    message = _("This is not your password. Please try again.")


class PasskeyRefused(SessionsPlusError):
    """
    What a browser sent of a passkey is not accepted: forged, replayed, of another site or person.

    One error for all of these. ``reason`` is for the audit and never leaves the server.
    """

    code = "passkey_refused"
    message = _("This passkey was not accepted. Please try again, or sign in another way.")

    user_id: UserId = None
    """Whose passkey it is, where that was found out; for the audit, too."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class PasskeyUnknown(PasskeyRefused):
    """No account has this passkey: it was removed here, and its authenticator may forget it."""

    code = "passkey_unknown"
    message = _("This passkey is not known here any more. Please sign in another way.")

    def __init__(self, *, credential_id: bytes, rp_id: str) -> None:
        super().__init__("unknown")
        self.credential_id = credential_id
        self.rp_id = rp_id


class PasskeyNeedsPassword(PasskeyRefused):
    """It is a second factor only, as it does not ask who is there; nobody signs in by it alone."""

    code = "passkey_needs_password"
    message = _("This passkey works together with your password. Please enter that first.")

    def __init__(self) -> None:
        super().__init__("second_factor_only")


class PasskeyNotAllowed(PasskeyRefused):
    """It can be synced to other devices, which the site does not allow."""

    code = "passkey_not_allowed"
    message = _(
        "This passkey can be copied to other devices, which this site does not allow. Please use "
        "a security key."
    )

    def __init__(self) -> None:
        super().__init__("synced")


class PasskeysOff(SessionsPlusError):
    """The site offers no passkeys, or not at the address that was asked for."""

    code = "passkeys_off"
    message = _("Passkeys are not available here.")


class TooManyPasskeys(SessionsPlusError):
    """A person has as many passkeys as the site allows."""

    code = "too_many_passkeys"
    message = _("You have as many passkeys as there may be. Remove one first.")


class LastWayIn(SessionsPlusError):
    """It cannot be removed: nothing would be left to sign in with."""

    code = "last_way_in"
    message = _("You could not sign in any more without it. Add another passkey first.")


class TooManyAttempts(SessionsPlusError):
    """Nothing was verified: the next attempt may be made ``retry_after`` from now."""

    code = "too_many_attempts"
    message = _("Too many attempts. Please wait a while, then try again.")

    def __init__(self, retry_after: timedelta) -> None:
        super().__init__()
        self.retry_after = retry_after


class ChallengeOver(SessionsPlusError):
    """A challenge was passed, abandoned or has expired, or belongs to somebody else."""

    code = "challenge_over"
    message = _("This sign-in took too long. Please start again.")


class SecondFactorRequired(SessionsPlusError):
    """A sign-in was begun, and waits for its second factor."""

    code = "second_factor_required"
    message = _("Please confirm with a code.")


class SignInElsewhere(SessionsPlusError, PermissionDenied):
    """
    A password was right, and its user has a second factor that another package keeps and asks for.

    Raised by whatever signs in. As Django's ``PermissionDenied`` it is an answer (403) wherever
    nobody expects it, and no fault (500).
    """

    code = "sign_in_elsewhere"
    message = _("This account has a second factor that cannot be asked for here.")


class EnrolmentOver(SessionsPlusError):
    """An enrolment was completed, replaced or has expired, or belongs to another session."""

    code = "enrolment_over"
    message = _("Setting up took too long. Please start again.")


class ReauthenticationRequired(SessionsPlusError):
    """What was asked for needs a fresher proof of who is asking."""

    code = "reauthentication_required"
    message = _("Please confirm that it is you.")

    def __init__(self, factors: str = "all") -> None:
        """``factors``: ``one`` or ``all`` (see ``mfa.reauthentication``)."""
        super().__init__()
        self.factors = factors


class MfaRequired(SessionsPlusError):
    """What was asked for needs a sign-in with a second factor."""

    code = "mfa_required"
    message = _("Please confirm with your second factor.")


class MfaEnrolmentRequired(SessionsPlusError):
    """The site asks this person for a second factor, and they have none yet."""

    code = "mfa_enrollment_required"
    message = _("Please set up a second factor first.")


class DeviceBindingRequired(SessionsPlusError):
    """The site asks this person for a session that is bound to its device, and it is not."""

    code = "device_binding_required"
    message = _("This needs a browser that keeps your session on this device.")


class NotSignedIn(SessionsPlusError):
    """Nobody is signed in, or no more, where the script of a page asks."""

    code = "not_authenticated"
    message = _("Your session has ended.")


class PasskeyRequired(MfaRequired):
    """What was asked for needs a passkey, as no false site can get one out of anybody."""

    code = "passkey_required"
    message = _("Please confirm with your passkey.")


class PasskeyEnrolmentRequired(MfaEnrolmentRequired):
    """What was asked for needs a passkey, and this person has none here."""

    code = "passkey_enrollment_required"
    message = _("Please add a passkey first.")


class ActingForAnother(SessionsPlusError):
    """Somebody acts for another person, and this takes that person themselves."""

    code = "acting_for_another"
    message = _("You are acting for somebody else. Only they themselves can do this.")


class ConflictingSessions(SessionsPlusError):
    """The request came with the sessions of two people, so nobody knows who asks."""

    code = "conflicting_sessions"
    message = _("The request came with the sessions of two people. Send one of them only.")
