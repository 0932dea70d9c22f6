from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionsPlusConfig(AppConfig):
    name = "sessions_plus"
    verbose_name = _("Sessions")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from sessions_plus import auth_backends, checks, receivers  # noqa: F401 - they register
        from sessions_plus.mfa.sign_in import settle
        from sessions_plus.moving.adoption import SessionAdopter
        from sessions_plus.store.session_store import SessionStore

        # Rules of the row, whatever code reads or saves it: the store must not import upwards.
        SessionStore.settler = staticmethod(settle)
        SessionStore.adopter = SessionAdopter()
        auth_backends.take_over()
