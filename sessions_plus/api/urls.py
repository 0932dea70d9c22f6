"""The endpoints: ``path("api/", include("sessions_plus.api.urls"))``. Names are noun, then verb."""

from __future__ import annotations

from django.urls import path

from sessions_plus.api.views import mfa, passkeys, sessions, sign_in, staff, tokens
from sessions_plus.api.views.base import Endpoint
from sessions_plus.mfa.gate import EXEMPT
from sessions_plus.named_types import AnyView

app_name = "sessions_plus_api"


def open_without_factor(endpoint: type[Endpoint]) -> AnyView:
    """Let people in who must have a second factor and have none: to get one, or to leave."""
    view = endpoint.as_view()
    setattr(view, EXEMPT, True)
    return view


urlpatterns = [
    path("sessions/", sessions.SessionList.as_view(), name="session_list"),
    path("sessions/revoke-others/", sessions.RevokeOthers.as_view(), name="revoke_others"),
    path("sessions/revoke-all/", sessions.RevokeAll.as_view(), name="revoke_all"),
    path("sessions/<str:public_id>/", sessions.SessionDetail.as_view(), name="session_detail"),
    path("devices/", sessions.DeviceList.as_view(), name="device_list"),
    path("devices/<str:public_id>/", sessions.DeviceDetail.as_view(), name="device_detail"),
    path("events/", sessions.EventList.as_view(), name="event_list"),
    path("login/", open_without_factor(sign_in.Login), name="login"),
    path("login/challenge/", open_without_factor(sign_in.LoginChallenge), name="login_challenge"),
    path("logout/", open_without_factor(sign_in.Logout), name="logout"),
    path("reauthenticate/", open_without_factor(sign_in.Reauthenticate), name="reauthenticate"),
    path(
        "reauthenticate/passkey/options/",
        open_without_factor(passkeys.ReauthenticatePasskeyOptions),
        name="reauthenticate_passkey_options",
    ),
    path(
        "reauthenticate/passkey/",
        open_without_factor(passkeys.ReauthenticatePasskey),
        name="reauthenticate_passkey",
    ),
    path("mfa/", open_without_factor(mfa.Mfa), name="mfa"),
    path("mfa/totp/", open_without_factor(mfa.TotpList), name="totp_begin"),
    path("mfa/totp/confirm/", open_without_factor(mfa.TotpConfirm), name="totp_confirm"),
    path("mfa/totp/<str:public_id>/", mfa.TotpDetail.as_view(), name="totp_detail"),
    path("mfa/passkeys/", open_without_factor(passkeys.PasskeyList), name="passkey_begin"),
    path(
        "mfa/passkeys/confirm/",
        open_without_factor(passkeys.PasskeyConfirm),
        name="passkey_confirm",
    ),
    path("mfa/passkeys/<str:public_id>/", passkeys.PasskeyDetail.as_view(), name="passkey_detail"),
    path("mfa/recovery-codes/", mfa.RecoveryCodes.as_view(), name="recovery_codes"),
    path("tokens/", tokens.TokenList.as_view(), name="token_issue"),
    path("tokens/challenge/", tokens.TokenChallenge.as_view(), name="token_challenge"),
    path(
        "tokens/challenge/passkey/options/",
        passkeys.TokenChallengePasskeyOptions.as_view(),
        name="token_challenge_passkey_options",
    ),
    path(
        "tokens/challenge/passkey/",
        passkeys.TokenChallengePasskey.as_view(),
        name="token_challenge_passkey",
    ),
    path(
        "tokens/passkey/options/",
        passkeys.TokenPasskeyOptions.as_view(),
        name="token_passkey_options",
    ),
    path("tokens/passkey/", passkeys.TokenPasskey.as_view(), name="token_passkey"),
    path("tokens/refresh/", tokens.TokenRefresh.as_view(), name="token_refresh"),
    path("tokens/revoke/", tokens.TokenRevoke.as_view(), name="token_revoke"),
    path("tokens/jwks.json", tokens.Jwks.as_view(), name="jwks"),
    path("admin/sessions/", staff.AnySessionList.as_view(), name="staff_session_list"),
    path(
        "admin/users/<str:user_id>/revoke-all/",
        staff.RevokeAllOfUser.as_view(),
        name="staff_revoke_all",
    ),
]
