"""The site with an admin that asks for a second factor."""

from __future__ import annotations

from django.urls import path
from django.utils.module_loading import import_string

from .urls import urlpatterns as of_the_site

site = import_string("two_factor.admin.AdminSiteOTPRequired")(name="otp_admin")
urlpatterns = [*of_the_site, path("otp_admin/", site.urls)]
