"""django-ninja: pydantic's checks, then bulk_create."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import orjson
import push_model
from django.http import HttpRequest
from django.urls import path
from ninja import Body, NinjaAPI
from ninja.parser import Parser
from pydantic import BaseModel


class OrjsonParser(Parser):
    def parse_body(self, request: HttpRequest) -> Any:
        return orjson.loads(request.body)


api = NinjaAPI(parser=OrjsonParser(), docs_url=None, openapi_url=None)


class Transaction(BaseModel):  # ninja's own Schema also reads models, at a price for each record
    transaction_id: str
    customer_id: str
    transaction_type: str
    transaction_subtype: str | None = None
    amount_currency: Decimal
    amount_usd: Decimal | None = None
    currency: str
    transaction_date: datetime
    status: str
    note: str | None = None


@api.post("/transactions/bulk")
def store_batch(request: HttpRequest, records: Annotated[list[Transaction], Body(max_length=1000)]) -> dict[str, int]:
    return {"stored": push_model.upsert(dict(record) for record in records)}


@api.post("/transactions")
def store_one(request: HttpRequest, record: Transaction) -> dict[str, int]:
    return {"stored": push_model.upsert([dict(record)])}


urlpatterns = [path("", api.urls)]
