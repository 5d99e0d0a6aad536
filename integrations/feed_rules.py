"""What may stand in a feed: what is read, how it is read, and when. No rule asks a network."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Mapping
from functools import cache
from typing import Any

from entities.models import Entity
from entities.pipeline.validate import schema_for
from integrations import outbound
from integrations.connection_rules import Faults, Values
from integrations.models import Connection, Feed
from integrations.models.connection import default_overlap

Paging, Pattern = Feed.Paging, Feed.Pattern

REST_READ = ("path", "query", "records_at", "paging", "paging_options")
SQL_READ = ("relation", "select", "cursor_column")
# How it is read: what a test that passed says nothing about any more once it changes.
READ = (*REST_READ, *SQL_READ, "fields", "time_zone")
# What is read: a cursor says nothing of another source.
SOURCE = ("path", "relation", "select", "cursor_column")
FIELDS = ("pattern", "pull_wins", *READ, "page_size", "every_minutes", "daily_at", "overlap")
UNUSED: dict[str, Any] = {"query": {}, "paging": Paging.NONE, "paging_options": {}}

MOST_PARAMETERS = 30
PARAMETER_LENGTH = 100
VALUE_LENGTH = 500
SELECT_LENGTH = 20_000
SOURCE_NAME_LENGTH = 200
PAGE_SIZES = range(1, 10_001)
MINUTES = range(1, 1441)
LONGEST_OVERLAP = dt.timedelta(days=31)
DAILY_AT = dt.time(5)  # activity; so that the guide's 06:00 holds
EVERY_MINUTES = 2  # what happens now; so that the guide's 5 minutes hold

POINTER = re.compile(r"(?:/(?:[^~/]|~[01])*)*")
PATH = re.compile(
    r"/?(?:[0-9A-Za-z._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+(?:/(?:[0-9A-Za-z._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})+)*/?"
)
TEMPLATE = re.compile(r"\{([A-Za-z_][A-Za-z_0-9:]*)\}")
TEMPLATES = frozenset(f"{edge}{form}" for edge in ("since", "until") for form in ("", ":date", ":unix", ":ms"))
RELATION = re.compile(r"[^\x00-\x1f\"'`;.]+(?:\.[^\x00-\x1f\"'`;.]+)?")
SELECT = re.compile(r"\s*(?:select|with)\b", re.IGNORECASE)

# Paging -> the options that it needs, and those that may be left out.
PAGING_OPTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    Paging.NONE: ((), ()),
    Paging.PAGE: (("page_parameter",), ("first_page", "size_parameter")),
    Paging.OFFSET: (("offset_parameter",), ("size_parameter",)),
    Paging.CURSOR: (("cursor_parameter", "cursor_at"), ("size_parameter",)),
    Paging.NEXT: (("next_at",), ("size_parameter",)),
    Paging.LINK: ((), ("size_parameter",)),
}
OPTIONS = tuple(dict.fromkeys(name for needed, more in PAGING_OPTIONS.values() for name in (*needed, *more)))


def defaults(entity: str) -> dict[str, Any]:
    daily = entity == Entity.ACTIVITY
    return {
        "pattern": Pattern.PULL,
        "pull_wins": False,
        **dict.fromkeys(READ, ""),
        **{name: type(value)(value) for name, value in UNUSED.items()},
        "fields": {},
        "time_zone": "UTC",
        "page_size": 1000,
        "every_minutes": None if daily else EVERY_MINUTES,
        "daily_at": DAILY_AT if daily else None,
        "overlap": default_overlap(entity),
    }


def checked_feed(connection: Connection, entity: str, values: Values) -> dict[str, Any]:
    """The fields of a feed as they are stored. Raises ValidationError, the code of each fault its field."""
    faults = Faults()
    if entity not in Entity.values:
        faults.add("entity", f"Choose one of {', '.join(Entity.values)}.")
        faults.refuse()
    found = defaults(entity) | dict(values)
    for name in READ:
        if isinstance(found[name], str) and name != "select":
            found[name] = found[name].strip()
    if connection.is_sql:
        _check_unused(found, REST_READ, "A feed from a database", faults)
        _check_sql(found, faults)
    else:
        _check_unused(found, SQL_READ, "A feed from an API", faults)
        _check_rest(found, faults, base_url=connection.base_url)
    _check_fields(found, faults, entity=entity, pointers=not connection.is_sql)
    if found["time_zone"] not in time_zones():
        faults.add("time_zone", "Write a time zone of the IANA list, such as Europe/Malta, or UTC.")
    _check_schedule(found, faults)
    faults.refuse()
    return found


@cache
def time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}


def _check_unused(found: dict[str, Any], names: tuple[str, ...], what: str, faults: Faults) -> None:
    for name in names:
        if found[name] != UNUSED.get(name, ""):
            faults.add(name, f"{what} has no such setting; leave it out.")


def _is_plain(text: Any, *, most: int) -> bool:
    return isinstance(text, str) and 0 < len(text) <= most and text.isprintable() and text == text.strip()


# -- REST ---------------------------------------------------------------------


def _check_rest(found: dict[str, Any], faults: Faults, *, base_url: str) -> None:
    _check_path(found["path"], faults, base_url=base_url)
    _check_query(found["query"], faults)
    _check_pointer("records_at", found["records_at"], faults)
    paging, options = found["paging"], found["paging_options"]
    if paging not in PAGING_OPTIONS:
        faults.add("paging", f"Choose one of {', '.join(Paging.values)}.")
        return
    needed, more = PAGING_OPTIONS[paging]
    if not isinstance(options, Mapping):
        faults.add("paging_options", "Write the options by their names.")
        return
    for name in sorted({*options} - {*needed, *more}, key=str):
        faults.add("paging_options", f"{str(name)[:50]!r} is no option of paging by {Paging(paging).label.lower()!r}.")
    for name in needed:
        if options.get(name) in (None, ""):
            faults.add(f"paging_options.{name}", "Paging of this kind needs it.")
    found["paging_options"] = {name: value for name, value in options.items() if value not in (None, "")}
    for name, value in found["paging_options"].items():
        if name in (*needed, *more):
            _check_option(name, value, faults, query=found["query"])


def _check_path(path: Any, faults: Faults, *, base_url: str) -> None:
    if path == "":
        return
    if not isinstance(path, str) or len(path) > VALUE_LENGTH or not PATH.fullmatch(path):
        faults.add("path", "Write a path below the base URL, such as /v1/players: no host, ? or #, nothing unescaped.")
    elif {"..", "."} & set(path.lower().replace("%2e", ".").split("/")):
        faults.add("path", "The path stays below the base URL: no part of it is . or ..")
    else:
        try:
            outbound.check(f"{base_url.rstrip('/')}/{path.lstrip('/')}")
        except outbound.OutboundRefused as refusal:
            faults.add("path", str(refusal))


def _check_query(query: Any, faults: Faults) -> None:
    if not isinstance(query, Mapping) or len(query) > MOST_PARAMETERS:
        faults.add("query", f"Write at most {MOST_PARAMETERS} parameters, each with its value.")
        return
    for name, value in query.items():
        if not _is_plain(name, most=PARAMETER_LENGTH):
            faults.add("query", "Each parameter has a name of 1 to 100 printable characters.")
        elif not isinstance(value, str) or len(value) > VALUE_LENGTH or not (value.isprintable() or not value):
            faults.add(f"query.{name}", f"A value is text of at most {VALUE_LENGTH} printable characters.")
        elif unknown := sorted(set(TEMPLATE.findall(value)) - TEMPLATES):
            known = ", ".join(f"{{{one}}}" for one in sorted(TEMPLATES) if one.startswith("since"))
            faults.add(f"query.{name}", f"{{{unknown[0][:50]}}} is not known: there are {known}, and until alike.")


def _check_pointer(name: str, pointer: Any, faults: Faults) -> None:
    if not isinstance(pointer, str) or len(pointer) > SOURCE_NAME_LENGTH or not is_pointer(pointer):
        faults.add(name, "Write a JSON pointer (RFC 6901), such as /data/items.")


def is_pointer(text: str) -> bool:
    return bool(POINTER.fullmatch(text)) and (text.isprintable() or not text)


def _check_option(name: str, value: Any, faults: Faults, *, query: Any) -> None:
    field = f"paging_options.{name}"
    if name == "first_page":
        if isinstance(value, bool) or not isinstance(value, int) or value not in (0, 1):
            faults.add(field, "Pages are counted from 0 or from 1.")
    elif name.endswith("_at"):
        _check_pointer(field, value, faults)
    elif not _is_plain(value, most=PARAMETER_LENGTH):
        faults.add(field, "Write the parameter's name.")
    elif isinstance(query, Mapping) and value in query:
        faults.add(field, f"{value} stands among the query parameters already; take it out there.")


# -- SQL ----------------------------------------------------------------------


def _check_sql(found: dict[str, Any], faults: Faults) -> None:
    relation, select, column = (found[name] for name in SQL_READ)
    if not all(isinstance(value, str) for value in (relation, select, column)):
        faults.add("relation", "Write text.")
        return
    if bool(relation) == bool(select.strip()):
        faults.add("relation", "Name a table or view, or write a SELECT: one of the two.")
    elif relation and not (len(relation) <= SOURCE_NAME_LENGTH and RELATION.fullmatch(relation)):
        faults.add("relation", "Write the name of a table or view, with its schema where needed: reporting.players.")
    elif select:
        _check_select(select, faults)
    if column and not (_is_plain(column, most=PARAMETER_LENGTH) and not set(column) & set("\"'`;.")):
        faults.add("cursor_column", "Write the column's name alone.")


def _check_select(select: str, faults: Faults) -> None:
    if len(select) > SELECT_LENGTH or "\x00" in select:
        faults.add("select", f"Write at most {SELECT_LENGTH:,} characters, without NUL.")
    elif not SELECT.match(select):
        faults.add("select", "Write one statement that begins with SELECT or WITH.")
    elif ";" in select.strip().rstrip(";"):
        faults.add("select", "Write one statement, without a semicolon in it.")


# -- Both ---------------------------------------------------------------------


def _check_fields(found: dict[str, Any], faults: Faults, *, entity: str, pointers: bool) -> None:
    """Where one is named, those that are not are not read: so the ones that the guide requires have to be."""
    fields, known = found["fields"], schema_for(entity)["properties"]
    if not isinstance(fields, Mapping):
        faults.add("fields", "Write the guide's fields, each with its name at the source.")
        return
    for name in sorted({*fields} - {*known}, key=str):
        faults.add("fields", f"{str(name)[:50]!r} is no field of {entity}.")
    found["fields"] = {name: source for name, source in fields.items() if source not in (None, "")}
    for name in schema_for(entity)["required"]:
        if found["fields"] and name not in found["fields"]:
            faults.add(f"fields.{name}", "The guide requires it; say what it is called at the source.")
    for name, source in found["fields"].items():
        if name not in known:
            continue
        if not _is_plain(source, most=SOURCE_NAME_LENGTH):
            faults.add(f"fields.{name}", f"Write its name at the source: 1 to {SOURCE_NAME_LENGTH} characters.")
        elif pointers and source.startswith("/") and not is_pointer(source):
            faults.add(f"fields.{name}", "Write a name, or a JSON pointer (RFC 6901) such as /address/country.")


def _check_schedule(found: dict[str, Any], faults: Faults) -> None:
    if found["pattern"] not in Pattern.values:
        faults.add("pattern", f"Choose one of {', '.join(Pattern.values)}.")
    elif found["pull_wins"] and found["pattern"] != Pattern.HYBRID:
        faults.add("pull_wins", "It is a choice of the hybrid pattern alone: what is only pulled stands anyway.")
    if not _is_whole(found["page_size"], PAGE_SIZES):
        faults.add("page_size", "A page has 1 to 10,000 records.")
    overlap = found["overlap"]
    if not isinstance(overlap, dt.timedelta) or not dt.timedelta(0) <= overlap <= LONGEST_OVERLAP:
        faults.add("overlap", "The overlap is 0 to 31 days.")
    minutes, time = found["every_minutes"], found["daily_at"]
    if minutes is not None and time is not None:
        faults.add("every_minutes", "Every so many minutes, or daily at a time: one of the two.")
    elif minutes is not None and not _is_whole(minutes, MINUTES):
        faults.add("every_minutes", "Write a number of minutes from 1 to 1440.")
    elif time is not None and not (isinstance(time, dt.time) and time.tzinfo is None):
        faults.add("daily_at", "Write a time of the day in UTC, such as 05:00.")


def _is_whole(value: Any, allowed: range) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in allowed
