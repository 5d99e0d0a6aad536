"""What was fetched in the demo: half a day of hourly runs from the casino's back office, compared with what it pushed.

The back office does not exist, and its feed is off: nothing here, and nobody who looks at it, can call out.
"""

from __future__ import annotations

import datetime as dt
import random
import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection as database

from entities.models import Batch, Entity, Transaction
from entities.pipeline import Door, Policy, Report, ingest
from integrations.connections import put_secret
from integrations.models import Connection, ConnectionTest, DayTotals, Feed, SyncEvent, SyncRun
from integrations.pull.cursors import spelled
from track360.models import Environment

HOURS = 12
HOUR = dt.timedelta(hours=1)
OVERLAP = dt.timedelta(minutes=15)
PAGE = 200
TIME_ZONE = "Europe/Malta"  # that of the agreed scope
DAYS_TOLD = 3
LACKING = 3  # payments of one day that the casino counts and we do not have
BASE_URL = "https://backoffice.aurora-casino.example/api"
# The guide's field -> its name in the back office; the others are not there, and not compared.
FIELDS = {
    "transaction_id": "id",
    "customer_id": "player",
    "transaction_type": "kind",
    "amount_currency": "amount",
    "currency": "currency",
    "transaction_date": "made_at",
    "status": "state",
}
UNLIKE = {3: {"status": "reversed"}, 7: {"status": "declined"}}  # run -> what one of its records says there
BUSY_AT = 5  # the run that was told to wait
HELD_AT = 9  # the run that brings a payment of a player whom nobody has sent

TOTALS = {
    Entity.TRANSACTIONS: """
        SELECT (transaction_date AT TIME ZONE %(zone)s)::date, currency, transaction_type, count(*),
               sum(amount_currency)::text
          FROM entities_transaction
         WHERE environment_id = %(environment)s
           AND (transaction_date AT TIME ZONE %(zone)s)::date BETWEEN %(first)s AND %(last)s
         GROUP BY 1, 2, 3 ORDER BY 1, 2, 3""",
    Entity.ACTIVITY: """
        SELECT date, currency, '', count(*), sum(ggr)::text
          FROM entities_activity
         WHERE environment_id = %(environment)s AND date BETWEEN %(first)s AND %(last)s
         GROUP BY 1, 2 ORDER BY 1, 2""",
}


def fetch(environment: Environment, *, until: dt.datetime) -> list[Batch]:
    """Connection, test and runs; gives the batches, to be dated back to when they would have come."""
    begin = until.replace(minute=0, second=0, microsecond=0) - (HOURS + 1) * HOUR
    feed = _feed(environment, begin=begin, end=begin + HOURS * HOUR)
    _test(feed, at=begin + 40 * HOUR / 60)
    story = Fetches(feed, random.Random("back office"))
    return [batch for number in range(HOURS) for batch in story.run(number, begin + (number + 1) * HOUR)]


def tell_totals(environment: Environment, *, client_id: str, until: dt.datetime) -> None:
    """The casino's own figures of the last days, as sent the morning after. On the oldest of them it counts more."""
    last = until.date() - dt.timedelta(days=2)
    first = last - dt.timedelta(days=DAYS_TOLD - 1)
    asked: dict[str, Any] = {"environment": environment.pk, "zone": TIME_ZONE, "first": first, "last": last}
    days = [first + dt.timedelta(days=number) for number in range(DAYS_TOLD)]
    for entity, sql in TOTALS.items():
        lines: dict[dt.date, list[dict[str, Any]]] = {day: [] for day in days}
        with database.cursor() as cursor:
            cursor.execute(sql, asked)
            for day, currency, kind, count, total in cursor.fetchall():
                lines[day].append({"currency": currency, "type": kind, "count": count, "sum": total})
        if entity == Entity.TRANSACTIONS and lines[first]:
            line = lines[first][0]
            line["count"] += LACKING
            line["sum"] = str(Decimal(line["sum"]) + Decimal("310.00"))
        DayTotals.objects.bulk_create(
            DayTotals(
                environment=environment,
                entity=entity,
                day=day,
                side=DayTotals.Side.PARTNER,
                origin=DayTotals.Origin.API,
                at=dt.datetime.combine(day, dt.time(4, 30), dt.UTC) + 24 * HOUR,
                time_zone=TIME_ZONE,
                lines=lines[day],
                client_id=client_id,
            )
            for day in days
        )


# -- Where from ---------------------------------------------------------------


def _feed(environment: Environment, *, begin: dt.datetime, end: dt.datetime) -> Feed:
    connection = Connection(
        environment=environment,
        name="Back office",
        kind=Connection.Kind.REST,
        base_url=BASE_URL,
        auth=Connection.Auth.HEADER,
        auth_header="X-Api-Key",
        is_on=True,
        passed_at=begin + 40 * HOUR / 60,
        created_at=begin,
    )
    put_secret(connection, secrets.token_urlsafe(24))
    connection.save(force_insert=True)
    return Feed.objects.create(
        connection=connection,
        environment=environment,
        entity=Entity.TRANSACTIONS,
        pattern=Feed.Pattern.HYBRID,
        path="/payments",
        query={"from": "{since}", "to": "{until}"},
        records_at="/payments",
        paging=Feed.Paging.PAGE,
        paging_options={"page_parameter": "page", "size_parameter": "size"},
        fields=FIELDS,
        page_size=PAGE,
        every_minutes=60,
        overlap=OVERLAP,
        cursor=_text(end),
        cursor_moved_at=end,
        passed_at=connection.passed_at,
        created_at=begin,
    )


