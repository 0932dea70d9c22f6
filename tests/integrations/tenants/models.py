"""Whom the site is let to."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.module_loading import import_string

TenantMixin: Any = import_string("django_tenants.models.TenantMixin")
DomainMixin: Any = import_string("django_tenants.models.DomainMixin")


class Tenant(TenantMixin):
    name = models.CharField(max_length=100)
    auto_create_schema = True


class Domain(DomainMixin):
    pass
