"""
Lists that stay fast over millions of rows, and that only show.

The invariant: a page is a fixed number of queries, and none of them counts or sorts a whole table.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db import models, router
from django.db.models import Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from sessions_plus.named_types import UserId

if TYPE_CHECKING:  # generic for the type checker only
    AnyPaginator = Paginator[models.Model]
    AnyAdmin = admin.ModelAdmin[Any]  # of any model
else:
    AnyPaginator, AnyAdmin = Paginator, admin.ModelAdmin

Rows = models.QuerySet[Any]  # of the model that a class lists

# More rows than this nobody leafs through; who looks for older ones searches.
COUNTED_ROWS = 10_000

# As many of the newest rows are looked through where no index helps: by most filters, and in an
# order of their own. A whole table of a million takes a second.
LOOKED_THROUGH = 20_000

# More people than this share no useful beginning of their name.
FOUND_USERS = 100


class BoundedPaginator(AnyPaginator):
    """Counts no further than ``COUNTED_ROWS``: an exact count reads the whole table."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        if isinstance(rows, models.QuerySet):
            return rows.order_by().values("pk")[:COUNTED_ROWS].count()
        return len(rows)


class BoundedChangeList(ChangeList):
    """
    The rows that are asked for, among the newest ``LOOKED_THROUGH`` where no index narrows them.

    ``is_cut``: older rows were not looked at, of which the page tells.
    """

    is_cut = False

    def get_queryset(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> Rows:
        rows = self.everything(request, exclude_parameters)
        narrowing = self.model_admin.narrowing  # type: ignore[attr-defined]  # of ReadOnlyAdmin
        if self.query or any(name in self.params for name in narrowing):
            return rows
        if not self.get_filters_params() and not self._is_ordered(rows):
            return rows
        floor = floor_of(self.model, self.root_queryset.db)
        self.is_cut = floor is not None
        return rows.filter(pk__gt=floor) if self.is_cut else rows

    def everything(
        self, request: HttpRequest, exclude_parameters: list[str | None] | None = None
    ) -> Rows:
        """Return whatever the filters and the search let through, however old."""
        return super().get_queryset(request, exclude_parameters)

    def _is_ordered(self, rows: Rows) -> bool:
        return rows.query.order_by[:1] not in (("-id",), ("-pk",), ("id",), ("pk",))


def floor_of(model: type[models.Model], alias: str) -> int | None:
    """Return the key up to which rows are too old to look through; None: there are not so many."""
    keys = model._default_manager.using(alias).order_by("-pk").values_list("pk", flat=True)
    return next(iter(keys[LOOKED_THROUGH : LOOKED_THROUGH + 1]), None)


class ReadOnlyAdmin(AnyAdmin):
    """
    A list and a page for each row, and nothing to write.

    ``people`` names the foreign keys to users; ``uuid_field`` and ``ip_address_field``
    what a search term that is a UUID or an IP address is looked up in ("" for nothing);
    ``narrowing`` the parameters of a list's address that an index answers.
    """

    people: tuple[str, ...] = ("user",)
    uuid_field = "public_id"
    ip_address_field = "ip_address"
    narrowing: tuple[str, ...] = ("user",)

    change_list_template = "admin/sessions_plus/bounded_list.html"
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    # Not False: then Django would join the users that a column shows.
    list_select_related = ()
    ordering = ("-id",)
    # What a column is sorted by has to be of the newest rows alone.
    sortable_by: ClassVar[tuple[str, ...]] = ()
    # Shows the search box; what is searched stands in get_search_results().
    search_fields = ("pk",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def get_changelist(self, request: HttpRequest, **kwargs: object) -> type[ChangeList]:
        return BoundedChangeList

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        context = {"looked_through": LOOKED_THROUGH}
        return super().changelist_view(request, context | (extra_context or {}))

    def get_queryset(self, request: HttpRequest) -> Rows:
        return with_people(super().get_queryset(request), self.people)

    def get_search_results(
        self, request: HttpRequest, queryset: Rows, search_term: str
    ) -> tuple[Rows, bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        return queryset.filter(self._condition(term)), False

    def _condition(self, term: str) -> Q:
        """Each kind of term becomes one comparison of one column."""
        public_id = _uuid_in(term)
        if public_id is not None:
            return Q((self.uuid_field, public_id))
        address = _address_in(term)
        if address is not None and self.ip_address_field:
            return Q((self.ip_address_field, address))
        return Q(user_id__in=user_ids_like(term))


def with_people(queryset: Rows, fields: Iterable[str]) -> Rows:
    """
    Fetch the users that ``fields`` point to with one query for each field.

    No join, as sessions may live in another database than users; a user who is gone
    reads as None.
    """
    users = get_user_model()._base_manager.using(_users_database())
    return queryset.prefetch_related(*(Prefetch(name, queryset=users.all()) for name in fields))


def user_ids_like(term: str) -> list[UserId]:
    """
    Return the keys of users whose e-mail address is ``term``, or whose name begins with it.

    At most ``FOUND_USERS``, as values rather than as a subquery: MySQL has no limit in
    those, and users may live in another database. The beginning of a name is what its
    index can find.
    """
    model = get_user_model()
    name = f"{model.USERNAME_FIELD}__startswith"
    condition = Q((name, term)) | Q((name, term.lower()))
    email_field = model.get_email_field_name()
    if "@" in term and email_field in {field.name for field in model._meta.get_fields()}:
        condition |= Q((f"{email_field}__iexact", term))
    users = model._base_manager.using(_users_database()).filter(condition)
    return list(users.values_list("pk", flat=True)[:FOUND_USERS])


def _users_database() -> str:
    return router.db_for_read(get_user_model())


def _uuid_in(term: str) -> UUID | None:
    try:
        return UUID(term)
    except ValueError:
        return None


def _address_in(term: str) -> str | None:
    try:
        return str(ip_address(term))
    except ValueError:
        return None


SEARCH_HELP = _(
    "The beginning of a user name, a whole e-mail address, an IP address, or a public id."
)
