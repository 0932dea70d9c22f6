"""Everything that the pages do, for programs: JSON over HTTP, by Django REST framework."""

from importlib.util import find_spec

_MISSING = [
    name for name in ("rest_framework", "drf_spectacular", "joserfc") if find_spec(name) is None
]
if _MISSING:
    from sessions_plus.not_set_up import ExtraNotInstalled

    raise ExtraNotInstalled(
        f"sessions_plus.api needs {', '.join(_MISSING)}: "
        'run `pip install "django-sessions-plus[api]"`.'
    )
