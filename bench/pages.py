"""What each page costs, with few records and with ten million: `script/bench pages`.

Server time in this process, without the network, on the two databases of `bench.fill`: the whole request with session,
sign-in, queries, template and compression, as an owner or as one of the team. A page should take at most 12 queries,
50 ms in 19 of 20 calls, and as many queries for ten million records as for ten thousand.
"""

from __future__ import annotations

import datetime as dt
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import SimpleQueue
from typing import TYPE_CHECKING, Any

from bench import server
from bench.fill_more import OWNER, TEAM

if TYPE_CHECKING:
    from django.test import Client

    from track360.models import Environment

CALLS = 30
WARM_UP = 3
MOST_MS = 50
MOST_QUERIES = 12
# Name -> address below a partner's environment; what stands in braces is found in the database.
PAGES = {
    "overview": "",
    "overview, 7 days": "?span=7d",
    "overview, steps judged anew": "",
    "onboarding": "onboarding/",
    **{f"onboarding, step {number}": f"onboarding/{number}/" for number in range(1, 9)},
    "scope": "onboarding/scope/",
    "notifications": "notifications/",
    "credentials": "credentials/",
    "a client": "credentials/{client}/",
    "connections": "connections/",
    "a connection": "connections/{connection}/",
    "a feed": "connections/{connection}/feeds/{feed}/edit/",
    "conformance": "connections/{connection}/feeds/{feed}/conformance/",
    "runs": "connections/runs/",
    "runs, filtered": "connections/runs/?entity=transactions&state=done&kind=scheduled",
    "runs, stopped": "connections/runs/?state=stopped",
    "runs, next page": "connections/runs/{next}",
    "a run": "connections/runs/{run}/",
    "mappings": "mappings/",
    "history of mappings": "mappings/history/",
    "affiliates": "affiliates/",
    "samples": "samples/",
    "a sample": "samples/{sample}/",
    "customers": "customers/",
    "customers, next page": "customers/{next}",
    "customers, search": "customers/?customer_id=cst_77",
    "customers, filtered": "customers/?country_code=DE&kyc_status_id=refused",
    "customers, of days": "customers/?signup_from={day}T00:00:00Z&signup_to={day_after}T00:00:00Z",
    "transactions": "transactions/",
    "transactions, next page": "transactions/{next}",
    "transactions, search": "transactions/?transaction_id=txn_77",
    "transactions, of a customer": "transactions/?customer_id=cst_0",
    "transactions, rare": "transactions/?status=charged+back",
    "transactions, two filters": "transactions/?transaction_type=withdrawal&currency=SEK",
    "activity": "activity/",
    "activity, next page": "activity/{next}",
    "activity, of a customer": "activity/?customer_id={player}",
    "a customer": "customers/{customer}/",
    "a transaction": "transactions/{transaction}/",
    "a row of activity": "activity/{activity}/",
    "freshness": "freshness/",
    "freshness, 7 days": "freshness/?span=7d",
    "freshness, 30 days": "freshness/?span=30d",
    "requests": "requests/",
    "requests, refused": "requests/?status=4xx",
    "requests, filtered": "requests/?entity=activity&status=422",
    "requests, of a client": "requests/?client={client}",
    "requests, next page": "requests/{next}",
    "a refused request": "requests/{request}/",
    "quarantine": "quarantine/",
    "quarantine, of a cause": "quarantine/?entity=transactions&code=pattern&field=currency",
    "quarantine, next page": "quarantine/{next}",
    "quarantine, of a run": "quarantine/?run={run}",
    "a refused record": "quarantine/{quarantined}/",
    "quarantine, download begins": "quarantine/download/",
    "reconciliation": "reconciliation/",
    "reconciliation, a day": "reconciliation/{day}/",
    "reconciliation, customers": "reconciliation/{day}/customers/",
    "reconciliation, a cell": "reconciliation/{day}/transactions/?currency=EUR&type=deposit",
    "reconciliation, activity": "reconciliation/{day}/activity/?currency=EUR",
    "team": "team/",
    "audit": "audit/",
    "audit, filtered": "audit/?action=client.created",
    "audit, next page": "audit/{next}",
    "an event": "audit/{event}/",
    "settings": "settings/",
    "retention": "settings/retention/",
    "webhooks": "settings/webhooks/",
    "a webhook": "settings/webhooks/{webhook}/",
    "erasures": "settings/erasures/",
    "export": "settings/export/",
    "docs": "docs/",
    "docs, errors": "docs/errors/",
    "docs, transactions": "docs/transactions/",
}
TEAMS_PAGES = {
    "the desk": "/partners/",
    "the desk, list": "/partners/?view=list",
    "the desk, search": "/partners/?q=casino+4",
    "the desk, a partner": "/staff/partners/filled/",
    "the team's audit": "/staff/audit/",
    "the team's resets": "/staff/resets/",
}


@dataclass(frozen=True)
class Cost:
    """Milliseconds of the calls: their median, that which 19 of 20 keep, and the median in the database."""

    queries: int
    median: float
    p95: float
    database: float


class Queries:
    """Counts the statements and their time; put around them by `connection.execute_wrapper`."""

    def __init__(self) -> None:
        self.number = 0
        self.seconds = 0.0

    def __call__(self, execute: Callable[..., Any], *arguments: Any) -> Any:
        self.number += 1
        started = time.perf_counter()
        try:
            return execute(*arguments)
        finally:
            self.seconds += time.perf_counter() - started


