"""What it costs to judge a partner's steps: `script/bench checklist`.

Server time in this process, on the bench's own servers: a partner with a million records that came in a hundred
thousand batches of ten over two weeks, a rehearsal under way, nothing missing but control totals; medians. And what the
worker asks every 20 s: who of 500 partners changed.
"""

from __future__ import annotations

import datetime as dt
import random
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from bench import server

if TYPE_CHECKING:
    from track360.models import Environment, Partner

CALLS = 30
PARTNERS = 500
AFFILIATES = 300
BATCH = 10
RECORDS = {"customers": 100_000, "transactions": 500_000, "activity": 400_000}
LIMIT_MS = 200

FILL = {
    "customers": """
        INSERT INTO entities_customer (environment_id, customer_id, signup_date, affiliate_id, kyc_status_id,
                                       sales_status_id, received_at, updated_at, source, batch_id)
        SELECT %(environment)s, 'cst_' || n, now(), 'aff_' || n %% %(affiliates)s, 'k' || n %% 5, 's' || n %% 5,
               now(), now(), 'push', gen_random_uuid() FROM generate_series(1, %(number)s) n""",
    "transactions": """
        INSERT INTO entities_transaction (environment_id, transaction_id, customer_id, transaction_type,
                                          amount_currency, currency, transaction_date, status,
                                          received_at, updated_at, source, batch_id)
        SELECT %(environment)s, 'txn_' || n, 'cst_' || 1 + n %% 100000, 'deposit', n %% 1000, 'EUR', now(),
               't' || n %% 4, now(), now(), 'push', gen_random_uuid() FROM generate_series(1, %(number)s) n""",
    "activity": """
        INSERT INTO entities_activity (environment_id, date, customer_id, game_type, currency, bets_count, total_bets,
                                       wins, received_at, updated_at, source, batch_id)
        SELECT %(environment)s, current_date - n / 100000, 'cst_' || 1 + n %% 100000, 'slots', 'EUR', 1, 1, 1,
               now(), now(), 'push', gen_random_uuid() FROM generate_series(1, %(number)s) n""",
}
BATCHES = """
    INSERT INTO entities_batch (id, environment_id, entity, door, started_at, finished_at, refused, received, created,
                                updated, unchanged, stale, rejected, removed, late, warnings)
    SELECT gen_random_uuid(), %(environment)s, %(entity)s, 'push', at, at, false, %(batch)s, %(batch)s,
           0, 0, 0, 0, 0, 0, 0
      FROM generate_series(1, %(number)s) n,
           LATERAL (SELECT now() - n * (interval '14 days' / %(number)s) AS at) AS t"""


def fill(partner: Partner, sandbox: Environment) -> None:
    """A million records and all that goes with them, written past the pipeline."""
    from django.db import connection
    from django.utils import timezone

    from entities.models import Affiliate, RecordCounter, SeenStatus, StatusMapping
    from integrations.clients import create_client
    from onboarding import agreements
    from onboarding.models import RehearsalWindow, Sample
    from track360.audit import Actor
    from track360.models import User

    with connection.cursor() as cursor:
        for entity, number in RECORDS.items():
            values = {"environment": sandbox.pk, "affiliates": AFFILIATES, "entity": entity}
            cursor.execute(FILL[entity], values | {"number": number})
            cursor.execute(BATCHES, values | {"number": number // BATCH, "batch": BATCH})
            RecordCounter.objects.create(environment=sandbox, entity=entity, slot=0, count=number)
            Sample.objects.create(
                environment=sandbox,
                entity=entity,
                origin="paste",
                format="json",
                size=2,
                body=b"",
                state="done",
                total=1,
            )
        cursor.execute("ANALYZE")
    for field, letter, values in (("kyc_status_id", "k", 5), ("sales_status_id", "s", 5), ("status", "t", 4)):
        for number in range(values):
            raw = f"{letter}{number}"
            SeenStatus.objects.create(environment=sandbox, field=field, raw_value=raw)
            StatusMapping.objects.create(partner=partner, field=field, raw_value=raw, canonical_value="pending")
    Affiliate.objects.bulk_create(
        Affiliate(partner=partner, affiliate_id=f"aff_{number}") for number in range(AFFILIATES)
    )
    create_client(sandbox, name="bench", actor=None).secret.__class__.objects.update(last_used_at=timezone.now())
    team = Actor(user=User.objects.create_user(f"{partner.slug}@track360.test", is_staff=True))
    contacts = [{"name": "Ada", "email": "ada@casino.example"}]
    patterns = dict.fromkeys(RECORDS, "push")
    for actor in (Actor(client_id="bench"), team):
        agreements.propose_scope(
            partner, patterns=patterns, contacts=contacts, time_zone="UTC", history_from=None, actor=actor
        )
    now = timezone.now()
    RehearsalWindow.objects.create(
        partner=partner, opened_at=now - dt.timedelta(hours=23), closes_at=now + dt.timedelta(hours=1)
    )


def milliseconds(call: Callable[[], Any]) -> list[float]:
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return took


def measure() -> None:
    from django.urls import get_resolver
    from django.utils import timezone

    from onboarding import checklist
    from onboarding.models import StepState
    from track360.partners import create_partner

    run = f"bench-{random.randrange(16**8):08x}"
    partner = create_partner(name="Bench", slug=run)
    fill(partner, partner.environments.get(kind="sandbox"))
    others = [create_partner(name="Other", slug=f"{run}-{number}") for number in range(PARTNERS - 1)]
    for other in others:
        checklist.compute(other, now=timezone.now())

    def changed() -> list[int]:
        now = timezone.now()
        return checklist.changed_partners(now=now, rested_before=now)

    _ = get_resolver().url_patterns  # read once a process: notifications bear addresses
    computed = milliseconds(lambda: checklist.compute(partner, now=timezone.now()))
    figures = {
        "compute, the first time": computed[0],
        "compute, median": statistics.median(computed[1:]),
        "compute, slowest": max(computed[1:]),
        "compute, an empty partner": statistics.median(
            milliseconds(lambda: checklist.compute(others[0], now=timezone.now()))
        ),
        f"who of {PARTNERS} changed": statistics.median(milliseconds(changed)),
    }
    green = list(StepState.objects.filter(partner=partner, state="met").values_list("number", flat=True))
    print(f"\n{'what':<32}{'ms':>8}{'of 200 ms':>12}")
    for name, figure in figures.items():
        print(f"{name:<32}{figure:>8.1f}{figure / LIMIT_MS:>12.2f}")
    print(f"steps met: {sorted(green)}; {sum(RECORDS.values()):,} records\n{dt.date.today()}, {server.machine()}")
    server.print_result(
        "checklist", {name.replace(", ", "_").replace(" ", "_"): round(ms, 2) for name, ms in figures.items()}
    )


if __name__ == "__main__":
    server.run(measure)
