"""A partner's REST API as a source: the window in its parameters, the records in its answer, page by page."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit
from zoneinfo import ZoneInfo

import httpx

from integrations.models import Feed
from integrations.outbound import Session
from integrations.pull.calls import Caller, Fetched, NotThere
from integrations.pull.fields import JsonRecords, as_day, as_moment, at, named, supplied_fields, tokens_of
from integrations.pull.source import Note, Page, Party, Position, SourceError, Window, storable
from integrations.pull.windows import NUMBER, bound_of, day_of, latest, moment_of, rfc3339

MAX_RECORDS = 1000
SEEN_PAGES = 100_000

_PLACE = re.compile(r"\{(since|until)(?::(date|unix|ms))?\}")


class RestSource:
    """Reads one feed of an API. `session` is the caller's to close."""

    def __init__(self, feed: Feed, session: Session, note: Note, *, budget_seconds: float) -> None:
        self._feed = feed
        self._zone = ZoneInfo(feed.time_zone)
        self._options: dict[str, Any] = feed.paging_options
        self._caller = Caller(feed.connection, session, note, budget_seconds=budget_seconds)
        self._convert = JsonRecords(feed)
        self._records_at = _tokens(feed.records_at)
        self._base = _address(feed.connection.base_url, feed.path)
        self.fields = supplied_fields(feed)
        self.names: list[str] = []  # of the first record, as the API has them

    def close(self) -> None:
        """Its connections are the session's."""

    def sign_in(self) -> None:
        """Where that takes a request of its own. Raises SourceError."""
        self._caller.sign_in()

    def expected(self, window: Window) -> int | None:
        return None  # there is no way to ask an API that all of them know

    def pages(self, window: Window, position: Position | None = None) -> Iterator[Page]:
        """A position holds the page's token, how many of its records were given out, and the page before it."""
        token = self._first_token() if position is None else position["token"]
        skip = 0 if position is None else position["skip"]
        before = None if position is None else position.get("before")
        seen: set[Any] = set()
        reached: str | None = None
        while True:
            fetched = self._fetched(window, token, is_first=token == self._first_token())
            if not self.names and fetched.records and isinstance(fetched.records[0], dict):
                self.names = list(map(storable, fetched.records[0]))
            mark = _mark(fetched.records)
            self._refuse_standstill(token, seen, has_moved=mark is None or mark != before)
            following = self._next_token(fetched, token)
            here = {"token": token, "skip": 0, "before": before}
            before = mark
            for start in range(skip, max(len(fetched.records), skip + 1), MAX_RECORDS):
                part = fetched.records[start : start + MAX_RECORDS]
                reached = latest(reached, self._highest(part))
                if start + MAX_RECORDS < len(fetched.records):
                    after: Position | None = here | {"skip": start + MAX_RECORDS}
                else:
                    after = None if following is None else {"token": following, "skip": 0, "before": before}
                yield Page(self._convert(part), after, reached)
            if following is None:
                return
            token, skip = following, 0

    def _fetched(self, window: Window, token: Any, *, is_first: bool) -> Fetched:
        try:
            return self._caller.get(self._url(window, token), self._read)
        except NotThere as problem:
            if is_first:
                raise
            raise SourceError(
                f"A page in the middle or at the end is not there (404): {problem.host} should answer an empty page "
                "behind its last one, or say itself which is the last, and the feed page by that.",
                party=Party.MAPPING,
                is_final=True,
            ) from problem

    # -- What is asked --------------------------------------------------------

    def _url(self, window: Window, token: Any) -> str:
        paging, options = self._feed.paging, self._options
        if paging in (Feed.Paging.NEXT, Feed.Paging.LINK) and token is not None:
            return self._own(token)
        query = [
            (name, value)
            for name, template in self._feed.query.items()
            if (value := self._filled(str(template), window)) is not None
        ]
        if size := options.get("size_parameter"):
            query.append((str(size), str(self._feed.page_size)))
        parameter = {
            Feed.Paging.PAGE: "page_parameter",
            Feed.Paging.OFFSET: "offset_parameter",
            Feed.Paging.CURSOR: "cursor_parameter",
        }.get(Feed.Paging(paging))
        if parameter and token is not None:
            query.append((str(options.get(parameter) or parameter.removesuffix("_parameter")), str(token)))
        if not query:
            return self._base
        return f"{self._base}{'&' if '?' in self._base else '?'}{urlencode(query, quote_via=quote)}"

    def _filled(self, template: str, window: Window) -> str | None:
        """None: the parameter is about a bound that this window does not have, and is left out."""
        bounds = {"since": window.since, "until": window.until}
        if any(not bounds[found[1]] for found in _PLACE.finditer(template)):
            return None
        return _PLACE.sub(lambda found: self._bound(str(bounds[found[1]]), found[2], found[1] == "until"), template)

    def _bound(self, text: str, form: str | None, up: bool) -> str:
        bound = bound_of(text)
        if isinstance(bound, Decimal):
            return text
        if form == "date":
            return day_of(bound, self._zone, up=up).isoformat()
        moment = moment_of(bound, self._zone)
        if form is None:
            return rfc3339(moment)
        step = dt.timedelta(seconds=1) if form == "unix" else dt.timedelta(milliseconds=1)
        count, rest = divmod(moment - dt.datetime.fromtimestamp(0, dt.UTC), step)
        return str(count + (1 if up and rest else 0))

    def _own(self, address: str) -> str:
        """The next page where the API itself says it is; our credentials go to no other host for it."""
        base = urlsplit(self._base)
        try:
            parts = urlsplit(urljoin(self._base, address))
        except ValueError:
            parts = base._replace(netloc="")
        if parts.hostname != base.hostname or parts.username is not None:
            raise SourceError(
                "The address of the next page leads to another host, where our credentials must not go.", is_final=True
            )
        # Behind a proxy that ends TLS an API often names itself by http and by a port that is not reached from outside.
        return parts._replace(scheme=base.scheme, netloc=base.netloc).geturl()

    def _first_token(self) -> Any:
        match self._feed.paging:
            case Feed.Paging.PAGE:
                return int(self._options.get("first_page", 1))
            case Feed.Paging.OFFSET:
                return 0
        return None

    # -- What comes back ------------------------------------------------------

    def _read(self, document: Any) -> list[Any]:
        if document is None:  # 204
            return []
        if isinstance(document, dict):
            for name in ("error", "errors"):
                if document.get(name):
                    raise SourceError(f"It answered 200 with an error inside: “{name}” is set.")
        found = at(document, self._records_at)
        if isinstance(found, list):
            return found
        where = f"at {self._feed.records_at}" if self._feed.records_at else "as the whole answer"
        kind = {dict: "an object", str: "text", type(None): "nothing"}.get(type(found), "a single value")
        names = ", ".join(sorted(document)[:8])[:200] if isinstance(document, dict) else ""
        has = f" The answer has: {names}." if names else ""
        raise SourceError(f"An array of records is expected {where}, and {kind} is there.{has}", party=Party.MAPPING)

    def _next_token(self, fetched: Fetched, token: Any) -> Any:
        """None: this was the last page. A page that is shorter than asked for says nothing: APIs cap what they give."""
        options, records = self._options, fetched.records
        match self._feed.paging:
            case Feed.Paging.PAGE:
                return token + 1 if records else None
            case Feed.Paging.OFFSET:
                return token + len(records) if records else None
            case Feed.Paging.CURSOR:
                found = at(fetched.document, _tokens(options.get("cursor_at", "/next_cursor")))
            case Feed.Paging.NEXT:
                found = at(fetched.document, _tokens(options.get("next_at", "/next")))
            case Feed.Paging.LINK:
                found = httpx.Response(200, headers=fetched.headers).links.get("next", {}).get("url")
            case _:
                return None
        if found is None or found is False or found == "":
            return None
        if isinstance(found, str) and "\x00" in found:
            raise SourceError("What should lead to the next page holds a NUL, which no address can carry.")
        if self._feed.paging == Feed.Paging.CURSOR and type(found) in (int, str):
            return found
        if self._feed.paging != Feed.Paging.CURSOR and isinstance(found, str):
            return found
        raise SourceError("What should lead to the next page is neither text nor a number.", party=Party.MAPPING)

    def _refuse_standstill(self, token: Any, seen: set[Any], *, has_moved: bool) -> None:
        """The same page for ever looks like a source that never ends."""
        if has_moved and token not in seen:
            if len(seen) < SEEN_PAGES:
                seen.add(token)
            return
        what = {
            Feed.Paging.PAGE: "the page parameter",
            Feed.Paging.OFFSET: "the offset parameter",
            Feed.Paging.CURSOR: "the cursor parameter",
        }.get(Feed.Paging(self._feed.paging), "the address of the next page")
        raise SourceError(
            f"The same page comes again and again: the API does not heed {what}, or the feed names another one than "
            "it knows.",
            party=Party.MAPPING,
            is_final=True,
        )

    def _highest(self, records: list[Any]) -> str | None:
        column = self._feed.cursor_column
        if not column:
            return None
        highest: str | None = None
        for record in records:
            if isinstance(record, dict):
                highest = latest(highest, self._cursor(named(record, column)))
        return highest

    def _cursor(self, value: Any) -> str | None:
        """In the feed's form; what is in no such form does not move the cursor."""
        if type(value) in (int, Decimal) or (isinstance(value, str) and NUMBER.fullmatch(value)):
            return str(value) if self._feed.cursor_kind == Feed.CursorKind.NUMBER else None
        is_day = self._feed.cursor_kind == Feed.CursorKind.DAY
        text = as_day(value, self._zone) if is_day else as_moment(value, self._zone)
        try:
            bound = bound_of(text)
        except (TypeError, ValueError):
            return None
        fits = self._feed.cursor_kind != Feed.CursorKind.NUMBER and isinstance(bound, dt.datetime) != is_day
        return text if fits else None


def _mark(records: list[Any]) -> str | None:
    """By which a page is known again; None: it is empty."""
    if not records:
        return None
    return hashlib.sha256(repr((len(records), records[0], records[-1])).encode()).hexdigest()[:32]


def _tokens(pointer: Any) -> list[str]:
    try:
        return tokens_of(str(pointer))
    except ValueError:
        raise SourceError(
            f"“{str(pointer)[:64]}” is no JSON pointer; write one like /data/items.", party=Party.MAPPING, is_final=True
        ) from None


def _address(base: str, path: str) -> str:
    """The path stands below the base, whatever it looks like. A query of the base goes to the end."""
    parts = urlsplit(base)
    below = urlsplit(f"/{path.lstrip('/')}") if path else urlsplit("")
    query = urlencode(parse_qsl(parts.query, keep_blank_values=True) + parse_qsl(below.query, keep_blank_values=True))
    return parts._replace(path=parts.path.rstrip("/") + below.path if path else parts.path, query=query).geturl()