def _test(feed: Feed, *, at: dt.datetime) -> None:
    steps = (
        ("Reached", "backoffice.aurora-casino.example answered over TLS.", 84),
        ("Signed in", "The key in X-Api-Key was taken.", 61),
        ("First page", "Read 10 records.", 132),
        ("Records fit", "All 10 would be stored.", 0),
    )
    shown = Transaction.objects.filter(environment=feed.environment, transaction_date__lt=at)
    records = [_record(row) for row in shown.order_by("-transaction_date", "-id")[:10]]
    ConnectionTest.objects.create(
        connection=feed.connection,
        environment=feed.environment,
        state=ConnectionTest.State.PASSED,
        requested_at=at,
        started_at=at,
        finished_at=at + dt.timedelta(seconds=1),
        feeds={
            feed.entity: {
                "ok": True,
                "steps": [{"name": name, "ok": True, "detail": detail, "ms": ms} for name, detail, ms in steps],
                "cursor_kind": Feed.CursorKind.MOMENT,
                "names": sorted(FIELDS.values()),
                "calls": [{"url": f"{BASE_URL}/payments?page=1&size=10", "status": 200, "ms": 132, "problem": ""}],
            }
        },
        rows={feed.entity: [{"record": record, "errors": [], "warnings": []} for record in records]},
    )


# -- The runs -----------------------------------------------------------------


@dataclass
class Fetches:
    """`unlike` is what the back office says otherwise, by transaction: it says so in each later run too."""

    feed: Feed
    rng: random.Random
    unlike: dict[str, dict[str, Any]] = field(default_factory=dict)

    def run(self, number: int, due_at: dt.datetime) -> list[Batch]:
        """One of them; its batch, where it brought anything."""
        since, cursor = due_at - HOUR - OVERLAP, due_at - HOUR
        records = self._records(number, since, due_at)
        seconds = self.rng.uniform(1.2, 2.5) + (30 if number == BUSY_AT else 0)
        run = SyncRun(
            feed=self.feed,
            environment=self.feed.environment,
            entity=self.feed.entity,
            state=SyncRun.State.DONE,
            due_at=due_at,
            requested_at=due_at,
            started_at=due_at + dt.timedelta(seconds=self.rng.uniform(1, 14)),
            since=_text(since),
            until=_text(due_at),
            cursor_before=_text(cursor),
            cursor_after=_text(due_at),
            read=len(records),
            busy_seconds=round(seconds, 2),
        )
        assert run.started_at is not None
        run.finished_at = run.started_at + dt.timedelta(seconds=seconds)
        report = self._store(run, records) if records else None
        events = self._events(run, number, len(records))
        run.pages = len(events) - (number == BUSY_AT)
        run.save(force_insert=True)
        SyncEvent.objects.bulk_create(events)
        if report is None:
            return []
        stored_at = run.finished_at - dt.timedelta(milliseconds=40)
        warnings = len(report.warnings)
        return [Batch(id=report.batch_id, started_at=stored_at, finished_at=run.finished_at, warnings=warnings)]

    def _store(self, run: SyncRun, records: list[dict[str, Any]]) -> Report:
        policy = Policy(door=Door.COMPARE, run_id=run.pk, fields=frozenset(FIELDS))
        report = ingest(
            run.environment, run.entity, records, shape="array", door=Batch.Door.PULL, lenient=True, policy=policy
        )
        for name, count in report.counts().items():
            if name != "received":
                setattr(run, name, count)
        run.differing = report.differing
        return report

    def _records(self, number: int, since: dt.datetime, until: dt.datetime) -> list[dict[str, Any]]:
        made = Transaction.objects.filter(environment=self.feed.environment, transaction_date__lt=until)
        rows = list(made.filter(transaction_date__gte=since).order_by("transaction_date", "id")[:999])
        records = [_record(row) for row in rows]
        new = [record for record, row in zip(records, rows, strict=True) if row.transaction_date >= since + OVERLAP]
        if number in UNLIKE and new:
            self.unlike[new[0]["transaction_id"]] = UNLIKE[number]
        if number == HELD_AT:
            last = _record(made.latest("transaction_date", "id"))
            records.append({**last, "transaction_id": "txn_4_of_nobody", "customer_id": "cst_not_sent_yet"})
        return [record | self.unlike.get(record["transaction_id"], {}) for record in records]

    def _events(self, run: SyncRun, number: int, read: int) -> list[SyncEvent]:
        assert run.started_at is not None
        at, events = run.started_at, []
        window = f"from={run.since}&to={run.until}"
        if number == BUSY_AT:
            text = "It asked to wait for 30 s."
            events.append(SyncEvent(run=run, at=at, kind="call", url=f"{BASE_URL}/payments?{window}&page=1&size={PAGE}",
                                    status=429, duration_ms=41, size=62, text=text))  # fmt: skip
            at += dt.timedelta(seconds=30)
        for page in range(max(1, -(-read // PAGE))):
            count = min(PAGE, read - page * PAGE)
            took = self.rng.randint(90, 240)
            at += dt.timedelta(milliseconds=took)
            events.append(
                SyncEvent(
                    run=run,
                    at=at,
                    kind=SyncEvent.Kind.CALL,
                    url=f"{BASE_URL}/payments?{window}&page={page + 1}&size={PAGE}",
                    status=200,
                    duration_ms=took,
                    size=40 + 210 * count,
                    records=count,
                )
            )
        return events


def _record(row: Transaction) -> dict[str, Any]:
    """As the back office has it, by the guide's names."""
    record = {name: getattr(row, name) for name in FIELDS}
    return record | {"transaction_date": row.transaction_date.isoformat()}


def _text(moment: dt.datetime) -> str:
    return spelled(moment, Feed.CursorKind.MOMENT)
