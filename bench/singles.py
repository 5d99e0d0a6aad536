"""Single records over HTTP, beside a view that answers `{}` on the same server: `script/bench singles`.

8 connections push transactions one by one into the filled sandbox, then the same into 8 sandboxes, one each: what
writers to one environment wait for each other shows between the two. The ways take turns for five rounds, and medians
count.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from bench import fill, server
from bench.load import TAG, given_back, records, token_for

CONNECTIONS = 8
ROUNDS = 5
SECONDS = 4
TOKENS_EACH = 8
"""Of each connection, so that none makes more than the 1,000 calls a minute that it may."""
SINGLE = "/api/v1/igaming/transactions"


def requests_a_second(port: int, call: Callable[[int, http.client.HTTPConnection], None]) -> float:
    """What the connections get answered together; `call` is one request by the connection of that number."""
    done = [0] * CONNECTIONS
    deadline = time.monotonic() + SECONDS

    def work(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while time.monotonic() < deadline:
            call(number, connection)
            done[number] += 1
        connection.close()

    started = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, range(CONNECTIONS)))
    return sum(done) / (time.monotonic() - started)


def nothing(number: int, connection: http.client.HTTPConnection) -> None:
    connection.request("GET", "/bench/empty")
    connection.getresponse().read()


def pusher(tokens: list[list[str]], *, players: int) -> Callable[[int, http.client.HTTPConnection], None]:
    """Pushes one new transaction with one of the tokens of the connection."""
    bodies = [json.dumps(record) for record in records(1, players=players)]
    run, numbers = f"{random.randrange(16**6):06x}", count()

    def push(number: int, connection: http.client.HTTPConnection) -> None:
        body = random.choice(bodies).replace(TAG, f"{run}{next(numbers):06d}")
        token = random.choice(tokens[number])
        connection.request(
            "POST", SINGLE, body, {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        )
        answer = connection.getresponse()
        said = answer.read()
        if answer.status != 201:
            raise RuntimeError(f"A record was not created: {answer.status} {said[:300]!r}")

    return push


def measure() -> None:
    from entities.pipeline import ingest
    from integrations.clients import create_client
    from track360.partners import create_partner

    filled = fill.filled_environment()
    few = 1000
    others = []
    for number in range(CONNECTIONS):
        partner = create_partner(name="Bench", slug=f"bench-{random.randrange(16**8):08x}-{number}")
        environment = partner.environments.get(kind="sandbox")
        customers = [
            {"customer_id": f"cst_{player}", "signup_date": "2024-01-01T00:00:00Z", "affiliate_id": "aff_1"}
            for player in range(few)
        ]
        ingest(environment, "customers", customers)
        others.append(environment)
    figures: dict[str, list[float]] = defaultdict(list)
    with server.web_server() as web, given_back(filled):
        clients = [
            create_client(environment, name="bench", actor=None) for environment in [filled] * CONNECTIONS + others
        ]
        tokens = [[token_for(web.port, new.client.client_id, new.clear) for _ in range(TOKENS_EACH)] for new in clients]
        ways = {
            "a view that answers {}": nothing,
            "into one sandbox": pusher(tokens[:CONNECTIONS], players=fill.SCALES["large"].customers),
            "into 8 sandboxes": pusher(tokens[CONNECTIONS:], players=few),
        }
        for turn in range(ROUNDS + 1):
            for name, call in ways.items():
                speed = requests_a_second(web.port, call)
                if turn:  # the first warms up
                    figures[name].append(speed)
    medians = {name: statistics.median(speeds) for name, speeds in figures.items()}
    empty, one, eight = medians.values()
    print(f"\n{'what':<32}{'requests/s':>12}{'of {}':>8}")
    for name, speed in medians.items():
        print(f"{name:<32}{speed:>12,.0f}{speed / empty:>8.2f}")
    print(f"one sandbox of eight: {one / eight:.2f}\n{dt.date.today()}, {server.machine()}")
    server.print_result(
        "singles",
        {
            "empty": round(empty),
            "one": round(one),
            "eight": round(eight),
            "one_of_empty": round(one / empty, 3),
            "one_of_eight": round(one / eight, 3),
        },
    )


if __name__ == "__main__":
    server.run(measure, database="large")
