"""Two databases to measure on, filled once by COPY and kept: `large` as a big partner's after 500 days, `small` alike
with a thousandth of it. `script/bench fill` makes what is missing.

The rows go in without their indexes, which are made afterwards. The records are those of one sandbox; of the last 30
days each transaction came in a call of its own, so that a day has 20,000 batches.
"""

from __future__ import annotations

import datetime as dt
import io
import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import server
from bench.fill_more import fill_more

if TYPE_CHECKING:
    from django.db.models import Model

    from track360.models import Environment

SLUG = "filled"
DAYS = 500
SINGLE_DAYS = 30
BATCH = 1000
AFFILIATES = 300
SECONDS = 86_400
KYC = ("verified", "verified", "verified", "in review", "refused")
SALES = ("new", "called", "active", "active", "vip")
STATUSES = ("approved",) * 90 + ("pending",) * 6 + ("declined",) * 3 + ("reversed",)
RARE_STATUS = "charged back"
RARE_EVERY = 5_000
TYPES = ("deposit",) * 6 + ("withdrawal",) * 2 + ("bonus", "other")
MARKETS = (("GB", "en", "GBP"), ("DE", "de", "EUR"), ("SE", "sv", "SEK"), ("BR", "pt", "BRL"), ("CA", "en", "CAD"))
GAMES = ("slots", "live_casino", "sportsbook")
CLOCK = [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00" for second in range(SECONDS)]


@dataclass(frozen=True)
class Scale:
    customers: int
    transactions: int
    activity: int


SCALES = {"small": Scale(1_000, 10_000, 20_000), "large": Scale(1_000_000, 10_000_000, 20_000_000)}


def filled_environment() -> Environment:
    """The sandbox that holds the records. Ends the program where the fill has not been done."""
    from track360.models import AuditEvent, Environment

    if not AuditEvent.objects.filter(action="bench.filled").exists():
        raise SystemExit("Fill the databases first: script/bench fill")
    return Environment.objects.select_related("partner").get(partner__slug=SLUG, kind="sandbox")


def numbers(day: int, total: int) -> range:
    """Which of `total` records fall on the day; every day has as many."""
    return range(total * day // DAYS, total * (day + 1) // DAYS)


def batch_id(kind: int, number: int) -> str:
    return f"{number:08x}-0000-4000-8000-{kind:012x}"


@dataclass(frozen=True)
class Rows:
    """The lines of COPY, a text a day. The last day is today's yesterday, so that all is in the past."""

    environment: int
    scale: Scale
    today: dt.date

    def days(self) -> Iterator[tuple[int, str, str]]:
        """Number, date, and the date of the next."""
        first = self.today - dt.timedelta(days=DAYS)
        for day in range(DAYS):
            date = first + dt.timedelta(days=day)
            yield day, date.isoformat(), (date + dt.timedelta(days=1)).isoformat()

    def customers(self) -> Iterator[str]:
        for day, date, _ in self.days():
            span = numbers(day, self.scale.customers)
            lines = []
            for n in span:
                at = f"{date} {CLOCK[(n - span.start) * SECONDS // len(span)]}"
                country, language, _ = MARKETS[n % 5]
                lines.append(
                    f"{self.environment}\t{at}\t{at}\tpush\t{batch_id(1, n // BATCH)}\tcst_{n}\t{at}\t{at}\t{at}\t"
                    f"aff_{n % AFFILIATES}\tcmp_{n % 1999}\tclick_{n:012}\t{language}\t{country}\t"
                    f"{KYC[n % 7 % 5]}\t{SALES[n % 11 % 5]}\tAda\tLovelace\tplayer{n}@mail.example\n"
                )
            yield "".join(lines)

    def transactions(self) -> Iterator[str]:
        rng = random.Random(360)
        chance, players = rng.random, self.scale.customers
        for day, date, _ in self.days():
            span = numbers(day, self.scale.transactions)
            size = 1 if day >= DAYS - SINGLE_DAYS else BATCH
            lines = []
            for n in span:
                at = f"{date} {CLOCK[(n - span.start) * SECONDS // len(span)]}"
                share = chance()
                customer = int(share * share * players)  # some play much more than others
                amount = f"{1 + n * 7919 % 50_000}.{n % 90 + 10}"
                status = STATUSES[n * 31 % 100] if n % RARE_EVERY else RARE_STATUS
                lines.append(
                    f"{self.environment}\t{at}\t{at}\tpush\t{batch_id(2, n // size)}\ttxn_{n}\tcst_{customer}\t"
                    f"{TYPES[n % 10]}\tcard\t{amount}\t{MARKETS[customer % 5][2]}\t{at}\t{status}\t"
                    f"a note of the usual length\t{amount}\tpartner\n"
                )
            yield "".join(lines)

    def activity(self) -> Iterator[str]:
        players = self.scale.customers
        for day, date, next_date in self.days():
            at = f"{next_date} 04:30:00+00"
            lines = []
            for n in numbers(day, self.scale.activity):
                customer = (n // 3 * 7919 + day) % players
                bets = 1 + n % 5000
                lines.append(
                    f"{self.environment}\t{at}\t{at}\tpush\t{batch_id(3, n // BATCH)}\t{date}\tcst_{customer}\t"
                    f"{GAMES[n % 3]}\t{MARKETS[customer % 5][2]}\t{bets}\t{bets}.50\t{bets // 2}.25\t"
                    f"{bets - bets // 2}.25\tcomputed\t{bets // 3}.00\n"
                )
            yield "".join(lines)

    def batches(self) -> Iterator[str]:
        for kind, entity in enumerate(("customers", "transactions", "activity"), start=1):
            total = getattr(self.scale, entity)
            for day, date, next_date in self.days():
                single = entity == "transactions" and day >= DAYS - SINGLE_DAYS
                size = 1 if single else BATCH
                span = numbers(day, total)
                firsts = span if single else [n for n in span if n % BATCH == 0]
                lines = []
                for n in firsts:
                    at = f"{next_date} 04:30:00+00"
                    if entity != "activity":
                        at = f"{date} {CLOCK[(n - span.start) * SECONDS // len(span)]}"
                    count = min(size, total - n)
                    lines.append(
                        f"{batch_id(kind, n // size)}\t{self.environment}\t{entity}\tpush\t{at}\t{at}\tf\t"
                        f"{count}\t{count}\t0\t0\t0\t0\t0\t0\t0\t{{0,0,{count},0,0,0,0,0,0,0,0,0}}\t"
                        f"{count * 40}\t{count * 0.01}\n"
                    )
                yield "".join(lines)


HEAD = "environment_id, received_at, updated_at, source, batch_id, "
COLUMNS = {
    "entities_customer": HEAD + "customer_id, signup_date, last_modified_date, version_guard, affiliate_id, "
    "campaign_id, click_id, lang_id, country_code, kyc_status_id, sales_status_id, first_name, last_name, email",
    "entities_transaction": HEAD + "transaction_id, customer_id, transaction_type, transaction_subtype, "
    "amount_currency, currency, transaction_date, status, note, amount_usd, fx_source",
    "entities_activity": HEAD + "date, customer_id, game_type, currency, bets_count, total_bets, wins, ggr, "
    "ggr_source, ngr",
    "entities_batch": "id, environment_id, entity, door, started_at, finished_at, refused, received, created, updated, "
    "unchanged, stale, rejected, removed, late, warnings, lags, lag_seconds, own_seconds",
}


class Stream(io.TextIOBase):
    """The texts as a file that COPY reads; it asks for little pieces and is content with what it gets."""

    def __init__(self, texts: Iterator[str]) -> None:
        self.texts = texts
        self.left = io.StringIO()

    def read(self, size: int | None = -1) -> str:
        while True:
            piece = self.left.read(size)
            if piece:
                return piece
            text = next(self.texts, None)
            if text is None:
                return ""
            self.left = io.StringIO(text)


def load(model: type[Model], texts: Iterator[str]) -> None:
    """COPY into the table while it has only its primary key, then make its indexes again."""
    from django.db import connection

    table = model._meta.db_table
    _each_index("remove", model)
    with connection.cursor() as cursor:
        cursor.copy_expert(f"COPY {table} ({COLUMNS[table]}) FROM STDIN", Stream(texts), size=2**20)
    _each_index("add", model)
    connection.close()


def _each_index(what: str, model: type[Model]) -> None:
    from django.db import connection

    with connection.schema_editor() as editor:
        editor.execute("SET LOCAL maintenance_work_mem = '1GB'")
        for constraint in model._meta.constraints:
            getattr(editor, f"{what}_constraint")(model, constraint)
        for index in model._meta.indexes:
            getattr(editor, f"{what}_index")(model, index)


def teach(environment: Environment, scale: Scale) -> None:
    """What goes with the records: counts, statuses with their mappings, affiliates."""
    from entities.models import Affiliate, RecordCounter, SeenStatus, StatusMapping

    partner = environment.partner
    for entity in ("customers", "transactions", "activity"):
        RecordCounter.objects.create(environment=environment, entity=entity, slot=0, count=getattr(scale, entity))
    for field, values, canonical in (
        ("kyc_status_id", KYC, "approved"),
        ("sales_status_id", SALES, "active"),
        ("status", (*STATUSES, RARE_STATUS), "approved"),
    ):
        for raw in sorted(set(values)):
            SeenStatus.objects.create(environment=environment, field=field, raw_value=raw)
            StatusMapping.objects.create(partner=partner, field=field, raw_value=raw, canonical_value=canonical)
    Affiliate.objects.bulk_create(
        Affiliate(partner=partner, affiliate_id=f"aff_{number}") for number in range(AFFILIATES)
    )


def vacuum() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def fill(scale: Scale) -> None:
    from django.utils import timezone

    from entities.models import Activity, Batch, Customer, Transaction
    from track360 import audit
    from track360.partners import create_partner

    environment = create_partner(name="Filled", slug=SLUG).environments.get(kind="sandbox")
    rows = Rows(environment.pk, scale, timezone.now().date())
    jobs: dict[type[Model], Callable[[], Iterator[str]]] = {
        Activity: rows.activity,
        Transaction: rows.transactions,
        Customer: rows.customers,
        Batch: rows.batches,
    }

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(load, model, texts()) for model, texts in jobs.items()]:
            done.result()
    teach(environment, scale)
    fill_more(environment, share=scale.customers / SCALES["large"].customers)
    vacuum()
    audit.record("bench.filled", actor=None, environment=environment)


def measure(name: str) -> None:
    from track360.models import AuditEvent

    if AuditEvent.objects.filter(action="bench.filled").exists():
        print(f"{name}: filled already; remove its folder under var/bench to fill it anew")
        return
    started = time.monotonic()
    fill(SCALES[name])
    seconds = time.monotonic() - started
    records = sum(vars(SCALES[name]).values())
    figures: dict[str, Any] = {"database": name, "records": records, "seconds": round(seconds, 1)}
    print(f"{name}: {records:,} records in {seconds:,.0f} s\n{server.machine()}")
    server.print_result("fill", figures)


if __name__ == "__main__":
    for name in SCALES:
        server.run_apart(partial(measure, name), database=name)
