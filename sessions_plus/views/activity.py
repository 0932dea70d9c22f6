"""What happened to one's account: one's own events."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from sessions_plus.devices.activity import Topic, acts_of, in_rows
from sessions_plus.named_types import PersonRequest
from sessions_plus.views.protection import page

EVENTS_PER_PAGE = 25


@page
def event_list(request: PersonRequest) -> HttpResponse:
    """
    Show the newest first, all or those of a topic.

    A page number that is none, or too high, shows the nearest page.
    """
    topic = _topic(request)
    events = acts_of(request.user, topic)
    pages = Paginator(events, EVENTS_PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "pages": pages,
        "acts": in_rows(request.user, list(pages)),
        "topics": Topic,
        "topic": topic,
        "user": request.user,
        "tab": "activity",
    }
    return render(request, "sessions_plus/event_list.html", context)


def _topic(request: HttpRequest) -> Topic | None:
    asked = request.GET.get("topic")
    return Topic(asked) if asked in Topic.values else None
