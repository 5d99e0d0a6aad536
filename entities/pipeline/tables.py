"""How the entities are stored, and what makes two versions of a record the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from entities.models import Entity
from entities.pipeline.duplicates import KEYS


@dataclass(frozen=True)
class Table:
    """How an entity is stored. `columns` are those that a batch fills, with their types.

    `computed` are those that follow from what was sent. `sent` are the guide's fields as the partner sent them (where
    we compute a value, null); two versions are the same if these are. `stale` says when the stored version stands.
    `old` are the columns that warnings about changes need.
    """

    name: str
    columns: dict[str, str]
    key: tuple[str, ...]
    sent: dict[str, str]
    computed: dict[str, str] = field(default_factory=dict)
    stale: str = "false"
    assign: dict[str, str] = field(default_factory=dict)
    old: tuple[str, ...] = ()

    def incoming(self, more: dict[str, str] | None = None) -> str:
        """The rows of a batch as a table function of the `arrays` of these columns."""
        columns = self.columns | (more or {})
        return f"unnest({', '.join(f'%({name})s::{type_}[]' for name, type_ in columns.items())})"


_CUSTOMER_COLUMNS = {
    "customer_id": "text",
    "signup_date": "timestamptz",
    "last_modified_date": "timestamptz",
    "version_guard": "timestamptz",
    "affiliate_id": "text",
    "campaign_id": "text",
    "click_id": "text",
    "lang_id": "text",
    "country_code": "text",
    "kyc_status_id": "text",
    "sales_status_id": "text",
    "first_name": "text",
    "last_name": "text",
    "email": "text",
}
_TRANSACTION_COLUMNS = {
    "transaction_id": "text",
    "customer_id": "text",
    "transaction_type": "text",
    "transaction_subtype": "text",
    "amount_currency": "numeric(18,2)",
    "currency": "text",
    "transaction_date": "timestamptz",
    "status": "text",
    "note": "text",
    "amount_usd": "numeric(18,2)",
    "fx_source": "text",
    "fx_rate": "numeric(24,16)",
    "fx_rate_date": "date",
}
_ACTIVITY_COLUMNS = {
    "date": "date",
    "customer_id": "text",
    "game_type": "text",
    "currency": "text",
    "bets_count": "integer",
    "total_bets": "numeric(18,2)",
    "wins": "numeric(18,2)",
    "ggr": "numeric(18,2)",
    "ggr_source": "text",
    "ngr": "numeric(18,2)",
}
_FX_COLUMNS = {"amount_usd", "fx_source", "fx_rate", "fx_rate_date"}

TABLES = {
    Entity.CUSTOMERS: Table(
        name="entities_customer",
        columns=_CUSTOMER_COLUMNS,
        key=KEYS[Entity.CUSTOMERS],
        sent={name: f"{{0}}.{name}" for name in _CUSTOMER_COLUMNS if name != "version_guard"},
        # Whoever is more than 5 minutes ahead of us is guarded by our clock, or a wrong date would lock the record.
        computed={
            "version_guard": "CASE WHEN last_modified_date > statement_timestamp() + interval '5 minutes' "
            "THEN statement_timestamp() ELSE last_modified_date END"
        },
        stale="s.version_guard > i.last_modified_date",
        # A version without a date keeps the last known one as its guard.
        assign={"version_guard": "coalesce(v.version_guard, (v.old).version_guard)"},
        old=("affiliate_id", "campaign_id", "click_id"),
    ),
    Entity.TRANSACTIONS: Table(
        name="entities_transaction",
        columns=_TRANSACTION_COLUMNS,
        key=KEYS[Entity.TRANSACTIONS],
        sent={
            **{name: f"{{0}}.{name}" for name in _TRANSACTION_COLUMNS if name not in _FX_COLUMNS},
            "amount_usd": "CASE WHEN {0}.fx_source = 'partner' THEN {0}.amount_usd END",
        },
        computed={"fx_source": "coalesce(fx_source, CASE WHEN amount_usd IS NOT NULL THEN 'partner' END)"},
        old=("amount_currency", "currency", "customer_id"),
    ),
    Entity.ACTIVITY: Table(
        name="entities_activity",
        columns=_ACTIVITY_COLUMNS,
        key=KEYS[Entity.ACTIVITY],
        sent={
            **{name: f"{{0}}.{name}" for name in _ACTIVITY_COLUMNS if not name.startswith("ggr")},
            "ggr": "CASE WHEN {0}.ggr_source = 'partner' THEN {0}.ggr END",
        },
        computed={
            "ggr": "coalesce(ggr, total_bets - wins)",
            "ggr_source": "CASE WHEN ggr IS NOT NULL THEN 'partner' "
            "WHEN total_bets IS NOT NULL AND wins IS NOT NULL THEN 'computed' END",
        },
    ),
}
