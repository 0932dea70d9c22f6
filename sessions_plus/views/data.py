"""A person's copy of what is kept of them."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import IO

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone

from sessions_plus.decorators import reauthentication_required
from sessions_plus.events import record, written
from sessions_plus.models import Event
from sessions_plus.named_types import PersonRequest
from sessions_plus.privacy.export import write_archive
from sessions_plus.views.protection import ask, current_public_id

PAUSE = timedelta(days=1)
"""How long after a download the next one has to wait: making one reads all that there is."""

IN_MEMORY_BYTES = 1_000_000
PART_BYTES = 65_536


@ask
@reauthentication_required(factors="all")
def data_download(request: PersonRequest) -> HttpResponseBase:
    """Tell what the copy holds, and send it: once a day, after a proof of all factors."""
    now = timezone.now()
    again_at = _again_at(request, now)
    if request.method != "POST" or again_at is not None:
        context = {"user": request.user, "tab": "activity", "again_at": again_at}
        return render(request, "sessions_plus/data_download.html", context)
    record(
        Event.DATA_EXPORTED,
        user=request.user,
        session_public_id=current_public_id(request),
        client=request.client_info,
    )
    return _send(request, now)


def _again_at(request: PersonRequest, now: datetime) -> datetime | None:
    """Return when the next copy may be made; None: now."""
    own = written().for_user(request.user)
    made = own.filter(event=Event.DATA_EXPORTED, reason="", at__gt=now - PAUSE).order_by("-pk")
    at = made.values_list("at", flat=True).first()
    return at + PAUSE if at is not None else None


def _send(request: PersonRequest, now: datetime) -> StreamingHttpResponse:
    file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES)  # noqa: SIM115 - the response closes it
    write_archive(request.user, file, now=now)
    file.seek(0)
    response = FileResponse(
        file,
        as_attachment=True,
        filename=f"account-data-{now:%Y-%m-%d}.zip",
        content_type="application/zip",
    )
    if isinstance(request, ASGIRequest):
        response.streaming_content = Parts(file)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


class Parts:
    """A file's parts for an event loop, which must not wait for a disk."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while part := await sync_to_async(self.file.read)(PART_BYTES):
            yield part

    def close(self) -> None:
        """Called when the response is over, whatever was read of it."""
        self.file.close()
