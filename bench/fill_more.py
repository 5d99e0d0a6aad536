"""What the pages show beside the records of a filled database: calls, refusals, changes, runs, totals, people.

The fill calls it; by itself it adds what is missing to databases that were filled before. A store has its rows at
`large` and a thousandth of them at `small`, but 10 at least.
"""

from __future__ import annotations

import datetime as dt
import json
import random
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from bench import server

if TYPE_CHECKING:
    from track360.audit import Actor
    from track360.models import Environment, User

OWNER = "owner@filled.example"
TEAM = "team@filled.example"
LOG_DAYS = 14
TOTAL_DAYS = 65
CAUSES = [
    (entity, code, field)
    for entity, fields in (
        ("customers", ("country_code", "lang_id", "email", "signup_date", "affiliate_id")),
        ("transactions", ("currency", "amount_currency", "status", "transaction_date", "customer_id")),
        ("activity", ("currency", "bets_count", "total_bets", "game_type", "date")),
    )
    for field in fields
    for code in ("type", "pattern")
]
# A share of the rows of `large`, as the names of the parameters below say.
STORES = {
    "requests": 1_000_000,
    "held": 20_000,
    "closed": 20_000,
    "changes": 1_000_000,
    "runs": 20_000,
    "differences": 10_000,
    "sightings": 100_000,
    "events": 100_000,
    "notifications": 20_000,
    "samples": 1_000,
    "values": 40,
    "notes": 200,
    "members": 40,
    "partners": 500,
}

