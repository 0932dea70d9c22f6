"""Lists in pages. Each is found by where the last one ended, so the thousandth is as fast."""

from __future__ import annotations

from rest_framework.pagination import CursorPagination


class Pages(CursorPagination):
    """``{"next": …, "previous": …, "results": […]}``, the newest first."""

    page_size = 50
    page_size_query_param = "page_size"
    max_page_size = 200
    ordering = "-id"
