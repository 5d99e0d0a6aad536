"""The integrations team's pages on clients, requests and what is fetched. Secrets are shown nowhere."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from oauth2_provider.models import (
    get_access_token_model,
    get_grant_model,
    get_id_token_model,
    get_refresh_token_model,
)
from unfold.decorators import action

from integrations.clients import revoke_client
from integrations.models import ApiRequest, Client, ClientSecret, Connection, DayTotals, Feed, SyncRun
from track360.team_admin import EnvironmentFilter, ReadOnlyAdmin, ReadOnlyInline

# The OAuth library registers pages of its own, with tokens on them.
for model in (
    Client,
    get_access_token_model(),
    get_grant_model(),
    get_id_token_model(),
    get_refresh_token_model(),
):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


class ClientSecretInline(ReadOnlyInline):
    model = ClientSecret
    fields = ["ending", "created_at", "expires_at", "revoked_at", "last_used_at"]
    readonly_fields = ["ending"]

    @admin.display(description="ends in")
    def ending(self, secret: ClientSecret) -> str:
        return f"…{secret.last_four}"


@admin.register(Client)
class ClientAdmin(ReadOnlyAdmin):
    list_display = ["name", "client_id", "environment", "allowed_scopes", "created", "revoked_at"]
    list_filter = [EnvironmentFilter]
    list_select_related = ["environment__partner"]
    search_fields = ["=client_id", "name"]
    fields = [
        "name",
        "client_id",
        "environment",
        "allowed_scopes",
        "allowed_ip_ranges",
        "created_by",
        "created",
        "revoked_at",
    ]
    inlines = [ClientSecretInline]
    ordering = ["-created", "-id"]
    actions = ["revoke"]

    @action(description="Revoke: ends the client's secrets and tokens at once", permissions=["view"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[Client]) -> None:
        for client in queryset:
            revoke_client(client, actor=request.user, ip=request.META.get("REMOTE_ADDR"))  # type: ignore[arg-type]
        self.message_user(request, "Revoked: the very next request with their tokens gets 401.")


@admin.register(ApiRequest)
class ApiRequestAdmin(ReadOnlyAdmin):
    list_display = [
        "at",
        "environment",
        "method",
        "path",
        "status",
        "error_code",
        "received",
        "rejected",
        "duration_ms",
        "client_id",
    ]
    list_filter = [EnvironmentFilter]
    list_select_related = ["environment__partner"]
    ordering = ["-environment_id", "-at", "-id"]
    search_fields = ["=id"]
    search_help_text = "An X-Request-ID"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return self.by_uuid(queryset, search_term), False


class FeedInline(ReadOnlyInline):
    model = Feed
    fields = ["entity", "pattern", "every_minutes", "daily_at", "cursor", "is_on", "paused_at", "removed_at"]
    show_change_link = True


@admin.register(Connection)
class ConnectionAdmin(ReadOnlyAdmin):
    """To look at: the portal changes them. Of the secret only since when it stands."""

    list_display = ["name", "environment", "kind", "place", "is_on", "passed_at", "removed_at"]
    list_filter = [EnvironmentFilter, "kind", "is_on"]
    list_select_related = ["environment__partner"]
    search_fields = ["name", "base_url", "host"]
    exclude = ["sealed_secret"]
    inlines = [FeedInline]
    ordering = ["-created_at", "-id"]

    @admin.display(description="leads to")
    def place(self, connection: Connection) -> str:
        return connection.host if connection.is_sql else connection.base_url


@admin.register(Feed)
class FeedAdmin(ReadOnlyAdmin):
    list_display = ["entity", "environment", "connection", "pattern", "is_on", "cursor", "next_run_at", "paused_at"]
    list_filter = [EnvironmentFilter, "entity", "pattern", "is_on"]
    list_select_related = ["environment__partner", "connection"]
    ordering = ["-created_at", "-id"]


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnlyAdmin):
    list_display = [
        "due_at",
        "environment",
        "entity",
        "kind",
        "state",
        "read",
        "created",
        "updated",
        "rejected",
        "problem_party",
    ]
    list_filter = [EnvironmentFilter, "entity", "kind", "state"]
    list_select_related = ["environment__partner"]
    exclude = ["lease_token"]
    ordering = ["-environment_id", "-due_at", "-id"]
    search_fields = ["=id"]
    search_help_text = "A run's id"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return self.by_uuid(queryset, search_term), False


@admin.register(DayTotals)
class DayTotalsAdmin(ReadOnlyAdmin):
    list_display = ["day", "environment", "entity", "side", "origin", "at"]
    list_filter = [EnvironmentFilter, "entity", "side"]
    list_select_related = ["environment__partner"]
    ordering = ["-environment_id", "-day", "-id"]
