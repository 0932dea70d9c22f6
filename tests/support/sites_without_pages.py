"""A site that uses sessions and the backend, and none of our pages."""

from __future__ import annotations

from django.urls import path

from tests.support.guessing import plain

urlpatterns = [path("plain/", plain)]
