"""What a call costs beside its work: token issue, token check, rate limit, request log: `script/bench calls`.

Server time in this process, on the bench's own servers, without the network; medians, and what part each is of a call
to the list of customers.
"""

from __future__ import annotations

import random
import statistics
import time
import uuid
from collections.abc import Callable
from typing import Any

from bench import server

CALLS = 300
LIST = "/api/v1/igaming/customers"


def milliseconds(call: Callable[[], Any]) -> float:
    """The median of the calls, after some to warm up."""
    took = []
    for number in range(CALLS + 20):
        started = time.perf_counter()
        call()
        if number >= 20:
            took.append((time.perf_counter() - started) * 1000)
    return statistics.median(took)


def measure() -> None:
    from django.test import Client, RequestFactory

    from integrations import request_log
    from integrations.api import throttle
    from integrations.api.answers import json_answer
    from integrations.api.authentication import caller_for
    from integrations.clients import create_client
    from track360.partners import create_partner

    partner = create_partner(name="Bench", slug=f"bench-{random.randrange(16**8):08x}")
    new = create_client(partner.environments.get(kind="sandbox"), name="bench", actor=None)
    http = Client(headers={"host": "127.0.0.1"})
    form = f"grant_type=client_credentials&client_id={new.client.client_id}&client_secret={new.clear}"

    def issue() -> Any:
        return http.post("/oauth/token", form, content_type="application/x-www-form-urlencoded").json()

    token = issue()["access_token"]
    caller = caller_for(token)
    request: Any = RequestFactory().get(LIST)
    request.request_id, request.entity, answer = uuid.uuid4(), "customers", json_answer({})

    whole = milliseconds(lambda: http.get(LIST, headers={"authorization": f"Bearer {token}"}))
    figures = {
        "token issue": milliseconds(issue),
        "token check": milliseconds(lambda: caller_for(token)),
        "rate limit": milliseconds(lambda: throttle.check(caller)),
        "request log": milliseconds(lambda: request_log.note(request, answer, path=LIST, seconds=0.01)),
        "an empty list, whole": whole,
    }
    print(f"\n{'what':<24}{'ms':>8}{'of a list':>12}")
    for name, figure in figures.items():
        print(f"{name:<24}{figure:>8.2f}{figure / whole:>12.2f}")
    print(server.machine())
    server.print_result("calls", {name.replace(" ", "_"): round(figure, 3) for name, figure in figures.items()})


if __name__ == "__main__":
    server.run(measure)
