"""The request log as the portal shows it: the list by keyset, and one request explained."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils import timezone

from entities.findings import ERROR_CODES, Code
from entities.paging import Page
from integrations.models import ApiRequest
from integrations.time_paging import page_by_time
from track360 import exact_json
from track360.models import Environment
from track360.payload import Line, payload_lines
from track360.problems import PROBLEM_TYPES

RECENT = timedelta(hours=24)
KEPT_DAYS = 90
SEARCHED = 20_000  # calls looked through for a page by filters without an index
COUNTED = 1000  # refusals are counted to here
RECORDS_IN_CURL = 10
WITHOUT_BODY = {"GET", "HEAD", "DELETE", "OPTIONS"}
JOINED = " \\\n  "
BODY_NOT_KEPT = "The body is not kept; put yours into body.json."
REFUSED_RECORDS = "It sends the refused records as they are kept: fill masked personal fields in again."
FIRST_RECORDS = f"It sends the first {RECORDS_IN_CURL} refused records as they are kept: fill masked fields in again."
OUTCOMES = ("received", "created", "updated", "unchanged", "stale", "rejected")


def requests_of(environment: Environment) -> QuerySet[ApiRequest]:
    return ApiRequest.objects.filter(environment=environment)


def newest_requests(
    environment: Environment, *, filters: dict[str, Any] | None, before: str = "", after: str = ""
) -> Page[ApiRequest]:
    """A page of requests, newest first. `filters` are the cleaned data of `RequestFilterForm`; None finds nothing."""
    if filters is None:
        return Page(rows=[], older=None, newer=None, is_first=True)
    near = requests_of(environment).filter(_indexed(filters)).defer("detail")
    return page_by_time(near, column="at", condition=_unindexed(filters), searched=SEARCHED, before=before, after=after)


def _indexed(filters: dict[str, Any]) -> Q:
    wanted = {
        "id": filters.get("id"),
        "client_id": filters.get("client"),
        "at__gte": filters.get("from"),
        "at__lt": filters.get("to"),
        "status__gte": 400 if (filters.get("status") or "") >= "4" else None,  # in these words the index has it
    }
    return Q(**{name: value for name, value in wanted.items() if value})


def _unindexed(filters: dict[str, Any]) -> Q:
    wanted = {"entity": filters.get("entity"), "method": filters.get("method")}
    condition = Q(**{name: value for name, value in wanted.items() if value})
    status = filters.get("status") or ""
    if status.endswith("xx"):
        hundreds = int(status[0]) * 100
        condition &= Q(status__gte=hundreds, status__lt=hundreds + 100)
    elif status:
        condition &= Q(status=int(status))
    return condition


def recent_refusals(environment: Environment) -> int:
    """Calls with 4xx or 5xx in the last 24 hours, counted to 1000."""
    recent = requests_of(environment).filter(status__gte=400, at__gte=timezone.now() - RECENT)
    return recent.order_by()[:COUNTED].count()


# -- One request --------------------------------------------------------------


@dataclass(frozen=True)
class RefusedRecord:
    """One kept record: `index` in the batch (None: the body was the record), its lines with messages at the faults."""

    index: int | None
    lines: list[Line]
    count: int

    @property
    def title(self) -> str:
        return "The record" if self.index is None else f"Record {self.index}"

    @property
    def label(self) -> str:
        return f"{self.title}: {self.count} finding{'s' * (self.count != 1)}"

    @property
    def prefix(self) -> str:
        """Sets the ids of its lines apart from those of other records on the page."""
        return f"record-{self.index or 0}-"


@dataclass
class ErrorGroup:
    """All findings of one rule: its explanation, how often, and a few of the messages."""

    code: str
    explanation: Code | None
    count: int = 0
    messages: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Excerpt:
    """The bytes around the fault in a body that could not be parsed, cut where it goes wrong."""

    before: str
    at: str
    after: str
    offset: int | None  # bytes from the start of the body


@dataclass(frozen=True)
class Explained:
    """What the detail page shows beside the row itself."""

    records: list[RefusedRecord]
    groups: list[ErrorGroup]
    excerpt: Excerpt | None
    counts: list[tuple[str, int, str]]  # outcome, how many, tone
    curl: str
    curl_note: str


def explain(row: ApiRequest) -> Explained:
    detail: dict[str, Any] = row.detail if isinstance(row.detail, dict) else {}
    entries = detail.get("records") or []
    kept = [entry for entry in entries if entry.get("record") is not None]  # none where the whole body was wrong
    curl, note = curl_for(row, kept)
    return Explained(
        records=[_refused(entry) for entry in kept],
        groups=_groups(entries),
        excerpt=_excerpt(detail),
        counts=[
            (name, value, "danger" if name == "rejected" and value else "")
            for name in OUTCOMES
            if (value := getattr(row, name)) is not None
        ],
        curl=curl,
        curl_note=note,
    )


def sentence_for(row: ApiRequest) -> str:
    """How the call went, in one line."""
    if row.status < 400:
        return "It went through."
    problem = PROBLEM_TYPES.get(row.error_code)
    return row.error_summary or (f"{problem.title}." if problem else "It was refused.")


def _refused(entry: dict[str, Any]) -> RefusedRecord:
    """Pointers lead into the body as sent; here the record stands alone, so its index goes."""
    index = entry.get("index")
    prefix = "" if index is None else f"/{index}"
    errors = entry.get("errors") or []
    places = [(error["pointer"].removeprefix(prefix), error["message"]) for error in errors]
    return RefusedRecord(index=index, lines=payload_lines(entry.get("record"), places), count=len(errors))


def _groups(kept: list[dict[str, Any]]) -> list[ErrorGroup]:
    groups: dict[str, ErrorGroup] = {}
    seen: Counter[tuple[str, str]] = Counter()
    for error in (error for entry in kept for error in entry.get("errors") or []):
        code = error["code"]
        group = groups.setdefault(code, ErrorGroup(code, ERROR_CODES.get(code)))
        group.count += 1
        seen[code, error["message"]] += 1
        if seen[code, error["message"]] == 1 and len(group.messages) < 3:
            group.messages.append(error["message"])
    return sorted(groups.values(), key=lambda group: -group.count)


def _excerpt(detail: dict[str, Any]) -> Excerpt | None:
    text = detail.get("excerpt")
    if text is None:
        return None
    place = min(max(int(detail.get("fault") or 0), 0), len(text))
    return Excerpt(text[:place], text[place : place + 1], text[place + 1 :], detail.get("offset"))


def curl_for(row: ApiRequest, kept: list[dict[str, Any]]) -> tuple[str, str]:
    """A command that sends the request again, with the token from the environment; and what is missing in it."""
    address = f"{settings.BASE_URL}{row.path}" + (f"?{row.query}" if row.query else "")
    lines = [f"curl -X {row.method} {shlex.quote(address)}", '-H "Authorization: Bearer $TOKEN"']
    if row.method in WITHOUT_BODY:
        return JOINED.join(lines), ""
    lines.append("-H 'Content-Type: application/json'")
    if not kept:
        return JOINED.join([*lines, "--data-binary @body.json"]), BODY_NOT_KEPT
    records = [entry["record"] for entry in kept[:RECORDS_IN_CURL]]
    body = records[0] if kept[0].get("index") is None else records
    lines.append(f"-d {shlex.quote(exact_json.dumps(body, indent=True))}")
    return JOINED.join(lines), FIRST_RECORDS if len(kept) > RECORDS_IN_CURL else REFUSED_RECORDS
