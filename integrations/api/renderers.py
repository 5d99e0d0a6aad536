"""Records, requests and refused records as the API shows them: one function each, wherever they appear."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import orjson

from entities.models import Activity, Customer, Entity, QuarantinedRecord, Record, Transaction
from entities.pipeline import RecordError
from entities.selectors import Page
from integrations.models import ApiRequest
from track360 import exact_json


def customer(record: Customer) -> dict[str, Any]:
    return {
        "customer_id": record.customer_id,
        "signup_date": record.signup_date,
        "last_modified_date": record.last_modified_date,
        "affiliate_id": record.affiliate_id,
        "campaign_id": record.campaign_id,
        "click_id": record.click_id,
        "lang_id": record.lang_id,
        "country_code": record.country_code,
        "kyc_status_id": record.kyc_status_id,
        "kyc_status": record.kyc_status,
        "sales_status_id": record.sales_status_id,
        "sales_status": record.sales_status,
        "first_name": record.first_name,
        "last_name": record.last_name,
        "email": record.email,
        **_standing(record),
    }


def transaction(record: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": record.transaction_id,
        "customer_id": record.customer_id,
        "transaction_type": record.transaction_type,
        "transaction_subtype": record.transaction_subtype,
        "amount_currency": record.amount_currency,
        "currency": record.currency,
        "transaction_date": record.transaction_date,
        "status": record.status,
        "canonical_status": record.canonical_status,
        "note": record.note,
        "amount_usd": record.amount_usd,
        "fx": _fx(record),
        **_standing(record),
    }


def activity(record: Activity) -> dict[str, Any]:
    return {
        "date": record.date,
        "customer_id": record.customer_id,
        "game_type": record.game_type,
        "currency": record.currency,
        "bets_count": record.bets_count,
        "total_bets": record.total_bets,
        "wins": record.wins,
        "ggr": record.ggr,
        "ggr_source": record.ggr_source,
        "ngr": record.ngr,
        **_standing(record),
    }


RENDERERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    Entity.CUSTOMERS: customer,
    Entity.TRANSACTIONS: transaction,
    Entity.ACTIVITY: activity,
}


def _standing(record: Record) -> dict[str, Any]:
    """About the version that stands."""
    return {"received_at": record.received_at, "updated_at": record.updated_at, "source": record.source}


def _fx(record: Transaction) -> dict[str, Any] | None:
    if record.amount_usd is None:
        return None
    return {
        "source": record.fx_source,
        "rate": None if record.fx_rate is None else _without_zeros(record.fx_rate),
        "rate_date": record.fx_rate_date,
    }


def _without_zeros(number: Decimal) -> Decimal:
    """The column has 14 places, a rate has 10 digits."""
    return number.normalize()


def findings(errors: list[RecordError]) -> list[dict[str, Any]]:
    return [error.as_dict() for error in errors]


def page(found: Page, *, entity: str) -> dict[str, Any]:
    """The envelope of a list of records."""
    render = RENDERERS[entity]
    meta: dict[str, Any] = {
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
        "next_cursor": found.next_cursor,
    }
    if found.total_capped:
        meta["total_capped"] = True
    if found.watermark is not None:
        meta["watermark"] = found.watermark
    return {"data": [render(record) for record in found.records], "meta": meta}


def api_request(row: ApiRequest, *, with_detail: bool) -> dict[str, Any]:
    shown = {
        "request_id": row.pk,
        "at": row.at,
        "client_id": row.client_id,
        "token_last_four": row.token_last_four,
        "method": row.method,
        "path": row.path,
        "query": row.query,
        "entity": row.entity or None,
        "status": row.status,
        "duration_ms": row.duration_ms,
        "request_bytes": row.request_bytes,
        "ip": row.ip,
        "user_agent": row.user_agent,
        "counts": None
        if row.received is None
        else {
            name: getattr(row, name) for name in ("received", "created", "updated", "unchanged", "stale", "rejected")
        },
        "error_code": row.error_code or None,
        "error_summary": row.error_summary or None,
    }
    return shown | {"detail": _as_sent(row.detail)} if with_detail else shown


def _as_sent(value: Any) -> orjson.Fragment:
    """JSON that came from outside: its numbers may be of any size."""
    return orjson.Fragment(exact_json.dumps(value))


def quarantined(row: QuarantinedRecord) -> dict[str, Any]:
    return {
        "id": row.pk,
        "entity": row.entity,
        "batch_id": row.batch_id,
        "run_id": row.run_id,
        "index": row.index,
        "received_at": row.received_at,
        "key": row.key,
        "code": row.code,
        "field": row.field or None,
        "record": _as_sent(row.payload),
        "edited": None if row.edited is None else _as_sent(row.edited),
        "errors": row.errors,
        "waits_for": row.waits_for,
        "state": row.state,
        "closed_at": row.closed_at,
    }
