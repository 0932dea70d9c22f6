"""What happened to one's account: one's own events."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import render

from sessions_plus.models import SessionEvent
from sessions_plus.rows import session_row
from sessions_plus.views.protection import PersonRequest, page

EVENTS_PER_PAGE = 25


@page
def event_list(request: PersonRequest) -> HttpResponse:
    """Show the newest first. A page number that is none, or too high, shows the nearest page."""
    events = SessionEvent.objects.using(session_row.database()).shown_to(request.user)
    paginator = Paginator(events.select_related("device").order_by("-id"), EVENTS_PER_PAGE)
    context = {
        "events": paginator.get_page(request.GET.get("page")),
        "user": request.user,
        "tab": "activity",
    }
    return render(request, "sessions_plus/event_list.html", context)
