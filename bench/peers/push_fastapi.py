"""FastAPI, pydantic and asyncpg: one statement a batch over arrays."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import asyncpg
from fastapi import FastAPI
from pydantic import BaseModel, Field

ENVIRONMENT = int(os.environ["PEER_ENVIRONMENT"])
CONNECTIONS = 4  # of each of the two processes
TYPES = {
    "transaction_id": "text",
    "customer_id": "text",
    "transaction_type": "text",
    "transaction_subtype": "text",
    "amount_currency": "numeric",
    "amount_usd": "numeric",
    "currency": "text",
    "transaction_date": "timestamptz",
    "status": "text",
    "note": "text",
}
NAMES = ", ".join(TYPES)
ASSIGNED = ", ".join(f"{name} = excluded.{name}" for name in TYPES if name != "transaction_id")
ARRAYS = ", ".join(f"${place}::{type_}[]" for place, type_ in enumerate(TYPES.values(), start=3))
UPSERT = f"""
INSERT INTO entities_transaction (environment_id, received_at, updated_at, source, batch_id, fx_source, {NAMES})
SELECT $1, now(), now(), 'push', $2, CASE WHEN amount_usd IS NOT NULL THEN 'partner' END, {NAMES}
  FROM unnest({ARRAYS}) AS r({NAMES})
    ON CONFLICT (environment_id, transaction_id) DO UPDATE
   SET updated_at = excluded.updated_at, source = excluded.source, batch_id = excluded.batch_id,
       fx_source = excluded.fx_source, {ASSIGNED}
"""


class Transaction(BaseModel):
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


class Stored(BaseModel):
    stored: int


pool: asyncpg.Pool


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global pool
    async with asyncpg.create_pool(os.environ["PEER_DSN"], min_size=CONNECTIONS, max_size=CONNECTIONS) as pool:
        yield


app = FastAPI(lifespan=lifespan)


async def upsert(records: list[Transaction]) -> Stored:
    columns = [[getattr(record, name) for record in records] for name in TYPES]
    status = await pool.execute(UPSERT, ENVIRONMENT, uuid.uuid4(), *columns)
    return Stored(stored=int(status.rpartition(" ")[2]))


@app.post("/transactions/bulk")
async def store_batch(records: Annotated[list[Transaction], Field(max_length=1000)]) -> Stored:
    return await upsert(records)


@app.post("/transactions")
async def store_one(record: Transaction) -> Stored:
    return await upsert([record])