REQUESTS = """
INSERT INTO integrations_apirequest (id, at, environment_id, client_id, token_last_four, method, path, query, entity,
    status, duration_ms, request_bytes, ip, user_agent, received, created, updated, unchanged, stale, rejected,
    error_code, error_summary, detail)
SELECT gen_random_uuid(), now() - n * (interval '%(days)s days' / %(requests)s), %(environment)s,
       (%(clients)s::text[])[1 + n %% 5], 'f00d', 'POST', '/api/v1/igaming/' || entity || '/bulk', '', entity,
       CASE WHEN refused THEN 422 ELSE 200 END, 5 + n %% 40, 800, '192.0.2.7', 'casino/1.0', 1,
       CASE WHEN refused THEN 0 ELSE 1 END, 0, 0, 0, CASE WHEN refused THEN 1 ELSE 0 END,
       CASE WHEN refused THEN 'validation_failed' ELSE '' END,
       CASE WHEN refused THEN 'Nothing was stored: 1 error in the record.' ELSE '' END,
       CASE WHEN refused THEN %(detail)s END
  FROM generate_series(1, %(requests)s) AS n,
       LATERAL (SELECT (ARRAY['customers', 'transactions', 'activity'])[1 + n %% 3] AS entity,
                       n %% 33 = 0 AS refused) AS call
"""
# The newest are held; 30 causes, of which the first has most.
QUARANTINE = """
INSERT INTO entities_quarantinedrecord (environment_id, entity, batch_id, run_id, index, received_at, key, code, field,
    payload, errors, state, closed_at)
SELECT %(environment)s, cause ->> 0, gen_random_uuid(), CASE WHEN n %% 10 = 0 THEN %(run)s::uuid END, n %% 1000,
       now() - n * interval '3 minutes', 'key_' || n, cause ->> 1, cause ->> 2,
       replace(%(payload)s, 'cst_n', 'cst_held_' || n), replace(replace(%(errors)s, 'a field', cause ->> 2), 'a code',
       cause ->> 1), CASE WHEN n <= %(held)s THEN 'held' ELSE 'stored' END, CASE WHEN n > %(held)s THEN now() END
  FROM generate_series(%(held)s + %(closed)s, 1, -1) AS n,
       LATERAL (SELECT %(causes)s::jsonb -> least(n * 7919 %% 30, n %% 31) AS cause) AS c
"""
QUARANTINE_EVENTS = """
INSERT INTO entities_quarantineevent (record_id, at, kind, client_id, outcome, reason)
SELECT id, now(), 'stored', '', 'created', '' FROM entities_quarantinedrecord
 WHERE environment_id = %(environment)s AND state = 'stored'
"""
CHANGES = """
INSERT INTO entities_recordchange (environment_id, entity, record_id, changed_at, batch_id, removed, old)
SELECT environment_id, 'transactions', id, updated_at + interval '1 second', batch_id, false,
       to_jsonb(t) - 'id' - 'environment_id' || '{"status": "pending"}'
  FROM (SELECT * FROM entities_transaction WHERE environment_id = %(environment)s ORDER BY id DESC
         LIMIT %(changes)s) AS t
"""
# One customer who is sent with each change, be it ever so small.
CHANGES_OF_ONE = """
INSERT INTO entities_recordchange (environment_id, entity, record_id, changed_at, batch_id, removed, old)
SELECT environment_id, 'customers', id, updated_at + n * interval '1 second', batch_id, false,
       to_jsonb(c) - 'id' - 'environment_id' || jsonb_build_object('campaign_id', 'cmp_' || n)
  FROM entities_customer AS c, generate_series(1, greatest(10, %(changes)s / 1000)) AS n
 WHERE environment_id = %(environment)s AND customer_id = 'cst_0'
"""
RUNS = """
INSERT INTO integrations_syncrun (id, feed_id, environment_id, entity, kind, state, requested_at, due_at, started_at,
    finished_at, since, until, cursor_before, cursor_after, client_id, attempts, pages, read, created, updated,
    unchanged, stale, rejected, differing, busy_seconds, problem, problem_party)
SELECT gen_random_uuid(), %(feed)s, %(environment)s, 'transactions', 'scheduled', 'done', at, at, at,
       at + interval '4 seconds', '', '', '', '', '', 0, 1, 120, 100, 12, 8, 0, n %% 50, 0, 4,
       CASE WHEN n %% 40 = 0 THEN 'The source answered 503.' ELSE '' END,
       CASE WHEN n %% 40 = 0 THEN 'partner' ELSE '' END
  FROM generate_series(1, %(runs)s) AS n, LATERAL (SELECT now() - n * interval '15 minutes' AS at) AS due
"""
RUN_EVENTS = """
INSERT INTO integrations_syncevent (run_id, at, kind, text, url, status, duration_ms, size, records)
SELECT id, due_at, 'call', '', 'https://api.casino.example/v2/transactions?page=' || page, 200, 180, 48000, 40
  FROM integrations_syncrun, generate_series(1, 3) AS page WHERE feed_id = %(feed)s
"""
DIFFERENCES = """
INSERT INTO entities_difference (environment_id, entity, record_id, key, batch_id, fetched_at, payload, fields, outcome,
    reason, client_id, found_at)
SELECT environment_id, 'transactions', id, transaction_id, gen_random_uuid(), updated_at + interval '1 minute',
       (to_jsonb(t) - 'id' - 'environment_id' || '{"amount_currency": 5.00}')::text, '["amount_currency"]', '', '', '',
       updated_at
  FROM (SELECT * FROM entities_transaction WHERE environment_id = %(environment)s AND id %% 100 = 0
         ORDER BY id DESC LIMIT %(differences)s) AS t
"""
SIGHTINGS = """
INSERT INTO entities_sighting (environment_id, entity, record_id, door, seen_at)
SELECT environment_id, 'transactions', id, 'pull', updated_at + interval '1 minute'
  FROM entities_transaction WHERE environment_id = %(environment)s AND id %% 10 = 0
 ORDER BY id DESC LIMIT %(sightings)s
"""
# As computed here, but for each tenth day, of which the partner counts one more.
SAID = """
INSERT INTO integrations_daytotals (environment_id, entity, day, side, at, origin, time_zone, lines, client_id)
SELECT environment_id, entity, day, 'partner', now(), 'api', 'UTC',
       CASE WHEN (day - date '2020-01-01') %% 10 = 0 AND lines <> '[]'
            THEN jsonb_set(lines, '{0,count}', to_jsonb((lines #>> '{0,count}')::int + 1)) ELSE lines END, ''
  FROM integrations_daytotals WHERE environment_id = %(environment)s AND side = 'stored'
"""
EVENTS = """
INSERT INTO track360_auditevent (id, at, actor_id, client_id, action, partner_id, environment_id, target, detail)
SELECT gen_random_uuid(), now() - n * interval '5 minutes', %(owner)s, '',
       (ARRAY['client.created', 'mapping.saved', 'sample.created', 'partner.looked_at'])[1 + n %% 4], %(partner)s,
       %(environment)s, 'target ' || n, '{"name": "Platform"}'
  FROM generate_series(1, %(events)s) AS n
"""
NOTIFICATIONS = """
INSERT INTO onboarding_notification (id, partner_id, environment_id, kind, subject, title, text, path, at, over_at)
SELECT gen_random_uuid(), %(partner)s, %(environment)s, 'records.refused', 'sandbox ' || n,
       'Transactions refused', 'They lack a currency.', '', at,
       CASE WHEN n > 10 THEN at + interval '1 hour' END
  FROM generate_series(1, %(notifications)s) AS n, LATERAL (SELECT now() - n * interval '25 minutes' AS at) AS told
"""
DELIVERIES = """
INSERT INTO onboarding_delivery (id, notification_id, channel, email, endpoint_id, attempts, next_try_at, tried_at,
    delivered_at, status, last_error)
SELECT gen_random_uuid(), id, 'webhook', '', %(endpoint)s, 1, NULL, at, at, 200, ''
  FROM onboarding_notification WHERE partner_id = %(partner)s
"""
SAMPLES = """
INSERT INTO onboarding_sample (id, environment_id, entity, origin, name, format, size, body, columns, created_at,
    client_id, state, finished_at, problem, notices, total, checked, invalid, error_count, warning_count, groups)
SELECT gen_random_uuid(), %(environment)s, 'customers', 'paste', '', 'json', 2, '', '{}', now() - n * interval '1 hour',
       '', 'done', now(), '', '[]', 1, 1, 0, 0, 0, '[]'
  FROM generate_series(1, %(samples)s) AS n
"""
RECORD = {
    "customer_id": "cst_n",
    "transaction_id": "txn_n",
    "transaction_type": "deposit",
    "amount_currency": 25.5,
    "currency": "EUR",
    "status": "approved",
    "email": "player@mail.example",
}
FAULTY_CUSTOMER = {
    "customer_id": "cst_n",
    "signup_date": "2026-03-12T09:15:00Z",
    "affiliate_id": "aff_204",
    "country_code": "UK",
    "email": "player@mail.example",
}
ERROR = {"index": 0, "pointer": "/0/a field", "field": "a field", "code": "a code", "message": "is wrong", "value": 1}


