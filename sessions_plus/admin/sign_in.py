"""Staff sign in by passkey on the admin's own page."""

from __future__ import annotations

from django.contrib import admin

TEMPLATE = "admin/sessions_plus/login.html"


def offer_passkeys(site: admin.AdminSite) -> None:
    """
    Show the button on this site's sign-in page.

    It extends whatever ``admin/login.html`` the project has. A site that names a template of its
    own is left alone: ``{% passkey_sign_in next %}`` is for it to write there.
    """
    if site.login_template is None:
        site.login_template = TEMPLATE
