"""`/api/v1/connections/{id}/feeds`: which entity is fetched from where, how, and how far that has come."""

from __future__ import annotations

import datetime as dt
import uuid

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.models import Entity
from integrations import feed_rules as rules
from integrations import feeds
from integrations.api.answers import json_answer
from integrations.api.connections import FLAG, SWITCH, UUID, OneConnection, refused, settings_in, text
from integrations.api.log_views import envelope
from integrations.api.manage import Json, Operation, no_content
from integrations.api.shapes import MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.models import Connection, Feed
from integrations.pull import schedule
from integrations.selectors import page_by_time
from track360.problems import Problem

ENTITY: Json = {"type": "string", "enum": list(Entity.values)}
PATTERN: Json = {"type": "string", "enum": list(Feed.Pattern.values)}
PAGING_KIND: Json = {"type": "string", "enum": list(Feed.Paging.values)}
NAMES: Json = {"type": "object", "additionalProperties": {"type": "string"}}
MINUTES: Json = {"type": "integer", "minimum": 1, "maximum": 1440}
TIME: Json = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
OVERLAP: Json = {"type": "integer", "minimum": 0, "maximum": int(rules.LONGEST_OVERLAP.total_seconds())}
PAGE_SIZE: Json = {"type": "integer", "minimum": 1, "maximum": 10_000}
OPTIONS: Json = {
    "type": "object",
    "properties": {
        name: {"type": "integer", "minimum": 0, "maximum": 1} if name == "first_page" else {"type": "string"}
        for name in rules.OPTIONS
    },
    "additionalProperties": False,
    "description": "By `paging`: "
    + "; ".join(
        f"`{kind}`: {', '.join((*needed, *(f'{name} (optional)' for name in more)))}"
        for kind, (needed, more) in rules.PAGING_OPTIONS.items()
        if needed or more
    ),
}
SETTINGS: Json = {
    "pattern": PATTERN,
    "pull_wins": FLAG | {"description": "`hybrid`: a pulled version replaces a pushed one."},
    "path": text(500, "REST: below the connection's base URL."),
    "query": NAMES
    | {
        "maxProperties": rules.MOST_PARAMETERS,
        "description": "REST: parameters; {since}, {until}, {since:date}, {since:unix}, {since:ms} are filled in.",
    },
    "records_at": text(200, "REST: JSON pointer to the array of records; empty: the answer itself."),
    "paging": PAGING_KIND,
    "paging_options": OPTIONS,
    "relation": text(200, "Database: table or view, with its schema."),
    "select": text(rules.SELECT_LENGTH, "Database: a SELECT instead."),
    "cursor_column": text(100, "Database: the column that rises with each change."),
    "fields": NAMES
    | {"description": "The guide's field -> its name at the source. Empty: the same; else others are not read."},
    "time_zone": text(64, "IANA; for times without an offset."),
    "page_size": PAGE_SIZE,
    "every_minutes": or_null(MINUTES),
    "daily_at": or_null(TIME | {"description": "UTC."}),
    "overlap_seconds": OVERLAP,
}
FEED = record(
    {
        "id": UUID,
        "connection_id": UUID,
        "entity": ENTITY,
        **SETTINGS,
        "cursor_kind": TEXT,
        "cursor": TEXT | {"description": "How far what was fetched reaches; empty: the next run begins at the start."},
        "cursor_moved_at": or_null(MOMENT),
        "on": FLAG,
        "passed_at": or_null(MOMENT),
        "next_run_at": or_null(MOMENT),
        "paused_at": or_null(MOMENT),
        "pause_reason": TEXT,
        "created_at": MOMENT,
    }
)
NEW: Json = {
    "type": "object",
    "required": ["entity"],
    "properties": {"entity": ENTITY, **SETTINGS},
    "additionalProperties": False,
}
CHANGE: Json = {"type": "object", "properties": SETTINGS, "additionalProperties": False}
CURSOR: Json = {
    "type": "object",
    "required": ["cursor"],
    "properties": {"cursor": text(64, "By `cursor_kind`: a moment, a date or a number; empty: from the beginning.")},
    "additionalProperties": False,
}


