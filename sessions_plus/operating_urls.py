"""
What programs of whoever runs the site ask: ``path("-/", include("sessions_plus.operating_urls"))``.

Apart from the pages for people, so that each site decides where they are, and for whom.
"""

from __future__ import annotations

from django.urls import path

from sessions_plus.views import operating

app_name = "sessions_plus_operating"

urlpatterns = [
    path("health/live", operating.live, name="health_live"),
    path("health/ready", operating.ready, name="health_ready"),
    path("metrics", operating.metrics, name="metrics"),
]
