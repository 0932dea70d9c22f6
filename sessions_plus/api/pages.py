"""Lists in pages. Each is found by where the last one ended, so the thousandth is as fast."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request

MAX_PAGE_SIZE = 200


class Pages(CursorPagination):
    """``{"next": …, "previous": …, "results": […]}``, the newest first."""

    page_size = 50
    page_size_query_param = "page_size"
    ordering = "-id"

    def get_page_size(self, request: Request) -> int:
        """Return the size asked for. Unlike the library, refuse what is none."""
        given = request.query_params.get(self.page_size_query_param)
        if given is None:
            return self.page_size
        is_number = given.isascii() and given.isdigit() and len(given) <= len(str(MAX_PAGE_SIZE))
        if not is_number or not 1 <= int(given) <= MAX_PAGE_SIZE:
            raise ValidationError({"page_size": [_("Write a number from 1 to 200.")]})
        return int(given)
