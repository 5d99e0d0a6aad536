"""Bulk push over HTTP against COPY into the same table at ten million rows, in one run: `script/bench ingest`.

Both sides write transactions into the filled sandbox, 1,000 a commit over 4 connections, dated within the last minutes
as the guide wants them, for players chosen from the whole million; everything runs on this machine, the clients too.
COPY is the limit: it checks nothing and cannot upsert. The push goes through token, limits (lifted), schema, rules,
known customers, counts, history and request log; the peers (`push_peers.py`) through none of that. The ways take turns
for six rounds, each round beginning with another one, and medians count: whoever comes first after a checkpoint pays
for the others, and whoever follows the changed records for their clearing away.
"""

from __future__ import annotations

import datetime as dt
import json
import statistics
from collections import defaultdict, deque
from collections.abc import Callable

from bench import fill, push_peers, server
from bench.load import Send, copier, given_back, new_tags, pusher, records, throughput, token_for

ROUNDS = 6  # as many as there are ways, so that each has each place
TEMPLATES = 10


def changed(body: bytes) -> bytes:
    return body.replace(b"usual length", b"other length")


def by(name: str, send: Send) -> Callable[[], dict[str, float]]:
    return lambda: {name: throughput(send, new_tags())[0]}


def print_table(medians: dict[str, float], peak: float) -> None:
    print(f"\n{'way':<28}{'records/s':>12}{'of COPY':>10}{'of new':>10}")
    for name, figure in medians.items():
        print(f"{name:<28}{figure:>12,.0f}{figure / medians['COPY']:>10.2f}{figure / medians['new']:>10.2f}")
    print(f"peak memory of a web worker: {peak:.0f} MB\n{dt.date.today()}, {server.machine()}")


def measure() -> None:
    from integrations.clients import create_client
    from track360 import embedded, env

    environment = fill.filled_environment()
    players = fill.SCALES["large"].customers
    client = create_client(environment, name="bench", actor=None)
    batches = [records(seed, players=players) for seed in range(TEMPLATES)]
    bodies = [json.dumps(batch).encode() for batch in batches]
    dsn = embedded.Postgres(env.VAR).url
    figures: dict[str, list[float]] = defaultdict(list)
    with (
        server.web_server() as web,
        given_back(environment),
        push_peers.all_running(dsn, environment.pk, players=players) as ports,
    ):
        token = token_for(web.port, client.client.client_id, client.clear)
        push = pusher(web.port, token, bodies, outcome="created")
        update = pusher(web.port, token, [changed(body) for body in bodies], outcome="updated")
        again = pusher(web.port, token, bodies, outcome="unchanged")

        def ours() -> dict[str, float]:
            new, sent = throughput(push, new_tags())
            return {"new": new, "unchanged": throughput(again, sent)[0], "changed": throughput(update, sent)[0]}

        others = {
            "COPY": copier(environment, batches),
            "our statement alone": push_peers.bare_upsert(dsn, environment.pk, bodies),
            **{name: push_peers.batch_poster(port, bodies) for name, port in ports.items()},
        }
        ways = deque([*(by(name, send) for name, send in others.items()), ours])
        for turn in range(ROUNDS + 1):
            for way in ways:
                for name, speed in way().items():
                    if turn:  # the first warms up
                        figures[name].append(speed)
            ways.rotate(-1)
        peak = web.peak_megabytes()
    medians = {name: statistics.median(figures[name]) for name in (*others, "new", "unchanged", "changed")}
    print_table(medians, peak)
    server.print_result(
        "ingest",
        {
            **{name.lower(): round(figure) for name, figure in medians.items()},
            "ratio": round(medians["new"] / medians["COPY"], 3),
            "unchanged_of_new": round(medians["unchanged"] / medians["new"], 2),
            "worker_peak_mb": round(peak),
        },
    )


if __name__ == "__main__":
    server.run(measure, database="large")
