"""A session or a device ended from its own page, with a question before it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse

from sessions_plus.admin.listing import ReadOnlyAdmin
from sessions_plus.admin.questions import Question, ask
from sessions_plus.admin.revoking import may_revoke
from sessions_plus.named_types import Words


class EndableAdmin(ReadOnlyAdmin):
    """
    Adds "End" to the page of what staff may end.

    ``end_label`` says what the link does; ``why_not()`` what keeps staff from it, if anything.
    """

    end_label: Words = ""
    change_form_template = "admin/sessions_plus/endable.html"

    def why_not(self, request: HttpRequest, row: Any) -> str | None:  # of the class's model
        raise NotImplementedError

    def question(self, row: Any) -> Question:  # the same
        raise NotImplementedError

    def end(self, request: HttpRequest, row: Any) -> None:  # the same
        raise NotImplementedError

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.end_view)
        return [path("<path:object_id>/end/", view, name=self._end_name), *super().get_urls()]

    @property
    def _end_name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_end"

    def _url(self, name: str, object_id: str) -> str:
        return reverse(f"admin:{name}", args=[object_id], current_app=self.admin_site.name)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        context: dict[str, object] = {"end_label": self.end_label}
        if row is not None and may_revoke(request) and self.why_not(request, row) is None:
            context["end_url"] = self._url(self._end_name, object_id)
        return super().change_view(request, object_id, form_url, context | (extra_context or {}))

    def end_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, and with a POST end it."""
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row) or not may_revoke(request):
            raise PermissionDenied
        if row is None:
            raise Http404
        page = self._url(f"{self.opts.app_label}_{self.opts.model_name}_change", object_id)
        reason = self.why_not(request, row)
        if reason is not None:
            self.message_user(request, reason, messages.WARNING)
            return HttpResponseRedirect(page)
        if request.method != "POST":
            return ask(request, self.admin_site, self.model, self.question(row), back=page)
        self.end(request, row)
        return HttpResponseRedirect(page)
