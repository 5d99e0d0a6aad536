"""What the admin pages of the integrations team have in common."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from unfold.admin import ModelAdmin, TabularInline

from track360 import audit
from track360.models import Environment, Partner

COUNTED_UP_TO = 10_000


class CappedPaginator(Paginator):
    """Counts to 10,000 and no further: an exact count of millions of rows would be read from the table each time."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:COUNTED_UP_TO].count()


class EnvironmentFilter(admin.SimpleListFilter):
    """All environments by name, read at once; Django's own filter would ask for each partner by itself."""

    title = "environment"
    parameter_name = "environment"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        environments = Environment.objects.select_related("partner").order_by("partner__slug", "-kind")
        return [(str(environment.pk), str(environment)) for environment in environments]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = str(self.value() or "")
        if not value:
            return queryset
        if not value.isdecimal() or len(value) > 18:
            return queryset.none()
        return queryset.filter(environment_id=int(value))


class TeamAccess:
    """Everybody of the integrations team (`is_staff`) may do what the page offers; Django's permissions are unused."""

    def _on_the_team(self, request: HttpRequest) -> bool:
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self._on_the_team(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._on_the_team(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._on_the_team(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._on_the_team(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self._on_the_team(request)


class ReadOnly(TeamAccess):
    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class TeamAdmin(TeamAccess, ModelAdmin):
    """A page whose changes are audited: the fields that changed, never their values."""

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._audit(request, obj, verb="created", changes=message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        self._audit(request, obj, verb="changed", changes=message)
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        for obj in queryset:
            self._audit(request, obj, verb="deleted", changes=[])
        return super().log_deletions(request, queryset)

    def _audit(self, request: HttpRequest, obj: Model, *, verb: str, changes: Any) -> None:
        audit.record(
            f"{obj._meta.model_name}.{verb}",
            actor=request.user,  # type: ignore[arg-type]
            partner=obj if isinstance(obj, Partner) and obj.pk else getattr(obj, "partner", None),
            target=str(obj),
            through="admin",
            changes=changes,
        )


class ReadOnlyAdmin(ReadOnly, ModelAdmin):
    """Rows that only the product itself writes, in tables that may be large."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50
    sortable_by: list[str] = []  # an order without an index would sort the whole table
    actions: ClassVar[Sequence[Any] | None] = None

    def found_by(self, model: type[Model], **key: Any) -> list[tuple[int, Any]]:
        """(environment id, id) of the rows with that key, in all environments, by the index that starts with them."""
        environments = list(Environment.objects.values_list("pk", flat=True))
        rows = model._default_manager.filter(environment_id__in=environments, **key).order_by()
        return list(rows.values_list("environment_id", "pk")[:COUNTED_UP_TO])

    def by_uuid(self, queryset: QuerySet[Any], term: str) -> QuerySet[Any]:
        """The row whose id the term is, where the box is not empty."""
        if not term.strip():
            return queryset
        try:
            return queryset.filter(pk=uuid.UUID(term.strip()))
        except ValueError:
            return queryset.none()


class ReadOnlyInline(ReadOnly, TabularInline):
    extra = 0


class TeamInline(TeamAccess, TabularInline):
    extra = 0