def fill_more(environment: Environment, *, share: float) -> None:
    """Add what is missing; `share` of the rows of `large`."""
    from django.db import transaction

    from track360.models import AuditEvent

    if AuditEvent.objects.filter(action="bench.filled_more").exists():
        return
    with transaction.atomic():
        add_all(environment, share=share)


def add_all(environment: Environment, *, share: float) -> None:
    from django.utils import timezone

    from entities.batch_hours import roll_up
    from track360 import audit

    owner, team = people(environment, members=rows_of("members", share))
    values: dict[str, Any] = {name: rows_of(name, share) for name in STORES} | {
        "environment": environment.pk,
        "partner": environment.partner_id,
        "owner": owner.pk,
    }
    values |= doors(environment, owner)
    statements(REQUESTS, RUNS, RUN_EVENTS, values=values | log_values())
    statements(QUARANTINE, QUARANTINE_EVENTS, CHANGES, CHANGES_OF_ONE, values=values | quarantine_values(environment))
    statements(DIFFERENCES, SIGHTINGS, "ANALYZE entities_difference, entities_sighting", values=values)
    totals(environment)
    statements(SAID, EVENTS, NOTIFICATIONS, DELIVERIES, SAMPLES, values=values)
    walk(environment, owner, team, values)
    roll_up(environment, now=timezone.now())
    audit.record("bench.filled_more", actor=None, environment=environment)


def rows_of(store: str, share: float) -> int:
    return max(10, int(STORES[store] * share))


def statements(*texts: str, values: dict[str, Any]) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        for text in texts:
            cursor.execute(text, values)


def people(environment: Environment, *, members: int) -> tuple[User, User]:
    """An owner to sign in as, and one of the team."""
    from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret

    from track360.models import Membership, User

    owner = User.objects.create_user(OWNER, name="Ada Owner")
    Membership.objects.create(user=owner, partner=environment.partner, role="owner")
    for number in range(members):
        member = User.objects.create_user(f"member{number}@filled.example", name=f"Member {number}")
        Membership.objects.create(user=member, partner=environment.partner, role="developer")
    team = User.objects.create_user(TEAM, name="Grace Team", is_staff=True)
    TOTP.activate(team, generate_totp_secret())
    return owner, team


def doors(environment: Environment, owner: User) -> dict[str, Any]:
    """Clients in use, a connection with a feed that runs every 15 minutes, and a webhook."""
    import uuid

    from django.utils import timezone

    from integrations.clients import create_client
    from integrations.connections import put_secret
    from integrations.models import ClientSecret, Connection, Feed
    from integrations.webhooks import create_endpoint
    from track360.audit import Actor

    actor = Actor(user=owner)
    clients = [create_client(environment, name=f"Platform {number}", actor=actor).client for number in range(5)]
    ClientSecret.objects.filter(client__in=clients).update(last_used_at=timezone.now())
    connection = Connection(
        id=uuid.uuid4(),
        environment=environment,
        name="Back office",
        kind="rest",
        base_url="https://api.casino.example/v2",
        auth="header",
        auth_header="X-Api-Key",
        is_on=True,
        passed_at=timezone.now(),
    )
    put_secret(connection, "a key of the partner's")
    connection.save(force_insert=True)
    feed = Feed.objects.create(
        connection=connection,
        environment=environment,
        entity="transactions",
        pattern="hybrid",
        path="/transactions",
        every_minutes=15,
        is_on=True,
        passed_at=timezone.now(),
        cursor_moved_at=timezone.now(),
    )
    endpoint = create_endpoint(environment.partner, url="https://93.184.215.14/track360", actor=actor).endpoint
    return {"clients": [client.client_id for client in clients], "feed": feed.pk, "endpoint": endpoint.pk}


