"""
What the filters of a list let through, as a file: CSV for a spreadsheet, JSON lines for a program.

A file has every row, however old, where the list stops after the newest; it is read and sent in
parts. Invariant for whoever edits this: only columns that a class names leave, and none is a
secret.
"""

from __future__ import annotations

import csv
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import TypeVar, cast
from uuid import UUID

from asgiref.sync import sync_to_async
from django.core.exceptions import PermissionDenied
from django.core.handlers.asgi import ASGIRequest
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from sessions_plus.admin.listing import BoundedChangeList, ReadOnlyAdmin
from sessions_plus.models import Device
from sessions_plus.moments import in_local

M = TypeVar("M", bound=models.Model)

READ_AT_ONCE = 500
CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl; charset=utf-8"}

# A spreadsheet takes a cell that begins with one of these for a formula (OWASP, CSV Injection):
# the last four are the wide forms of the first, as keyboards for Chinese and Japanese have them.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class Line:
    """A file that hands each line over, for the writer of CSV."""

    def write(self, line: str) -> str:
        return line


class DownloadableAdmin(ReadOnlyAdmin):
    """A list whose filtered rows can be downloaded; ``downloaded`` names the columns."""

    downloaded: tuple[str, ...] = ()
    change_list_template = "admin/sessions_plus/downloadable_list.html"

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.download)
        return [path("download.<str:kind>", view, name=self._url_name), *super().get_urls()]

    @property
    def _url_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_download"

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        links = {
            kind: reverse(f"admin:{self._url_name}", args=[kind], current_app=self.admin_site.name)
            for kind in CONTENT_TYPES
        }
        context = {"download_links": links, "query": request.GET.urlencode()}
        return super().changelist_view(request, context | (extra_context or {}))

    def download(self, request: HttpRequest, kind: str) -> StreamingHttpResponse:
        """Send every row that the filters and the search in the address let through."""
        if kind not in CONTENT_TYPES:
            raise Http404
        if not self.has_view_permission(request):
            raise PermissionDenied
        listed = cast(BoundedChangeList, self.get_changelist_instance(request))
        rows = listed.everything(request)
        lines = self._as_csv(rows) if kind == "csv" else self._as_json_lines(rows)
        sent = _in_threads(lines) if isinstance(request, ASGIRequest) else lines
        response = StreamingHttpResponse(sent, content_type=CONTENT_TYPES[kind])
        name = f"{self.opts.model_name}s-{in_local(timezone.now()):%Y-%m-%d}.{kind}"
        response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        response.headers["Cache-Control"] = "no-store, private"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response

    def _as_csv(self, rows: models.QuerySet[models.Model]) -> Iterator[str]:
        writer = csv.writer(Line())
        yield writer.writerow(self.downloaded)
        for facts in self._facts(rows):
            yield writer.writerow(map(_no_formula, facts.values()))

    def _as_json_lines(self, rows: models.QuerySet[models.Model]) -> Iterator[str]:
        for facts in self._facts(rows):
            yield json.dumps(facts) + "\n"

    def _facts(self, rows: models.QuerySet[models.Model]) -> Iterator[Mapping[str, object]]:
        for row in _newest_first(rows):
            yield {name: _plain(getattr(row, name)) for name in self.downloaded}


def _newest_first(rows: models.QuerySet[M]) -> Iterator[M]:
    """
    Yield all rows, some hundred at a time, each part after the key at which the last ended.

    Not by ``iterator()``: MySQL, and PostgreSQL behind a pooler, hand it everything at once.
    """
    rows = rows.order_by("-pk")
    part = list(rows[:READ_AT_ONCE])
    while part:
        yield from part
        part = list(rows.filter(pk__lt=part[-1].pk)[:READ_AT_ONCE])


async def _in_threads(lines: Iterator[str]) -> AsyncIterator[str]:
    """Yield the same under ASGI, where Django would keep the whole file in memory first."""
    take = sync_to_async(lambda: list(islice(lines, READ_AT_ONCE)))
    while some := await take():
        yield "".join(some)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Device):
        return value.label
    if isinstance(value, models.Model):
        return str(value)
    return str(value) if isinstance(value, UUID) else value


def _no_formula(value: object) -> object:
    is_formula = isinstance(value, str) and value.startswith(FORMULA_SIGNS)
    return f"'{value}" if is_formula else value
