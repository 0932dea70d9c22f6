"""What every page of the demo shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from demo_project.shop.cart import Cart
from demo_project.shop.preferences import Preferences


def shop(request: HttpRequest) -> dict[str, Any]:
    return {
        "cart": Cart(request.session),
        "preferences": getattr(request, "preferences", Preferences()),
    }
