"""The cart: quantities by product, in the session of whoever shops, signed in or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.sessions.backends.base import SessionBase

from demo_project.shop.products import PRODUCTS, Product

KEY = "cart"
MOST_OF_ONE = 20


@dataclass(frozen=True, slots=True)
class Line:
    product: Product
    quantity: int

    @property
    def price(self) -> int:
        return self.product.price * self.quantity


class Cart:
    """
    A view of ``session["cart"]``, ``{"cup": 2}``.

    Reading it makes no session for a visitor who only looks. ``login()`` keeps an
    anonymous session's dictionary, and with it the cart.
    """

    def __init__(self, session: SessionBase) -> None:
        self.session = session

    @property
    def quantities(self) -> dict[str, int]:
        stored = self.session.get(KEY, {})
        return {slug: quantity for slug, quantity in stored.items() if slug in PRODUCTS}

    def __iter__(self) -> Iterator[Line]:
        return (Line(PRODUCTS[slug], quantity) for slug, quantity in self.quantities.items())

    def __len__(self) -> int:
        """How many things are in it, each of several alike counted."""
        return sum(self.quantities.values())

    @property
    def price(self) -> int:
        """In cents of a euro."""
        return sum(line.price for line in self)

    def add(self, product: Product) -> None:
        self.put(product, self.quantities.get(product.slug, 0) + 1)

    def put(self, product: Product, quantity: int) -> None:
        """Let there be so many of one product; none takes it out."""
        quantities = {**self.quantities, product.slug: min(quantity, MOST_OF_ONE)}
        if quantity < 1:
            del quantities[product.slug]
        # Assigned, as a session does not notice what changes inside its values.
        self.session[KEY] = quantities

    def empty(self) -> None:
        self.session.pop(KEY, None)
