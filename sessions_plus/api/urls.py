"""The endpoints: ``path("api/", include("sessions_plus.api.urls"))``. Names are noun, then verb."""

from __future__ import annotations

from typing import Any

from django.urls import path

from sessions_plus.api.views import mfa, sessions, sign_in, staff, tokens
from sessions_plus.api.views.base import Endpoint
from sessions_plus.mfa.gate import EXEMPT

app_name = "sessions_plus_api"


def open_without_factor(endpoint: type[Endpoint]) -> Any:
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
    path("mfa/", open_without_factor(mfa.Mfa), name="mfa"),
    path("mfa/totp/", open_without_factor(mfa.TotpList), name="totp_begin"),
    path("mfa/totp/confirm/", open_without_factor(mfa.TotpConfirm), name="totp_confirm"),
    path("mfa/totp/<str:public_id>/", mfa.TotpDetail.as_view(), name="totp_detail"),
    path("mfa/recovery-codes/", mfa.RecoveryCodes.as_view(), name="recovery_codes"),
    path("tokens/", tokens.TokenList.as_view(), name="token_issue"),
    path("tokens/challenge/", tokens.TokenChallenge.as_view(), name="token_challenge"),
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
