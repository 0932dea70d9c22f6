"""What the shop sells. It has no stock, so it needs no table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True, slots=True)
class Product:
    """
    One thing to buy.

    ``price`` is in cents of a euro. The drawing is a template named after ``slug``, and
    ``tint`` (1 to 4) is the colour it stands on.
    """

    slug: str
    name: str | Promise
    note: str | Promise
    price: int
    tint: int

    @property
    def art(self) -> str:
        return f"shop/art/{self.slug}.svg"


PRODUCTS: Mapping[str, Product] = MappingProxyType(
    {
        product.slug: product
        for product in (
            Product("kettle", _("Gooseneck kettle"), _("Pours where you look"), 6400, 1),
            Product("cup", _("Stoneware cup"), _("Holds two hands and tea"), 1800, 2),
            Product("bowl", _("Fig bowl"), _("Wide, shallow, rarely empty"), 3900, 3),
            Product("vase", _("Bud vase"), _("For one branch at a time"), 2400, 4),
            Product("lamp", _("Reading lamp"), _("Bends to chapter and verse"), 8900, 3),
            Product("board", _("Oak board"), _("Oiled twice, cut once"), 3200, 1),
            Product("cloth", _("Linen cloth"), _("Gets better with spilling"), 1450, 4),
            Product("candle", _("Beeswax candle"), _("Forty evenings, give or take"), 1250, 1),
        )
    }
)
