"""The story told to the pipeline, and then dated back to when it happened.

All of it is one transaction: the demo is there whole or not at all. The pipeline takes the time of receipt from the
clock, as it must; a demo that arrived in one minute would have nothing to show for two weeks. So, for this environment
only and before anybody can have read it, the times of its batches, records, history, quarantine and differences are set
to those of the story. Nothing else in the product may do this: readers by `updated_since` rely on times that only move
on.
"""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction

from entities.models import Batch, Entity
from entities.pipeline import InvalidJson, Report, ingest, parse_json
from entities.pipeline.lags import EVENT, lags_of
from integrations.clients import NewSecret
from integrations.models import ApiRequest, Client, ClientSecret
from integrations.payloads import excerpt
from integrations.reconciliation.compute import refresh
from integrations.request_log import refused_records, summary
from onboarding.demo.fetch import TIME_ZONE, fetch, tell_totals
from onboarding.demo.story import Delivery, Story
from track360 import exact_json
from track360.models import Environment

IP, AGENT = "203.0.113.24", "aurora-platform/4.12 python-requests/2.32"
FRESH = dt.timedelta(minutes=5)
MOMENT = {Entity.CUSTOMERS: "signup_date", Entity.TRANSACTIONS: "transaction_date"}
TABLES = ("entities_customer", "entities_transaction", "entities_activity")


def load(story: Story, new: NewSecret, *, progress: Callable[[int], None]) -> None:
    """Push every delivery through the pipeline into the client's environment and log it; then what was fetched.

    `progress` gets counts.
    """
    client, environment = new.client, new.client.environment
    rng = random.Random("request log")
    batches: list[Batch] = []
    sent, next_look = 0, 2000
    calls = list(polls(story, environment, client, rng))
    with transaction.atomic():
        for delivery in story.deliveries():
            call = _call(delivery.at, environment, client, rng)
            call.method, call.path = "POST", f"/api/v1/igaming/{delivery.entity}/bulk"
            call.entity = delivery.entity
            report = push(delivery, environment, call)
            if report is not None:
                batches.append(told(delivery, report, call))
            calls.append(call)
            sent += len(delivery.records)
            if sent >= next_look:
                analyze()
                next_look = 2 * sent
            progress(len(delivery.records))
        batches += fetch(environment, until=story.until)
        tell_totals(environment, client_id=client.client_id, until=story.until)
        ApiRequest.objects.bulk_create(calls, batch_size=500)
        date_back(environment, batches)
        ClientSecret.objects.filter(pk=new.secret.pk).update(last_used_at=story.until)
    analyze()
    refresh(environment, TIME_ZONE)  # or what is stored would count as nothing until a worker has counted it


def analyze() -> None:
    """Tell the planner what is there: autovacuum does not see rows of a transaction that has not ended.

    Without it the look-up of a day's play may read the whole day for each record.
    """
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(TABLES)}")


def push(delivery: Delivery, environment: Environment, call: ApiRequest) -> Report | None:
    """What the API does with the call; fills in the log's row. None where the body was not JSON."""
    raw = delivery.broken_body or exact_json.dumps(delivery.records).encode()
    call.request_bytes = len(raw)
    begun = time.monotonic()
    try:
        body = parse_json(raw)
    except InvalidJson as error:
        place = "" if error.offset is None else f" (at byte {error.offset})"
        call.status, call.error_code = 400, "invalid_json"
        call.error_summary = f"The body is not valid JSON: {error}{place}."
        call.detail = excerpt(raw, error.offset)
        return None
    report = ingest(environment, delivery.entity, body, shape="array", lenient=delivery.lenient, request_id=call.id)
    call.duration_ms = 6 + round((time.monotonic() - begun) * 1000)
    call.status = 422 if report.refused else 200
    for name, count in report.counts().items():
        setattr(call, name, count)
    if report.refused:
        call.rejected = len(report.bad_indexes())  # as the log of a live call has it
    if report.errors:
        call.detail = {"records": refused_records(body, report.errors)}
        call.error_summary = summary(None, report)
        call.error_code = "validation_failed" if report.refused else ""
    return report


def told(delivery: Delivery, report: Report, call: ApiRequest) -> Batch:
    """The batch as it would stand had it come when the story says: its times, and what was late then."""
    outcomes = zip(report.outcomes, delivery.records, strict=False)
    created = [record for outcome, record in outcomes if outcome == "created"]
    late = sum(was_late(delivery.entity, record, delivery.at) for record in created)
    others = sum(warning.code != "late" for warning in report.warnings)
    batch = Batch(id=report.batch_id, started_at=delivery.at, late=late, warnings=others + late)
    batch.finished_at = delivery.at + dt.timedelta(milliseconds=call.duration_ms)
    if created:
        events = [record[EVENT[Entity(delivery.entity)]] for record in created]
        batch.lags, batch.lag_seconds, _ = lags_of(delivery.entity, events, received_at=delivery.at, looked_at=None)
        batch.own_seconds = len(created) * call.duration_ms / 1000
    return batch


