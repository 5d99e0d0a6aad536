"""A partner's API on loopback that does all as it should, and one thing wrong where it is told to."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "k3y-of-the-partners-api"
FIRST = dt.datetime(2026, 3, 1, 9, tzinfo=dt.UTC)
MOST_A_PAGE = 500
Json = dict[str, Any]


def changed_at(number: int) -> str:
    """Two records a minute: each moment has more than one."""
    return f"{FIRST + dt.timedelta(minutes=number // 2):%Y-%m-%dT%H:%M:%SZ}"


def customers(many: int) -> list[Json]:
    return [
        {
            "customer_id": f"cst_{number:05}",
            "signup_date": "2026-02-01T00:00:00Z",
            "last_modified_date": changed_at(number),
            "affiliate_id": "aff_204",
            "country_code": "GB",
            "kyc_status_id": "approved",
        }
        for number in range(many)
    ]


def transactions(many: int) -> list[Json]:
    """All changed one night, long after; `changed_at` is the source's own."""
    night = dt.datetime(2026, 4, 1, 2, tzinfo=dt.UTC)
    return [
        {
            "transaction_id": f"txn_{number:05}",
            "customer_id": f"cst_{number % 50:05}",
            "transaction_type": "deposit",
            "amount_currency": 12.5,
            "currency": "EUR",
            "transaction_date": changed_at(number),
            "status": "approved",
            "changed_at": f"{night + dt.timedelta(seconds=number // 2):%Y-%m-%dT%H:%M:%SZ}",
        }
        for number in range(many)
    ]


def activity(days: int) -> list[Json]:
    """Three rows a day."""
    first = FIRST.date()
    return [
        {
            "date": (first + dt.timedelta(days=number // 3)).isoformat(),
            "customer_id": f"cst_{number:05}",
            "game_type": "slots",
            "currency": "EUR",
            "bets_count": 4,
            "total_bets": 20.5,
            "wins": 10,
        }
        for number in range(3 * days)
    ]


@dataclass
class PartnerApi:
    """`GET {url}/records?updated_from=&updated_to=&page=&per_page=`, with X-Api-Key. `wrong` is what it does wrong, and
    `dated` the field that its windows go by."""

    url: str
    records: list[Json]
    wrong: str = ""
    dated: str = "last_modified_date"
    asked: int = 0
    refused: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(7))

    def answer(self, query: dict[str, str], key: str | None) -> tuple[int, Any, dict[str, str]]:
        self.asked += 1
        if key != KEY:
            return 401, {"message": "no key"}, {}
        if self.wrong.startswith("429") and self.asked in (3, 4):
            self.refused += 1
            wait = {"429": {"Retry-After": "1"}, "429, an hour": {"Retry-After": "3600"}}.get(self.wrong, {})
            return 429, {"message": "slow down"}, wait
        found = self._within(query.get("updated_from"), query.get("updated_to"))
        if self.wrong == "empty window is a 404" and not found:
            return 404, {"message": "nothing found"}, {}
        page, size = int(query.get("page", 1)), min(int(query.get("per_page", 50)), MOST_A_PAGE)
        if self.wrong == "deep page fails" and page > 7:
            return 500, {"message": "timeout"}, {}
        size = {"pages are smaller": 15, "pages are larger": 2 * size}.get(self.wrong, size)
        return 200, {"data": self._page(found, page, size)}, {}

    def _within(self, since: str | None, until: str | None) -> list[Json]:
        edges = {"since": since, "until": until}
        if self.wrong in ("ignores since", "ignores window"):
            edges["since"] = None
        if self.wrong in ("ignores until", "ignores window"):
            edges["until"] = None

        def is_in(record: Json) -> bool:
            at, since, until = record[self.dated], edges["since"], edges["until"]
            after = since is None or (at > since if "since exclusive" in self.wrong else at >= since)
            before = until is None or (at <= until if "until inclusive" in self.wrong else at < until)
            return after and before

        return [record for record in self.records if is_in(record)]

    def _page(self, found: list[Json], page: int, size: int) -> list[Json]:
        if self.wrong == "order changes":
            found = self.chance.sample(found, len(found))
        begin = (page - 1) * size
        if self.wrong == "pages overlap" and page > 1:
            begin -= 3 * (page - 1)
        part = found[begin : begin + size]
        if self.wrong == "values change":
            return [record | {"kyc_status_id": f"made up {self.chance.random()}"} for record in part]
        return part


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet

    def do_GET(self) -> None:
        api: PartnerApi = self.server.api  # type: ignore[attr-defined]
        query = {name: values[-1] for name, values in parse_qs(urlsplit(self.path).query).items()}
        status, body, headers = api.answer(query, self.headers.get("X-Api-Key"))
        content = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: PartnerApi


@contextmanager
def partner_api(records: list[Json], *, wrong: str = "", dated: str = "last_modified_date") -> Iterator[PartnerApi]:
    httpd = _Server(("127.0.0.1", 0), _Handler)
    httpd.api = PartnerApi(f"http://127.0.0.1:{httpd.server_address[1]}", records, wrong, dated)
    thread = Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield httpd.api
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(5)
