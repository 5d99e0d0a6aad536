"""The integrations team's pages on records and what explains them. Records are looked at here, never changed."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from entities.codes import is_currency
from entities.fx import DAYS_BACK
from entities.models import (
    Activity,
    Affiliate,
    Batch,
    Customer,
    FxRate,
    QuarantinedRecord,
    SeenStatus,
    StatusMapping,
    Transaction,
)
from entities.tasks import fill_missing_rates
from track360.team_admin import EnvironmentFilter, ReadOnlyAdmin, TeamAdmin


class RecordAdmin(ReadOnlyAdmin):
    """Records of all partners, in the order of their primary key, which starts with the environment.

    `found_in` are the indexed fields by which the search finds a whole id of the partner's.
    """

    ordering = ["-environment_id", "-id"]
    list_filter = [EnvironmentFilter]
    list_select_related = ["environment__partner"]
    search_fields = ["pk"]  # shows the box; what it finds is decided below
    found_in: tuple[str, ...] = ()

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        if not object_id.isdecimal() or len(object_id) > 18:
            return None
        found = self.found_by(self.model, id=int(object_id))
        if not found:
            return None
        environment, record_id = found[0]
        return self.get_queryset(request).get(environment_id=environment, id=record_id)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        found = [key for field in self.found_in for key in self.found_by(self.model, **{field: term})]
        environments = {environment for environment, _ in found}
        ids = {record_id for _, record_id in found}
        return queryset.filter(environment_id__in=environments, id__in=ids), False


@admin.register(Customer)
class CustomerAdmin(RecordAdmin):
    list_display = [
        "customer_id",
        "environment",
        "affiliate_id",
        "country_code",
        "kyc_status_id",
        "sales_status_id",
        "signup_date",
        "updated_at",
    ]
    found_in = ("customer_id",)
    search_help_text = "A whole customer_id"


@admin.register(Transaction)
class TransactionAdmin(RecordAdmin):
    list_display = [
        "transaction_id",
        "environment",
        "customer_id",
        "transaction_type",
        "amount_currency",
        "currency",
        "amount_usd",
        "status",
        "transaction_date",
    ]
    found_in = ("transaction_id", "customer_id")
    search_help_text = "A whole transaction_id or customer_id"


@admin.register(Activity)
class ActivityAdmin(RecordAdmin):
    list_display = [
        "date",
        "environment",
        "customer_id",
        "game_type",
        "currency",
        "total_bets",
        "wins",
        "ggr",
        "ngr",
    ]
    found_in = ("customer_id",)
    search_help_text = "A whole customer_id"


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin):
    list_display = [
        "started_at",
        "environment",
        "entity",
        "door",
        "refused",
        "received",
        "created",
        "updated",
        "unchanged",
        "stale",
        "rejected",
    ]
    list_display_links = ["started_at"]
    list_filter = [EnvironmentFilter, "entity", "door", "refused"]
    list_select_related = ["environment__partner"]
    ordering = ["-environment_id", "-started_at", "-id"]
    search_fields = ["pk"]
    search_help_text = "A batch's id"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return self.by_uuid(queryset, search_term), False


@admin.register(QuarantinedRecord)
class QuarantinedRecordAdmin(ReadOnlyAdmin):
    list_display = ["received_at", "environment", "entity", "key", "code", "field", "state"]
    list_filter = [EnvironmentFilter, "entity", "code", "state"]
    list_select_related = ["environment__partner"]
    ordering = ["-environment_id", "-id"]


@admin.register(SeenStatus)
class SeenStatusAdmin(ReadOnlyAdmin):
    list_display = ["raw_value", "field", "environment", "first_seen_at"]
    list_filter = [EnvironmentFilter, "field"]
    list_select_related = ["environment__partner"]
    ordering = ["-environment_id", "field", "raw_value"]


@admin.register(StatusMapping)
class StatusMappingAdmin(ReadOnlyAdmin):
    """To look at: the portal's mapping page changes it, and keeps what was before."""

    list_display = ["raw_value", "field", "canonical_value", "partner", "updated_at"]
    list_filter = ["partner", "field"]
    list_select_related = ["partner"]
    search_fields = ["=raw_value"]
    ordering = ["partner__name", "field", "raw_value"]


@admin.register(Affiliate)
class AffiliateAdmin(ReadOnlyAdmin):
    list_display = ["affiliate_id", "name", "partner", "created_at"]
    list_filter = ["partner"]
    list_select_related = ["partner"]
    search_fields = ["=affiliate_id", "name"]
    ordering = ["partner__name", "affiliate_id"]


class RateForm(forms.ModelForm):
    class Meta:
        model = FxRate
        fields = ("currency", "day", "usd_rate")

    def clean_currency(self) -> str:
        currency = str(self.cleaned_data["currency"]).upper()
        if currency == "USD":
            raise forms.ValidationError("A dollar is a dollar on every day.")
        if not is_currency(currency, timezone.now().date()):
            raise forms.ValidationError("Write an ISO 4217 code such as EUR.")
        return currency

    def clean_day(self) -> dt.date:
        day: dt.date = self.cleaned_data["day"]
        if day > timezone.now().date():
            raise forms.ValidationError("A rate is of today or of a day that has been.")
        return day

    def clean_usd_rate(self) -> Decimal:
        rate: Decimal = self.cleaned_data["usd_rate"]
        if not 0 < rate < 10:
            raise forms.ValidationError("US dollars for one unit: more than 0, less than 10.")
        return rate


@admin.register(FxRate)
class FxRateAdmin(TeamAdmin):
    """The bank's rates are shown; the team enters its own, which win on their day. Amounts without dollars follow."""

    form = RateForm
    list_display = ["currency", "day", "source", "usd_rate"]
    list_filter = ["source"]
    search_fields = ["=currency"]
    search_help_text = f"A currency. A rate counts for its day and the {DAYS_BACK} that follow, until a newer one."
    ordering = ["-day", "currency", "source"]
    show_full_result_count = False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request) and (obj is None or obj.source == FxRate.Source.MANUAL)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_change_permission(request, obj) and obj is not None

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        transaction.on_commit(fill_missing_rates.delay, robust=True)