def was_late(entity: str, record: dict[str, Any], at: dt.datetime) -> bool:
    """Past the guide's target: 5 minutes, and for play 06:00 UTC of the next day."""
    if entity == Entity.ACTIVITY:
        due = dt.datetime.fromisoformat(record["date"]).replace(tzinfo=dt.UTC) + dt.timedelta(hours=30)
        return at > due
    return at - dt.datetime.fromisoformat(record[MOMENT[Entity(entity)]]) > FRESH


def polls(story: Story, environment: Environment, client: Client, rng: random.Random) -> list[ApiRequest]:
    """The casino reads back what changed twice an hour, and once in a while with a token that has expired."""
    calls = []
    at = story.since
    while (at := at + dt.timedelta(minutes=30)) < story.until:
        call = _call(at + dt.timedelta(seconds=rng.uniform(0, 50)), environment, client, rng)
        call.path, call.entity = "/api/v1/igaming/customers", Entity.CUSTOMERS
        call.query = f"updated_since={at - dt.timedelta(minutes=30):%Y-%m-%dT%H:%M:%SZ}&per_page=500"
        call.duration_ms = rng.randint(3, 14)
        if rng.random() < 0.02:
            call.status, call.error_code = 401, "token_expired"
            call.error_summary = "The access token expired. Fetch a new one from /oauth/token."
        calls.append(call)
    return calls


def _call(at: dt.datetime, environment: Environment, client: Client, rng: random.Random) -> ApiRequest:
    token = random.Random(f"{at:%Y%m%d%H}").choices("abcdefghijkmnpqrstuvwxyz23456789", k=4)  # a new one each hour
    return ApiRequest(
        id=uuid.UUID(int=rng.getrandbits(128), version=4),
        at=at,
        environment=environment,
        client_id=client.client_id,
        token_last_four="".join(token),
        method="GET",
        status=200,
        duration_ms=2,
        ip=IP,
        user_agent=AGENT,
    )


DATE_BACK = [
    """
    UPDATE entities_batch b
       SET started_at = t.started_at, finished_at = t.finished_at, late = t.late, warnings = t.warnings,
           lags = t.lags, lag_seconds = t.lag_seconds, own_seconds = t.own_seconds
      FROM json_to_recordset(%(batches)s::json)
           AS t (id uuid, started_at timestamptz, finished_at timestamptz, late integer, warnings integer,
                 lags integer[], lag_seconds float, own_seconds float)
     WHERE b.id = t.id
    """,
    """
    UPDATE entities_recordchange c
       SET changed_at = b.finished_at,
           old = c.old || jsonb_build_object('updated_at', was.finished_at, 'received_at', was.started_at)
      FROM entities_batch b, entities_batch was
     WHERE c.environment_id = %(environment)s AND b.id = c.batch_id AND was.id = (c.old ->> 'batch_id')::uuid
    """,
    """
    UPDATE entities_quarantinedrecord q SET received_at = b.started_at
      FROM entities_batch b WHERE q.environment_id = %(environment)s AND b.id = q.batch_id
    """,
    """
    UPDATE entities_difference d SET fetched_at = b.started_at, found_at = b.started_at
      FROM entities_batch b WHERE d.environment_id = %(environment)s AND b.id = d.batch_id
    """,
    *(
        f"""
        UPDATE {table} r SET received_at = b.started_at, updated_at = b.finished_at
          FROM entities_batch b WHERE r.environment_id = %(environment)s AND b.id = r.batch_id
        """
        for table in TABLES
    ),
    *(
        f"""
        UPDATE {table} r SET received_at = first.received_at
          FROM (SELECT record_id, min((old ->> 'received_at')::timestamptz) AS received_at
                  FROM entities_recordchange
                 WHERE environment_id = %(environment)s AND entity = '{entity}' GROUP BY record_id) first
         WHERE r.environment_id = %(environment)s AND r.id = first.record_id
        """
        for table, entity in zip(TABLES, Entity.values, strict=True)
    ),
]


def date_back(environment: Environment, batches: list[Batch]) -> None:
    columns = ("id", "started_at", "finished_at", "late", "warnings", "lags", "lag_seconds", "own_seconds")
    rows = [{column: getattr(batch, column) for column in columns} for batch in batches]
    with connection.cursor() as cursor:
        for statement in DATE_BACK:
            cursor.execute(statement, {"batches": exact_json.dumps(rows), "environment": environment.pk})
