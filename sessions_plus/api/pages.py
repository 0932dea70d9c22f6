"""Lists in pages. Each is found by where the last one ended, so the thousandth is as fast."""

from __future__ import annotations

from django.utils.translation import gettext as _
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request

MAX_PAGE_SIZE = 200
MAX_DIGITS = 19
"""Of a primary key: what is longer fits into no column."""
NOTHING = Cursor(offset=0, reverse=False, position=None)


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
        is_number = is_count(given, max_digits=len(str(MAX_PAGE_SIZE)))
        if not is_number or not 1 <= int(given) <= MAX_PAGE_SIZE:
            raise ValidationError({"page_size": [_("Write a number from 1 to 200.")]})
        return int(given)

    def decode_cursor(self, request: Request) -> Cursor | None:
        """
        Return where the page begins. Unlike the library, refuse what is no position.

        There, whatever text a cursor holds is compared with the primary key.
        """
        try:
            cursor: Cursor | None = super().decode_cursor(request)
        except NotFound:
            raise _no_cursor() from None
        # What is no base64 at all decodes to nothing, which would be the first page again.
        if cursor == NOTHING and request.query_params[self.cursor_query_param]:
            raise _no_cursor()
        position = cursor.position if cursor is not None else None
        if position is not None and not is_count(str(position), max_digits=MAX_DIGITS):
            raise _no_cursor()
        return cursor


def is_count(text: str, *, max_digits: int) -> bool:
    """Say whether a text is a number as our links write it: no sign, no other script's digits."""
    return text.isascii() and text.isdigit() and len(text) <= max_digits


def _no_cursor() -> ValidationError:
    return ValidationError({"cursor": [_("Follow the links of a page: this is none of them.")]})
