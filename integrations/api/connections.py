"""`/api/v1/connections`: where we fetch, for the caller's environment. A secret goes in and is in no answer."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from integrations import connection_rules as rules
from integrations import connections, tasks
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, no_content, refused_by
from integrations.api.shapes import MOMENT, TEXT, data, or_null, record, ref
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.connection_tests import newest_test
from integrations.feeds import switch_on_tested
from integrations.models import Connection, ConnectionTest
from integrations.selectors import page_by_time
from track360.problems import Problem

UUID: Json = {"type": "string", "format": "uuid"}
FLAG: Json = {"type": "boolean"}
KIND: Json = {"type": "string", "enum": list(Connection.Kind.values)}
AUTH: Json = {"type": "string", "enum": list(Connection.Auth.values)}
PORT: Json = or_null({"type": "integer", "minimum": 1, "maximum": 65535})


def text(most: int, description: str = "") -> Json:
    return {"type": "string", "maxLength": most} | ({"description": description} if description else {})


SECRET = text(rules.SECRET_LENGTH, "The key, password, token or client secret. It is never given back.") | {
    "minLength": 1,
    "writeOnly": True,
}
SETTINGS: Json = {
    "name": text(rules.NAME_LENGTH) | {"minLength": 1},
    "base_url": text(500, "REST: https, below which the feeds' paths lie."),
    "auth": AUTH | {"description": "REST: how we sign in."},
    "auth_header": text(100, "`header`: the header's name, such as X-Api-Key."),
    "token_url": text(500, "`oauth`: the token endpoint."),
    "scope": text(500, "`oauth`: the scopes to ask for."),
    "host": text(253, "Database: a plain host name or address."),
    "port": PORT | {"description": "Database: 5432 or 3306 where it is left out."},
    "database": text(100, "Database: its name."),
    "ca_certificate": text(
        rules.CERTIFICATE_LENGTH, "Database: PEM, where its certificate is not of a well-known authority."
    ),
    "user": text(200, "User name; of `oauth` the client id."),
}
CONNECTION = record(
    {
        "id": UUID,
        "kind": KIND,
        **{name: TEXT for name in SETTINGS},
        "auth": AUTH,
        "port": PORT,
        "secret_set_at": or_null(MOMENT),
        "on": FLAG,
        "passed_at": or_null(MOMENT),
        "created_at": MOMENT,
    }
)
NEW: Json = {
    "type": "object",
    "required": ["name", "kind"],
    "properties": {"kind": KIND, **SETTINGS, "secret": SECRET},
    "additionalProperties": False,
}
CHANGE: Json = {"type": "object", "properties": {**SETTINGS, "secret": SECRET}, "additionalProperties": False}
SET_SECRET: Json = {
    "type": "object",
    "required": ["secret"],
    "properties": {"secret": SECRET},
    "additionalProperties": False,
}
SWITCH: Json = {"type": "object", "required": ["on"], "properties": {"on": FLAG}, "additionalProperties": False}
SWITCH_WITH_FEEDS: Json = SWITCH | {
    "properties": {
        "on": FLAG,
        "feeds": FLAG | {"default": False, "description": "Switch on its tested feeds as well."},
    }
}
STEP = record({"name": TEXT, "ok": FLAG, "detail": TEXT, "ms": {"type": "integer", "minimum": 0}})
ROW = record(
    {
        "record": {"description": "As it was read and mapped."},
        "errors": {"type": "array", "items": ref("Finding")},
        "warnings": {"type": "array", "items": ref("Finding")},
    }
)
FEED_RESULT = record(
    {
        "ok": FLAG,
        "steps": {"type": "array", "items": STEP},
        "cursor_kind": TEXT,
        "names": {"type": "array", "items": TEXT, "description": "The names that were seen at the source."},
        "records": {"type": "array", "items": ROW, "maxItems": 10},
    }
)
TEST = record(
    {
        "id": UUID,
        "state": {"type": "string", "enum": list(ConnectionTest.State.values)},
        "requested_at": MOMENT,
        "started_at": or_null(MOMENT),
        "finished_at": or_null(MOMENT),
        "steps": {"type": "array", "items": STEP},
        "feeds": {"type": "object", "additionalProperties": FEED_RESULT},
    }
)


class ConnectionList(ManageView):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation(
            "List the connections of this environment, the newest first", {200: ("A page.", envelope_shape(CONNECTION))}
        ),
        "POST": Operation("Create a connection", {201: ("It is off until a test passes.", data(CONNECTION))}, body=NEW),
    }

    def get(self, request: Request) -> HttpResponse:
        environment = self.environment(request)
        rows = Connection.objects.filter(environment=environment, removed_at=None)
        salt = f"connections {environment.pk}"
        found = page_by_time(rows, column="created_at", salt=salt, **paging(self.query))
        return json_answer(envelope(found, [rendered(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        values = settings_in(self.body(request))
        try:
            connection = connections.create_connection(
                self.environment(request),
                kind=values.pop("kind"),
                secret=values.pop("secret", ""),
                values=values,
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise refused(refusal, NEW) from None
        return json_answer({"data": rendered(connection)}, status=201)


class OneConnection(ManageView):
    """What the addresses of one connection share."""

    def connection(self, request: Request, connection_id: uuid.UUID) -> Connection:
        rows = Connection.objects.filter(environment=self.environment(request), removed_at=None)
        connection = rows.select_related("environment__partner").filter(pk=connection_id).first()
        if connection is None:
            raise Problem("not_found", "No such connection in this environment.")
        return connection


class ConnectionDetail(OneConnection):
    operations = {
        "GET": Operation("One connection", {200: ("The connection.", data(CONNECTION))}),
        "PUT": Operation(
            "Change a connection; what is left out stays",
            {200: ("The connection: off, where it leads elsewhere or signs in otherwise.", data(CONNECTION))},
            body=CHANGE,
        ),
        "DELETE": Operation("Remove a connection and its feeds, and wipe its secret", {204: ("Removed.", None)}),
    }

    def get(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        return json_answer({"data": rendered(self.connection(request, connection_id))})

    def put(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        values = settings_in(self.body(request))
        secret = values.pop("secret", "")
        try:
            changed = connections.change_connection(connection, values=values, secret=secret, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused(refusal, CHANGE) from None
        return json_answer({"data": rendered(changed)})

    def delete(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connections.remove_connection(self.connection(request, connection_id), actor=self.actor(request))
        return no_content()


class ConnectionSecret(OneConnection):
    operations = {
        "PUT": Operation(
            "Set the secret, or replace it", {200: ("The connection: off until it is tested.", data(CONNECTION))},
            body=SET_SECRET,
        )
    }  # fmt: skip

    def put(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        secret = self.body(request)["secret"]
        try:
            changed = connections.set_secret(connection, secret=secret, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused(refusal, SET_SECRET) from None
        return json_answer({"data": rendered(changed)})


class ConnectionSwitch(OneConnection):
    operations = {
        "POST": Operation(
            "Switch a connection on or off", {200: ("As it stands now.", data(CONNECTION))}, body=SWITCH_WITH_FEEDS
        )
    }

    def post(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        body = self.body(request)
        actor = self.actor(request)
        try:
            connection = connections.switch_connection(connection, on=body["on"], actor=actor)
            if body["on"] and body.get("feeds", False):
                switch_on_tested(connection, actor=actor)
        except ValidationError as refusal:
            raise refused(refusal, SWITCH) from None
        return json_answer({"data": rendered(connection)})


class ConnectionTests(OneConnection):
    operations = {
        "GET": Operation("The newest test of a connection", {200: ("The test.", data(TEST))}),
        "POST": Operation(
            "Test a connection and its feeds",
            {
                202: ("Asked for: read it until its state is passed or failed.", data(TEST)),
                200: ("One waits or runs already: this one.", data(TEST)),
            },
            body={"type": "object", "properties": {}, "additionalProperties": False},
        ),
    }

    def get(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        test = newest_test(self.connection(request, connection_id))
        if test is None:
            raise Problem("not_found", "This connection was not tested yet.")
        return json_answer({"data": rendered_test(test)})

    def post(self, request: Request, *, connection_id: uuid.UUID) -> HttpResponse:
        connection = self.connection(request, connection_id)
        self.body(request)
        try:
            test, is_new = tasks.start_test(connection, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused(refusal, SWITCH) from None
        return json_answer({"data": rendered_test(test)}, status=202 if is_new else 200)


# -- Shapes -------------------------------------------------------------------


def rendered(connection: Connection) -> Json:
    own = {name: getattr(connection, name) for name in ("id", "kind", *SETTINGS)}
    times = {name: getattr(connection, name) for name in ("secret_set_at", "passed_at", "created_at")}
    return own | times | {"on": connection.is_on}


def rendered_test(test: ConnectionTest) -> Json:
    names = ("id", "state", "requested_at", "started_at", "finished_at", "steps")
    rows = test.rows or {}
    feeds = {
        entity: {name: result[name] for name in ("ok", "steps", "cursor_kind", "names")}
        | {"records": rows.get(entity, [])}
        for entity, result in test.feeds.items()
    }
    return {name: getattr(test, name) for name in names} | {"feeds": feeds}


def settings_in(body: Json) -> Json:
    """As sent, whole numbers as such: `48.0` is one too."""
    integers = {"port", "page_size", "every_minutes", "overlap_seconds"}
    return {name: int(value) if name in integers and value is not None else value for name, value in body.items()}


def refused(refusal: ValidationError, body: Json) -> Problem:
    """As `refused_by`, with the place of each fault: an action's code is the field, and its member after a dot."""
    problem = refused_by(refusal)
    for error in problem.errors:
        field, _, member = error["code"].partition(".")
        if field in body["properties"]:
            error["code"] = field
            error["field"] = member or field
            error["pointer"] = f"/{field}" + (f"/{member.replace('~', '~0').replace('/', '~1')}" if member else "")
    return problem


one = "api/v1/connections/<uuid:connection_id>"
urlpatterns: list[URLPattern] = [
    path("api/v1/connections", ConnectionList.as_view()),
    path(one, ConnectionDetail.as_view()),
    path(f"{one}/secret", ConnectionSecret.as_view()),
    path(f"{one}/switch", ConnectionSwitch.as_view()),
    path(f"{one}/test", ConnectionTests.as_view()),
]
