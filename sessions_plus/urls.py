"""
The pages, to be mounted anywhere: ``path("account/", include("sessions_plus.urls"))``.

``login`` is what ``LOGIN_URL`` should name: ``LOGIN_URL = "sessions_plus:login"``.
"""

from __future__ import annotations

from django.urls import path

from sessions_plus.views import (
    activity,
    challenge,
    data,
    device_keys,
    devices,
    passkey_use,
    passkeys,
    password_free,
    password_reset,
    passwords,
    reauthentication,
    recovery,
    remaining,
    reports,
    security,
    sign_in,
)

app_name = "sessions_plus"

urlpatterns = [
    path("", devices.account, name="account"),
    path("login/", sign_in.LoginView.as_view(), name="login"),
    path(
        "login/passkey/options/",
        passkey_use.passkey_sign_in_options,
        name="passkey_sign_in_options",
    ),
    path("login/passkey/finish/", passkey_use.passkey_sign_in, name="passkey_sign_in"),
    path("login/recover/", recovery.recover, name="recover"),
    path("login/recover/passkey/", recovery.recover_passkey, name="recover_passkey"),
    path(
        "login/recover/passkey/begin/", recovery.recover_passkey_begin, name="recover_passkey_begin"
    ),
    path("logout/", sign_in.LogoutView.as_view(), name="logout"),
    path("devices/", devices.session_list, name="session_list"),
    path("devices/sessions/<uuid:public_id>/", devices.session_detail, name="session_detail"),
    path("devices/revoke-others/", devices.session_revoke_others, name="session_revoke_others"),
    path(
        "devices/sessions/<uuid:public_id>/revoke/", devices.session_revoke, name="session_revoke"
    ),
    path("devices/<uuid:public_id>/revoke/", devices.device_revoke, name="device_revoke"),
    path("devices/<uuid:public_id>/rename/", devices.device_rename, name="device_rename"),
    path("notices/<str:token>/", reports.notice_report, name="notice_report"),
    path("password/reset/", password_reset.password_reset, name="password_reset"),
    path("password/reset/sent/", password_reset.password_reset_done, name="password_reset_done"),
    path(
        "password/reset/done/",
        password_reset.password_reset_complete,
        name="password_reset_complete",
    ),
    path(
        "password/reset/<str:uidb64>/<str:token>/",
        password_reset.password_reset_confirm,
        name="password_reset_confirm",
    ),
    path("challenge/", challenge.challenge, name="challenge"),
    path("challenge/cancel/", challenge.challenge_cancel, name="challenge_cancel"),
    path(
        "challenge/passkey/options/",
        passkey_use.passkey_challenge_options,
        name="passkey_challenge_options",
    ),
    path("challenge/passkey/finish/", passkey_use.passkey_challenge, name="passkey_challenge"),
    path("reauthenticate/", reauthentication.reauthenticate, name="reauthenticate"),
    path(
        "reauthenticate/passkey/options/",
        passkey_use.passkey_reauthenticate_options,
        name="passkey_reauthenticate_options",
    ),
    path(
        "reauthenticate/passkey/finish/",
        passkey_use.passkey_reauthenticate,
        name="passkey_reauthenticate",
    ),
    path("security/", security.security, name="security"),
    path("security/password/", passwords.password_change, name="password_change"),
    path("security/password/give-up/", password_free.password_give_up, name="password_give_up"),
    path("security/password/set/", password_free.password_set, name="password_set"),
    path("security/passkeys/", passkeys.passkey_enrol, name="passkey_enrol"),
    path("security/passkeys/begin/", passkeys.passkey_begin, name="passkey_begin"),
    path("security/totp/", security.totp_enrol, name="totp_enrol"),
    path("security/totp/begin/", security.totp_begin, name="totp_begin"),
    path("security/recovery-codes/make/", security.recovery_codes_make, name="recovery_codes_make"),
    path(
        "security/recovery-codes/download/",
        security.recovery_codes_download,
        name="recovery_codes_download",
    ),
    path(
        "security/<uuid:public_id>/remove/",
        security.authenticator_remove,
        name="authenticator_remove",
    ),
    path(
        "security/<uuid:public_id>/rename/",
        passkeys.authenticator_rename,
        name="authenticator_rename",
    ),
    path("devices/<uuid:public_id>/distrust/", devices.device_distrust, name="device_distrust"),
    path("session/remaining/", remaining.session_remaining, name="session_remaining"),
    path("session/stay/", remaining.session_stay, name="session_stay"),
    path("device-key/register/", device_keys.device_key_register, name="device_key_register"),
    path("device-key/refresh/", device_keys.device_key_refresh, name="device_key_refresh"),
    path("device-key/check/", device_keys.device_key_check, name="device_key_check"),
    path("activity/", activity.event_list, name="event_list"),
    path("data/", data.data_download, name="data_download"),
]
