"""What can be listed of each entity: its table, its filters, and the order that goes with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from entities.models import Activity, Customer, Entity, Record, Transaction

Filters = dict[str, Any]
UPDATED_SINCE = "updated_since"


@dataclass(frozen=True)
class Listing:
    """The list of one entity. `exact` columns are compared for equality; the range is half-open on `date_column`."""

    entity: Entity
    model: type[Record]
    date_column: str
    range_names: tuple[str, str]
    exact: tuple[str, ...]

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    def order(self, filters: Filters) -> tuple[str, ...]:
        """The columns of the order (contract, section 3); the last is always the id."""
        if UPDATED_SINCE in filters:
            return ("updated_at", "id")
        if any(name in filters for name in self.range_names):
            return (self.date_column, "id")
        return ("id",)

    def conditions(self, filters: Filters, *, row: str) -> tuple[str, list[Any]]:
        """The filters as SQL over the row named `row`, each condition led by AND, and their parameters."""
        first, last = self.range_names
        operators = {
            first: f"{row}.{self.date_column} >=",
            last: f"{row}.{self.date_column} <",
            UPDATED_SINCE: f"{row}.updated_at >=",
            **{name: f"{row}.{name} =" for name in self.exact},
        }
        sql = "".join(f" AND {operators[name]} %s" for name in filters)
        return sql, list(filters.values())


LISTINGS = {
    listing.entity: listing
    for listing in (
        Listing(
            Entity.CUSTOMERS,
            Customer,
            "signup_date",
            ("signup_from", "signup_to"),
            ("affiliate_id", "campaign_id", "country_code", "kyc_status_id"),
        ),
        Listing(
            Entity.TRANSACTIONS,
            Transaction,
            "transaction_date",
            ("from", "to"),
            ("customer_id", "transaction_type", "status", "currency"),
        ),
        Listing(
            Entity.ACTIVITY,
            Activity,
            "date",
            ("from", "to"),
            ("customer_id", "game_type", "currency"),
        ),
    )
}
