"""The reading side of the API at ten thousand and at ten million transactions: `script/bench lists`.

Every list by its pages, cursor steps and filters, the look-up of a record by its key, and the unfiltered total, on the
two databases of `bench.fill`. Each is served by a process of its own; they take turns, so that what disturbs one
disturbs the other. Medians, at two levels: `call` is the whole request in the process, through Django's test client,
and `read` the part in `entities.selectors`, where most of what grows with a table would show.

Like is compared with like: a value is chosen for each size so that the pages are equally full. A customer with 300
transactions is the busiest of the small database and the 251st of the large one; "rare" is a status of 100 records in
the small and of 2,000 in the large one; where the small one has fewer than a page, both are asked for as few.
What cannot be alike is a filtered total: it counts to 10,000 in the large database and to what there is in the small.
"""

from __future__ import annotations

import datetime as dt
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import Pipe, Process
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from bench import server
from bench.fill import DAYS, SCALES, filled_environment

if TYPE_CHECKING:
    from django.test import Client

    from track360.models import Environment

ROUNDS = 5
CALLS = 3  # a turn
RATIO = 1.3
ROOT = "/api/v1/igaming"
Parts = dict[str, Callable[[], Any]]


@dataclass(frozen=True)
class Case:
    """A list: its filters (`small` and `large` may differ), and where in it to read."""

    name: str
    entity: str
    filters: dict[str, Any] = field(default_factory=dict)
    page: int = 1
    per_page: int = 50
    cursor_at: float | None = None  # the share of the ids that lies before


