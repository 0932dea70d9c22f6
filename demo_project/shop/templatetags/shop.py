"""Prices as people read them."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format

register = template.Library()

# What one euro is worth in the shop: a made-up rate, as nobody pays.
RATES = {"EUR": Decimal(1), "GBP": Decimal("0.85"), "USD": Decimal("1.10")}
SIGNS = {"EUR": "€", "GBP": "£", "USD": "$"}


@register.filter
def money(cents: int, currency: str) -> str:
    """Write a price in cents of a euro in another currency: ``£15.30``."""
    amount = Decimal(cents) / 100 * RATES[currency]
    return f"{SIGNS[currency]}{number_format(amount, decimal_pos=2, force_grouping=True)}"
