from __future__ import annotations

from importlib.util import find_spec

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from sessions_plus.conf import conf


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
        _measure_if_wanted()
        checks.installation.keep_django_from_a_traceback()


def _measure_if_wanted() -> None:
    """Import nothing for a site without metrics. What lacks for them a check says."""
    if conf.METRICS and find_spec("opentelemetry") is not None:
        from sessions_plus import metrics

        metrics.begin()