def cases(size: str, moments: dict[str, dt.datetime]) -> Iterator[Case]:
    """What is measured. Every size gives the same names in the same order."""
    for entity in ("customers", "transactions", "activity"):
        yield Case("page 1", entity)
        deepest = min(10_000, getattr(SCALES["small"], entity))
        for page in (deepest // 2, deepest):
            yield Case(f"page {page:,} of 1", entity, page=page, per_page=1)
        for place, share in (("start", 0.001), ("middle", 0.5), ("end", 0.9)):
            yield Case(f"cursor, {place}", entity, cursor_at=share)
        yield Case("updated_since long ago", entity, {"updated_since": moments["begin"]})
        yield Case("updated_since recent", entity, {"updated_since": moments[f"last 100 {entity}"]})
    yield from customer_cases(moments)
    yield from transaction_cases(size, moments)
    yield from activity_cases(size, moments)


def customer_cases(moments: dict[str, dt.datetime]) -> Iterator[Case]:
    of = partial(Case, entity="customers")
    yield of("affiliate", filters={"affiliate_id": "aff_7"}, per_page=3)
    yield of("campaign", filters={"campaign_id": "cmp_7"}, per_page=1)
    yield of("country", filters={"country_code": "GB"})
    yield of("country, cursor", filters={"country_code": "GB"}, cursor_at=0.5)
    yield of("KYC frequent", filters={"kyc_status_id": "verified"})
    yield of("KYC unknown", filters={"kyc_status_id": "nothing"})
    yield of("signup range", filters={"signup_from": moments["begin"], "signup_to": moments["middle"]})
    yield of("signup from", filters={"signup_from": moments["middle"]})
    yield of("country + KYC", filters={"country_code": "GB", "kyc_status_id": "refused"})
    yield of("country + signup from", filters={"country_code": "GB", "signup_from": moments["middle"]})
    yield of("affiliate + signup from", filters={"affiliate_id": "aff_7", "signup_from": moments["begin"]}, per_page=3)
    yield of("KYC unknown + signup from", filters={"kyc_status_id": "nothing", "signup_from": moments["begin"]})


def transaction_cases(size: str, moments: dict[str, dt.datetime]) -> Iterator[Case]:
    of = partial(Case, entity="transactions")
    rare = "reversed" if size == "small" else "charged back"
    customer = "cst_0" if size == "small" else "cst_250"
    since, until = {"from": moments["middle"]}, {"to": moments["month later"]}
    yield of("customer", filters={"customer_id": customer})
    yield of("customer unknown", filters={"customer_id": "nobody"})
    yield of("type", filters={"transaction_type": "deposit"})
    yield of("status frequent", filters={"status": "approved"})
    yield of("status frequent, page 5,000 of 1", filters={"status": "approved"}, page=5000, per_page=1)
    yield of("status frequent, cursor", filters={"status": "approved"}, cursor_at=0.5)
    yield of("status rare", filters={"status": rare})
    yield of("status unknown", filters={"status": "nothing"})
    yield of("currency", filters={"currency": "GBP"})
    yield of("from", filters=since)
    yield of("range", filters=since | until)
    yield of("status frequent + from", filters={"status": "approved", **since})
    yield of("status frequent + from, cursor", filters={"status": "approved", **since}, cursor_at=0.7)
    yield of("status 6 % + from", filters={"status": "pending", **since})
    yield of("status 6 % + from, cursor", filters={"status": "pending", **since}, cursor_at=0.7)
    yield of("status 3 % + last days", filters={"status": "declined", "from": moments["last days"]}, per_page=10)
    yield of("status rare + from", filters={"status": rare, **since})
    yield of("status unknown + from", filters={"status": "nothing", **since})
    yield of("type + currency", filters={"transaction_type": "deposit", "currency": "GBP"})
    yield of("status 6 % + currency", filters={"status": "pending", "currency": "GBP"})
    yield of("status rare + currency", filters={"status": rare, "currency": "GBP"}, per_page=10)
    yield of("status + type, never together", filters={"status": "declined", "transaction_type": "deposit"})
    yield of("currency + from", filters={"currency": "GBP", **since})
    yield of("customer + type", filters={"customer_id": customer, "transaction_type": "deposit"})
    yield of("customer + from", filters={"customer_id": customer, **since})
    yield of("status 6 % + updated_since", filters={"status": "pending", "updated_since": moments["middle"]})


def activity_cases(size: str, moments: dict[str, dt.datetime]) -> Iterator[Case]:
    of = partial(Case, entity="activity")
    player = "cst_127" if size == "small" else "cst_9"  # each with 24 rows
    since = {"from": moments["middle"].date()}
    yield of("customer", filters={"customer_id": player}, per_page=10)
    yield of("game", filters={"game_type": "slots"})
    yield of("currency", filters={"currency": "GBP"})
    yield of("from", filters=since)
    yield of("range", filters=since | {"to": moments["month later"].date()})
    yield of("customer + from", filters={"customer_id": player, **since}, per_page=5)
    yield of("game + currency", filters={"game_type": "slots", "currency": "GBP"})
    yield of("game + from", filters={"game_type": "slots", **since})
    yield of("game + from, cursor", filters={"game_type": "slots", **since}, cursor_at=0.7)
    yield of("game unknown + from", filters={"game_type": "nothing", **since})


def known_moments() -> dict[str, dt.datetime]:
    from entities.listings import LISTINGS
    from entities.models import Transaction

    moments = {}
    for entity, listing in LISTINGS.items():
        newest = listing.model._default_manager.filter(environment=filled_environment()).order_by("-updated_at", "-id")
        moments[f"last 100 {entity}"] = newest[99].updated_at
    first = Transaction.objects.filter(environment=filled_environment()).order_by("transaction_date", "id")[0]
    moments["begin"] = first.transaction_date
    moments["middle"] = first.transaction_date + dt.timedelta(days=DAYS // 2)
    moments["month later"] = moments["middle"] + dt.timedelta(days=30)
    moments["last days"] = first.transaction_date + dt.timedelta(days=DAYS - 100)
    return moments


def cursor_for(environment: Environment, case: Case, first_id: int, last_id: int) -> str:
    """A cursor of a walk that began now, and has come as far as `cursor_at` says."""
    from entities.listings import LISTINGS
    from entities.models import Entity
    from entities.selectors import records_for
    from entities.walks import decode_cursor, encode_cursor

    assert case.cursor_at is not None
    listing = LISTINGS[Entity(case.entity)]
    begun = records_for(environment, case.entity, filters=case.filters, per_page=1).next_cursor
    assert begun is not None
    walk = decode_cursor(environment, listing, case.filters, begun)
    position = first_id + int((last_id - first_id) * case.cursor_at)
    record = listing.model._default_manager.filter(environment=environment, id__gte=position).order_by("id")[0]
    after = tuple(getattr(record, column) for column in listing.order(case.filters))
    return encode_cursor(environment, listing, case.filters, walk.step(after))


def list_parts(environment: Environment, http: Client, case: Case, ids: tuple[int, int]) -> Parts:
    from entities.selectors import records_for

    place: dict[str, Any] = {"page": case.page}
    if case.cursor_at is not None:
        place = {"cursor": cursor_for(environment, case, *ids)}
    place["per_page"] = case.per_page
    texts = {
        name: value.isoformat().replace("+00:00", "Z") if isinstance(value, dt.date) else value
        for name, value in case.filters.items()
    }
    address = f"{ROOT}/{case.entity}?{urlencode(texts | place)}"
    return {
        "call": lambda: answered(http, address),
        "read": lambda: records_for(environment, case.entity, filters=case.filters, **place),
    }


def answered(http: Client, address: str) -> None:
    response = http.get(address)
    assert response.status_code == 200, (address, response.content)


def all_parts(size: str, environment: Environment, http: Client) -> dict[str, Parts]:
    """Name -> what to time."""
    from entities.listings import LISTINGS
    from entities.models import Entity
    from entities.selectors import customer_for, total_of, transaction_for

    def ids(entity: str) -> tuple[int, int]:
        rows = LISTINGS[Entity(entity)].model._default_manager.filter(environment=environment)
        return rows.order_by("id")[0].pk, rows.order_by("-id")[0].pk

    found: dict[str, Parts] = {}
    spans = {entity: ids(entity) for entity in ("customers", "transactions", "activity")}
    for case in cases(size, known_moments()):
        found[f"{case.entity}: {case.name}"] = list_parts(environment, http, case, spans[case.entity])
    middle = SCALES[size].customers // 2
    found["customers: by key"] = {
        "call": lambda: answered(http, f"{ROOT}/customers/cst_{middle}"),
        "read": lambda: customer_for(environment, f"cst_{middle}"),
    }
    found["transactions: by key"] = {
        "call": lambda: answered(http, f"{ROOT}/transactions/txn_{middle}"),
        "read": lambda: transaction_for(environment, f"txn_{middle}"),
    }
    found["transactions: unfiltered total"] = {"read": lambda: total_of(environment, "transactions")}
    return found


def serve(size: str, pipe: Connection) -> None:
    """Do what the pipe asks for, a turn of calls at a time, and answer with the milliseconds."""
    from django.test import Client

    from integrations.clients import create_client, revoke_client

    environment = filled_environment()
    new = create_client(environment, name="bench", actor=None)
    http = Client(headers={"host": "127.0.0.1"})
    form = f"grant_type=client_credentials&client_id={new.client.client_id}&client_secret={new.clear}"
    token = http.post("/oauth/token", form, content_type="application/x-www-form-urlencoded").json()["access_token"]
    parts = all_parts(size, environment, Client(headers={"host": "127.0.0.1", "authorization": f"Bearer {token}"}))
    pipe.send(list(parts))
    while (asked := pipe.recv()) is not None:
        pipe.send({level: timed(call) for level, call in parts[asked].items()})
    revoke_client(new.client, actor=None)


def timed(call: Callable[[], Any]) -> list[float]:
    call()  # to warm up
    took = []
    for _ in range(CALLS):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return took


def measured() -> dict[str, dict[str, dict[str, float]]]:
    """Name -> level -> size -> median in milliseconds."""
    pipes, processes = {}, []
    for size in SCALES:
        pipes[size], theirs = Pipe()
        process = Process(target=server.run, args=(partial(serve, size, theirs),), kwargs={"database": size})
        process.start()
        theirs.close()  # so that a process that ends is noticed
        processes.append(process)
    names = {size: pipe.recv() for size, pipe in pipes.items()}
    assert names["small"] == names["large"]
    took: dict[str, Any] = {name: {} for name in names["small"]}
    for turn in range(ROUNDS):
        for name in took:
            for size in sorted(pipes, reverse=bool(turn % 2)):
                pipes[size].send(name)
                for level, figures in pipes[size].recv().items():
                    took[name].setdefault(level, {}).setdefault(size, []).extend(figures)
    for pipe in pipes.values():
        pipe.send(None)
    for process in processes:
        process.join()
    return {
        name: {
            level: {size: statistics.median(figures) for size, figures in sizes.items()}
            for level, sizes in levels.items()
        }
        for name, levels in took.items()
    }


def main() -> None:
    figures: dict[str, float | str] = {}
    beyond = []
    print(f"{'':<48}{'call, ms':>18}{'':>8}{'read, ms':>18}")
    print(f"{'what':<48}{'small':>9}{'large':>9}{'ratio':>8}{'small':>9}{'large':>9}{'ratio':>8}", flush=True)
    for name, levels in measured().items():
        line = f"{name:<48}"
        for level in ("call", "read"):
            if level not in levels:
                line += " " * 26
                continue
            small, large = levels[level]["small"], levels[level]["large"]
            line += f"{small:>9.2f}{large:>9.2f}{large / small:>8.2f}"
            figures[f"{name}, {level}"] = round(large, 2)
            figures[f"{name}, {level}, ratio"] = round(large / small, 2)
            if level == "call" and large / small > RATIO:
                beyond.append(f"{name} ({large / small:.2f})")
        print(line)
    print(f"calls beyond {RATIO}: {'; '.join(beyond) or 'none'}")
    print(server.machine())
    server.print_result("lists", figures)


if __name__ == "__main__":
    main()