def cost_of(client: Client, address: str, *, before: Callable[[], object]) -> Cost:
    from django.db import connection

    took, database, queries = [], [], 0
    for number in range(WARM_UP + CALLS):
        before()
        counted = Queries()
        started = time.perf_counter()
        with connection.execute_wrapper(counted):
            response: Any = client.get(address)
            if response.streaming:
                next(iter(response.streaming_content))
                response.close()
        seconds = time.perf_counter() - started
        assert response.status_code == 200, (address, response.status_code)
        if number >= WARM_UP:
            took.append(seconds * 1000)
            database.append(counted.seconds * 1000)
            queries = max(queries, counted.number)
    p95 = sorted(took)[CALLS * 95 // 100]
    return Cost(queries, statistics.median(took), p95, statistics.median(database))


def signed_in(email: str) -> Client:
    from django.test import Client

    from track360.models import User

    client = Client(headers={"host": "127.0.0.1", "accept-encoding": "gzip"})
    user = User.objects.get(email=email)
    client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def shown_in(environment: Environment) -> dict[str, object]:
    """What stands in the addresses."""
    from entities.models import Activity, Customer, Difference, QuarantinedRecord, Transaction
    from integrations.models import ApiRequest, Client, Feed, SyncRun, WebhookEndpoint
    from onboarding.models import Sample
    from track360.models import AuditEvent

    of = {"environment": environment}
    feed = Feed.objects.get(**of)
    day = Difference.objects.filter(**of).latest("id").fetched_at.date()
    activity = Activity.objects.filter(**of).earliest("id")
    return {
        "client": Client.objects.filter(**of).latest("created").client_id,
        "connection": feed.connection_id,
        "feed": feed.pk,
        "run": SyncRun.objects.filter(**of).latest("due_at").pk,
        "sample": Sample.objects.filter(**of, total__gt=1).latest("created_at").pk,
        "customer": Customer.objects.get(**of, customer_id="cst_0").pk,
        "transaction": Transaction.objects.get(**of, transaction_id="txn_7777").pk,
        "activity": activity.pk,
        "player": activity.customer_id,
        "request": ApiRequest.objects.filter(**of, status=422).latest("at").pk,
        "quarantined": QuarantinedRecord.objects.filter(**of, state="held").latest("id").pk,
        "webhook": WebhookEndpoint.objects.get(partner=environment.partner).pk,
        "event": AuditEvent.objects.filter(partner=environment.partner).latest("at").pk,
        "day": day,
        "day_after": day + dt.timedelta(days=1),
    }


def next_page(client: Client, address: str) -> str:
    """The query that leads from the first page of a list to the next."""
    import re

    text = gzip_text(client.get(address))
    found = re.search(r'href="[^"?]*(\?[^"]*(?:before|after|cursor)=[^"]*)"', text)
    return found[1].replace("&amp;", "&") if found else ""


def gzip_text(response: Any) -> str:
    import gzip

    return gzip.decompress(response.content).decode()


def measure(results: SimpleQueue[dict[str, Cost]], chosen: str) -> None:
    from django.utils import timezone

    from bench.fill import filled_environment
    from entities.batch_hours import roll_up
    from onboarding import checklist
    from onboarding.models import Onboarding
    from track360 import gunicorn

    environment = filled_environment()
    partner = environment.partner
    roll_up(environment, now=timezone.now())  # as the worker does every five minutes
    checklist.compute(partner, now=timezone.now())
    clients = {"owner": signed_in(OWNER), "team": signed_in(TEAM)}
    places, base = shown_in(environment), f"/p/{partner.slug}/sandbox/"
    walk = Onboarding.objects.filter(partner=partner)
    found: dict[str, Cost] = {}
    gunicorn.post_fork(None, None)  # the garbage collector as in a web worker
    for name, address in [*PAGES.items(), *TEAMS_PAGES.items()]:
        if chosen not in name:
            continue
        client = clients["team" if name in TEAMS_PAGES else "owner"]
        page = address if name in TEAMS_PAGES else base + address
        if "{next}" in page:
            page = page.replace("{next}", next_page(client, page.partition("{")[0]))
        found[name] = cost_of(
            client,
            page.format(**places),
            before=partial(walk.update, computed_at=None) if "judged anew" in name else lambda: None,
        )
    results.put(found)


def main() -> None:
    """Both databases, one after the other; with a word behind the name of the bench only the pages that have it."""
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    costs = {}
    for name in ("small", "large"):
        results: SimpleQueue[dict[str, Cost]] = SimpleQueue()
        server.run_apart(partial(measure, results, chosen), database=name)
        costs[name] = results.get()
    head = f"{'page':<30}{'queries':>9}{'median':>9}{'p95':>8}{'in SQL':>8}{'of small':>10}"
    print(f"\n{head}")
    beyond = []
    for name, large in costs["large"].items():
        small = costs["small"][name]
        faults = [
            word
            for word, is_so in (
                ("slow", large.p95 > MOST_MS),
                ("queries", large.queries > MOST_QUERIES),
                (f"{small.queries} at few", small.queries != large.queries),
            )
            if is_so
        ]
        beyond += [name] if faults else []
        print(
            f"{name:<30}{large.queries:>9}{large.median:>9.1f}{large.p95:>8.1f}{large.database:>8.1f}"
            f"{large.median / small.median:>10.2f}  {', '.join(faults)}"
        )
    print(f"{len(costs['large'])} pages, {len(beyond)} beyond\n{dt.date.today()}, {server.machine()}")
    worst = max(cost.p95 for cost in costs["large"].values())
    server.print_result("pages", {"pages": len(costs["large"]), "beyond": len(beyond), "worst_p95": round(worst, 1)})


if __name__ == "__main__":
    main()
