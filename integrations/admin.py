"""The integrations team's pages on clients and requests. Secrets are made in the portal and shown nowhere."""

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
from integrations.models import ApiRequest, Client, ClientSecret
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