class FeedList(OneConnection):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation("List the feeds of a connection", {200: ("A page.", envelope_shape(FEED))}),
        "POST": Operation("Create a feed", {201: ("It is off until a test passes.", data(FEED))}, body=NEW),
    }

    def get(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        rows = Feed.objects.filter(connection=connection, removed_at=None)
        found = page_by_time(rows, column="created_at", salt=f"feeds {connection.pk}", **paging(self.query))
        return json_answer(envelope(found, [rendered(row) for row in found.rows]))

    def post(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        values = values_in(self.body(request))
        try:
            feed = feeds.create_feed(connection, entity=values.pop("entity"), values=values, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_feed(refusal) from None
        return json_answer({"data": rendered(feed)}, status=201)


class OneFeed(OneConnection):
    """What the addresses of one feed share."""

    def feed(self, request: Request, connection_id: uuid.UUID, feed_id: uuid.UUID) -> Feed:
        connection: Connection = self.connection(request, connection_id)
        feed = Feed.objects.filter(connection=connection, pk=feed_id, removed_at=None).first()
        if feed is None:
            raise Problem("not_found", "This connection has no such feed.")
        feed.connection, feed.environment = connection, connection.environment
        return feed


class FeedDetail(OneFeed):
    operations = {
        "GET": Operation("One feed", {200: ("The feed.", data(FEED))}),
        "PUT": Operation(
            "Change a feed; what is left out stays",
            {200: ("The feed: off, where it is read another way.", data(FEED))},
            body=CHANGE,
        ),
        "DELETE": Operation("Remove a feed", {204: ("Removed; what it fetched stays.", None)}),
    }

    def get(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        return json_answer({"data": rendered(self.feed(request, connection_id, feed_id))})

    def put(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        values = values_in(self.body(request))
        try:
            changed = feeds.change_feed(feed, values=values, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_feed(refusal) from None
        return json_answer({"data": rendered(changed)})

    def delete(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feeds.remove_feed(self.feed(request, connection_id, feed_id), actor=self.actor(request))
        return no_content()


class FeedSwitch(OneFeed):
    operations = {"POST": Operation("Switch a feed on or off", {200: ("As it stands.", data(FEED))}, body=SWITCH)}

    def post(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        on = self.body(request)["on"]
        try:
            feed = feeds.switch_feed(feed, on=on, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_feed(refusal) from None
        return json_answer({"data": rendered(feed)})


class FeedCursor(OneFeed):
    operations = {
        "PUT": Operation(
            "Set how far a feed has come, also back", {200: ("The next run begins there.", data(FEED))}, body=CURSOR
        )
    }

    def put(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        cursor = self.body(request)["cursor"]
        try:
            schedule.set_cursor(feed, cursor=cursor, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused(refusal, CURSOR) from None
        return json_answer({"data": rendered(self.feed(request, connection_id, feed_id))})


# -- Shapes -------------------------------------------------------------------


def rendered(feed: Feed) -> Json:
    renamed = {
        "overlap_seconds": int(feed.overlap.total_seconds()),
        "daily_at": feed.daily_at.strftime("%H:%M") if feed.daily_at else None,
        "on": feed.is_on,
    }
    return {name: renamed[name] if name in renamed else getattr(feed, name) for name in FEED["properties"]}


def values_in(body: Json) -> Json:
    """As the actions take them."""
    values = settings_in(body)
    if "overlap_seconds" in values:
        values["overlap"] = dt.timedelta(seconds=values.pop("overlap_seconds"))
    if values.get("daily_at") is not None:
        values["daily_at"] = dt.time.fromisoformat(values["daily_at"])
    if "first_page" in values.get("paging_options", {}):
        first = int(values["paging_options"]["first_page"])
        values["paging_options"] = values["paging_options"] | {"first_page": first}
    return values


def refused_feed(refusal: ValidationError) -> Problem:
    problem = refused(refusal, NEW)
    for error in problem.errors:
        if error["code"] == "overlap":
            error |= {"field": "overlap_seconds", "pointer": "/overlap_seconds"}
    return problem


many = "api/v1/connections/<uuid:connection_id>/feeds"
urlpatterns: list[URLPattern] = [
    path(many, FeedList.as_view()),
    path(f"{many}/<uuid:feed_id>", FeedDetail.as_view()),
    path(f"{many}/<uuid:feed_id>/switch", FeedSwitch.as_view()),
    path(f"{many}/<uuid:feed_id>/cursor", FeedCursor.as_view()),
]