def log_values() -> dict[str, Any]:
    """And the days' partitions of the log, which the product makes ahead only."""
    from django.utils import timezone

    from integrations.partitions import DAYS_AHEAD, ensure_partitions

    today = timezone.now().date()
    for back in range(LOG_DAYS, 0, -DAYS_AHEAD):
        ensure_partitions(today - dt.timedelta(days=back))
    ensure_partitions(today)
    detail = {"records": [{"index": 0, "record": RECORD, "errors": [ERROR]}]}
    return {"days": LOG_DAYS, "detail": json.dumps(detail)}


def quarantine_values(environment: Environment) -> dict[str, Any]:
    from integrations.models import SyncRun

    run = SyncRun.objects.filter(environment=environment).latest("due_at")
    return {
        "run": run.pk,
        "payload": json.dumps(RECORD, separators=(",", ":")),
        "errors": json.dumps([ERROR]),
        "causes": json.dumps(CAUSES),
    }


def totals(environment: Environment) -> None:
    """Those of the last days, counted by the product; the days before are as if they had not changed."""
    from django.utils import timezone

    from entities.models import Entity
    from integrations.models import TotalsWatermark
    from integrations.reconciliation.compute import compute_day

    today = timezone.now().date()
    for entity in Entity.values:
        TotalsWatermark.objects.create(environment=environment, entity=entity, upto=timezone.now())
        for back in range(TOTAL_DAYS):
            compute_day(environment, entity, today - dt.timedelta(days=back), "UTC")


def walk(environment: Environment, owner: User, team: User, values: dict[str, Any]) -> None:
    """The onboarding with its notes, samples and mappings, and the other partners of the team's desk."""
    from django.utils import timezone

    from bench.desk import make_partner
    from entities.models import SeenStatus
    from onboarding import agreements, checklist
    from onboarding.mappings import Wish, save_mappings
    from onboarding.models import RehearsalWindow, StepNote
    from onboarding.sample_checks import check_sample
    from onboarding.samples import create_sample
    from track360.audit import Actor

    partner, now = environment.partner, timezone.now()
    actors: list[Actor] = [Actor(user=owner), Actor(user=team)]
    for actor in actors:
        agreements.propose_scope(
            partner,
            patterns={"customers": "push", "transactions": "hybrid", "activity": "push"},
            contacts=[{"name": "Ada", "email": OWNER}],
            time_zone="UTC",
            history_from=None,
            actor=actor,
        )
    RehearsalWindow.objects.create(partner=partner, opened_at=now, closes_at=now + dt.timedelta(days=1))
    StepNote.objects.bulk_create(
        StepNote(partner=partner, number=3, author=owner, text=f"Asked the payments team, {number}.")
        for number in range(values["notes"])
    )
    payload = json.dumps([FAULTY_CUSTOMER] * min(1000, values["samples"])).encode()
    check_sample(create_sample(environment, entity="customers", payload=payload, origin="paste", actor=actors[0]).pk)
    for number in range(values["values"]):
        SeenStatus.objects.create(environment=environment, field="status", raw_value=f"value {number}")
        save_mappings(partner, [Wish("status", f"value {number}", "approved")], actor=actors[0])
    dice = random.Random(8)
    for number in range(values["partners"]):
        make_partner(number, dice)
    checklist.compute(partner, now=timezone.now())


def measure(name: str) -> None:
    from bench.fill import SCALES, filled_environment
    from track360.models import AuditEvent

    environment = filled_environment()
    if AuditEvent.objects.filter(action="bench.filled_more").exists():
        print(f"{name}: has all that the pages show already")
        return
    started = time.monotonic()
    fill_more(environment, share=SCALES[name].customers / SCALES["large"].customers)
    print(f"{name}: what else the pages show, in {time.monotonic() - started:,.0f} s")


if __name__ == "__main__":
    for name in ("small", "large"):
        server.run_apart(partial(measure, name), database=name)
