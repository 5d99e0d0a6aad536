"""FastAPI, pydantic and asyncpg: one statement a batch over arrays.

The body goes to pydantic as it came, and into dicts: faster than JSON first, and than models.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, NotRequired

import asyncpg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

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


class Transaction(TypedDict):
    transaction_id: str
    customer_id: str
    transaction_type: str
    transaction_subtype: NotRequired[str | None]
    amount_currency: Decimal
    amount_usd: NotRequired[Decimal | None]
    currency: str
    transaction_date: datetime
    status: str
    note: NotRequired[str | None]


RECORD = TypeAdapter(Transaction)
RECORDS = TypeAdapter(Annotated[list[Transaction], Field(max_length=1000)])
pool: asyncpg.Pool


async def prepare(connection: asyncpg.Connection) -> None:
    """Decimals as text take a third of the time that asyncpg's own binary form takes."""
    await connection.set_type_codec("numeric", schema="pg_catalog", encoder=str, decoder=Decimal, format="text")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global pool
    dsn = os.environ["PEER_DSN"]
    async with asyncpg.create_pool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, init=prepare) as pool:
        yield


app = FastAPI(lifespan=lifespan)


async def checked(request: Request, adapter: TypeAdapter) -> Any:
    try:
        return adapter.validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_context=False)) from error


async def upsert(records: list[Transaction]) -> dict[str, int]:
    columns = [[record.get(name) for record in records] for name in TYPES]
    status = await pool.execute(UPSERT, ENVIRONMENT, uuid.uuid4(), *columns)
    return {"stored": int(status.rpartition(" ")[2])}


@app.post("/transactions/bulk")
async def store_batch(request: Request) -> dict[str, int]:
    return await upsert(await checked(request, RECORDS))


@app.post("/transactions")
async def store_one(request: Request) -> dict[str, int]:
    return await upsert([await checked(request, RECORD)])
