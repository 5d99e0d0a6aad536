"""Whatever is sent, the answer is the right refusal, in the one shape that errors have; over real HTTP."""

from __future__ import annotations

import gzip
import json
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract import live, raw
from tests.contract.conftest import Caller
from track360.models import Environment

THOUSAND = "&".join(f"a{n}=" for n in range(1001))
ROOT = "/api/v1/igaming"
CUSTOMER = {"customer_id": "c1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "a1"}
TRANSACTION = {
    "transaction_id": "t1",
    "customer_id": "c1",
    "transaction_type": "deposit",
    "amount_currency": 10,
    "currency": "EUR",
    "transaction_date": "2026-03-15T12:10:00Z",
    "status": "approved",
}
ACTIVITY = {"date": "2026-03-15", "customer_id": "c1", "game_type": "slots", "currency": "EUR"}
TEN_MEGABYTES = 10 * 2**20


@dataclass(frozen=True)
class Door:
    """A sandbox as seen from outside, one customer in it."""

    url: str
    token: str

    def call(
        self, method: str, path: str, *, headers: Mapping[str, str | None] | None = None, body: bytes | None = None
    ) -> raw.Answer:
        """With the token and as JSON, unless the headers say otherwise."""
        usual = {"Authorization": self.token, "Content-Type": "application/json"}
        return raw.call(self.url, method, path, headers=usual | dict(headers or {}), body=body)


@pytest.fixture
def door(server: live.Server, caller: Caller) -> Door:
    assert caller.post(f"{ROOT}/customers", CUSTOMER).status_code == 201
    return Door(server.url, caller.http.headers["Authorization"])


def code_of(answer: raw.Answer) -> str:
    """The code of a problem, after a look at everything that each problem has."""
    assert answer.headers["content-type"] == "application/problem+json"
    assert uuid.UUID(answer.headers["x-request-id"])
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json
    assert list(body) == ["type", "title", "status", "code", "detail", "request_id", "error_count", "errors"]
    assert (body["status"], body["request_id"]) == (answer.status, answer.headers["x-request-id"])
    assert body["type"].startswith("http")
    assert body["type"].endswith(f"/problems/{body['code']}")
    assert len(body["errors"]) <= min(100, body["error_count"])
    for error in body["errors"]:
        assert {"index", "pointer", "field", "code", "message"} <= set(error)
        assert set(error) <= {"index", "pointer", "field", "code", "message", "value"}
        assert len(str(error.get("value", ""))) <= 64
    return str(body["code"])


# -- The body as a whole ------------------------------------------------------

NO_JSON = {
    "empty, with a length": b"",
    "no JSON": b"customer_id=c1",
    "trailing text": b"{} x",
    "two documents": b"{}{}",
    "comment": b"{/* */}",
    "trailing comma": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "leading zero": b'{"a": 01}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "integer of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "duplicate key": b'{"a": 1, "a": 1}',
    "duplicate key, escaped": b'{"a": 1, "\\u0061": 1}',
    "byte order mark": b"\xef\xbb\xbf{}",
    "invalid UTF-8": b'{"a": "\xff"}',
    "overlong UTF-8": b'{"a": "\xc0\xaf"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "lone surrogate": b'{"a": "\\ud800"}',
    "raw control character": b'{"a": "\x01"}',
    "depth 65": b"[" * 65 + b"]" * 65,
    "depth 990": b"[" * 990 + b"]" * 990,
    "depth 100,000": b"[" * 100_000 + b"]" * 100_000,
    "depth 100,000, not closed": b'{"a":' * 100_000,
}
NO_BATCH = {"null": b"null", "number": b"1", "text": b'"a"', "true": b"true"}
WRITING = [
    ("POST", "customers"),
    ("POST", "customers/bulk"),
    ("POST", "customers/validate"),
    ("PUT", "activity/days/2026-03-15"),
]


@pytest.mark.parametrize(("method", "path"), WRITING)
def test_a_body_that_is_no_json_is_400(door: Door, subtests: Any, method: str, path: str) -> None:
    for name, body in NO_JSON.items():
        with subtests.test(name):
            answer = door.call(method, f"{ROOT}/{path}", body=body)
            assert (answer.status, code_of(answer)) == (400, "invalid_json")


@pytest.mark.parametrize(("method", "path"), WRITING)
def test_json_that_is_no_batch_is_422(door: Door, subtests: Any, method: str, path: str) -> None:
    for name, body in NO_BATCH.items():
        with subtests.test(name):
            answer = door.call(method, f"{ROOT}/{path}", body=body)
            assert (answer.status, code_of(answer)) == (422, "validation_failed")


WRONG_SHAPES = [
    ("customers", "[]", "type"),
    ("customers", json.dumps([CUSTOMER]), "type"),
    ("customers", "[" * 50 + "]" * 50, "type"),
    ("customers/bulk", "{}", "type"),
    ("customers/bulk", json.dumps(CUSTOMER), "type"),
    ("customers/bulk", "[]", "empty_batch"),
    ("customers/bulk", json.dumps([CUSTOMER] * 1001), "too_many_records"),
    ("customers/validate", "[]", "empty_batch"),
    ("customers/validate", json.dumps([CUSTOMER] * 1001), "too_many_records"),
]


@pytest.mark.parametrize("prefer", [None, "handling=lenient"])
def test_a_batch_of_the_wrong_shape_is_422_either_way(door: Door, subtests: Any, prefer: str | None) -> None:
    for path, body, code in WRONG_SHAPES:
        with subtests.test(f"{path} {body[:20]}"):
            answer = door.call("POST", f"{ROOT}/{path}", body=body.encode(), headers={"Prefer": prefer})
            assert (answer.status, code_of(answer)) == (422, "validation_failed")
            (error,) = answer.json["errors"]
            assert (error["index"], error["pointer"], error["code"]) == (None, "", code)
            assert "preference-applied" not in answer.headers


# -- Headers ------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    status: int
    code: str
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes | None = json.dumps(CUSTOMER).encode()


def media_type(text: str | None) -> Case:
    return Case(415, "unsupported_media_type", {"Content-Type": text})


def encoded(text: str, *, status: int = 415, code: str = "unsupported_encoding", body: bytes = b"{}") -> Case:
    return Case(status, code, {"Content-Encoding": text}, body)


def zipped(body: bytes, *, status: int = 400, code: str = "invalid_json") -> Case:
    return encoded("gzip", status=status, code=code, body=body)


HEADERS = {
    "no length": Case(411, "length_required", body=None),
    "in chunks": Case(
        411, "length_required", {"Transfer-Encoding": "chunked", "Content-Length": None}, b"2\r\n{}\r\n0\r\n\r\n"
    ),
    "text": media_type("text/plain"),
    "form": media_type("application/x-www-form-urlencoded"),
    "multipart": media_type("multipart/form-data; boundary=x"),
    "JSON of another kind": media_type("application/vnd.api+json"),
    "no type": media_type(None),
    "two types": media_type("application/json, text/plain"),
    "UTF-16": media_type("application/json; charset=utf-16"),
    "UTF-7": media_type("application/json; charset=utf-7"),
    "unicode_escape": media_type("application/json; charset=unicode_escape"),
    "bogus charset": media_type("application/json; charset=bogus"),
    "zstd": encoded("zstd"),
    "brotli": encoded("br"),
    "deflate": encoded("deflate"),
    "gzip twice": encoded("gzip, gzip"),
    "gzip that is none": zipped(b"{}"),
    "gzip cut off": zipped(gzip.compress(b"{}" * 500)[:-9]),
    "gzip with a tail": zipped(gzip.compress(b"{}") + b"x"),
    "zlib as gzip": zipped(zlib.compress(b"{}")),
    "gzip of nothing": zipped(gzip.compress(b"")),
    "gzip of over 10 MB": zipped(gzip.compress(b" " * (TEN_MEGABYTES + 1)), status=413, code="payload_too_large"),
    "gzip bomb": zipped(gzip.compress(b" " * 10 * TEN_MEGABYTES), status=413, code="payload_too_large"),
    "over 10 MB": Case(413, "payload_too_large", body=b" " * (TEN_MEGABYTES + 1)),
    "XML asked for": Case(406, "not_acceptable", {"Accept": "application/xml"}),
    "JSON ruled out": Case(406, "not_acceptable", {"Accept": "application/json;q=0"}),
    "no token": Case(401, "missing_token", {"Authorization": None}),
    "junk for a token": Case(401, "invalid_token", {"Authorization": "Bearer junk"}),
    "endless token": Case(401, "invalid_token", {"Authorization": f"Bearer {'x' * 6000}"}),
    "bad host": Case(400, "bad_request", {"Host": "a_b c"}),
}


def test_a_call_that_cannot_be_taken(door: Door, subtests: Any) -> None:
    for name, case in HEADERS.items():
        with subtests.test(name):
            answer = door.call("POST", f"{ROOT}/customers", headers=case.headers, body=case.body)
            assert (answer.status, code_of(answer)) == (case.status, case.code)
            if case.status == 401:
                assert answer.headers["www-authenticate"].startswith("Bearer ")
            elif name != "bad host":
                assert answer.headers["ratelimit-limit"] == "1000"


GOOD_HEADERS: list[dict[str, str | None]] = [
    {"Content-Type": "application/json; charset=UTF-8"},
    {"Content-Type": 'APPLICATION/JSON;charset="utf-8"'},
    {"Accept": "application/json"},
    {"Accept": "application/problem+json"},
    {"Accept": "text/html, */*;q=0.1"},
    {"Accept": None},
    {"Content-Encoding": "identity"},
]


def test_a_call_that_is_good_in_spite_of_its_looks(door: Door, subtests: Any) -> None:
    body = json.dumps(CUSTOMER).encode()
    for headers in GOOD_HEADERS:
        with subtests.test(str(headers)):
            assert door.call("POST", f"{ROOT}/customers", headers=headers, body=body).status == 200


def test_gzip_is_unpacked_also_where_it_has_several_members(door: Door) -> None:
    body = json.dumps(CUSTOMER).encode()
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    answer = door.call("POST", f"{ROOT}/customers", headers={"Content-Encoding": "GZIP"}, body=packed)
    assert (answer.status, answer.json["outcome"]) == (200, "unchanged")


def test_just_ten_megabytes_are_read(door: Door) -> None:
    body = json.dumps(CUSTOMER).encode()
    body += b" " * (TEN_MEGABYTES - len(body))
    assert door.call("POST", f"{ROOT}/customers", body=body).status == 200
    packed = {"Content-Encoding": "gzip"}
    assert door.call("POST", f"{ROOT}/customers", body=gzip.compress(body), headers=packed).status == 200


def raw_head(door: Door, lines: str) -> bytes:
    return (
        f"POST {ROOT}/customers HTTP/1.1\r\nHost: localhost\r\nAuthorization: {door.token}\r\n"
        f"Content-Type: application/json\r\n{lines}\r\n{{}}"
    ).encode()


AMBIGUOUS = [
    "Content-Length: 2\r\nContent-Length: 3\r\n",
    "Content-Length: -1\r\n",
    "Content-Length: 2, 2\r\n",
    "Content-Length: +2\r\n",
    "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n",
    "Content-Length : 2\r\n",
    "Transfer-Encoding: chunked, identity\r\n",
]


def test_framing_that_two_servers_could_read_differently_is_refused(door: Door, subtests: Any) -> None:
    for lines in AMBIGUOUS:
        with subtests.test(lines):
            assert 400 <= raw.send(door.url, raw_head(door, lines)).status < 500


def test_a_body_shorter_than_its_length_is_400(door: Door) -> None:
    answer = raw.send(door.url, raw_head(door, "Content-Length: 100\r\n"), end=True)
    assert (answer.status, code_of(answer)) == (400, "bad_request")


# -- Addresses ----------------------------------------------------------------

LISTS = f"{ROOT}/customers"
PARAMETERS = {
    "unknown": f"{LISTS}?x=1",
    "a token": f"{LISTS}?access_token=x",
    "repeated": f"{LISTS}?page=1&page=1",
    "of another list": f"{LISTS}?from=2026-01-01",
    "unknown to a record": f"{ROOT}/customers/c1?x=1",
    "unknown to a schema": f"{ROOT}/schemas/customers?x=1",
    "NUL": f"{LISTS}?affiliate_id=%00",
    "NUL in a name": f"{LISTS}?%00=1",
    "page 0": f"{LISTS}?page=0",
    "page -1": f"{LISTS}?page=-1",
    "page in Arabic-Indic digits": f"{LISTS}?page=%D9%A1",
    "endless page": f"{LISTS}?page={'9' * 30}",
    "per_page 501": f"{LISTS}?per_page=501",
    "per_page empty": f"{LISTS}?per_page=",
    "page and cursor": f"{LISTS}?page=1&cursor=x",
    "moment without offset": f"{LISTS}?signup_from=2026-01-01T00:00:00",
    "moment that is none": f"{LISTS}?updated_since=yesterday",
    "moment that cannot be": f"{LISTS}?updated_since=9999-12-31T23:59:59-14:00",
    "day that cannot be": f"{ROOT}/activity?from=2026-02-30",
    "moment for a day": f"{ROOT}/activity?from=2026-02-20T00:00:00Z",
    "type that is none": f"{ROOT}/transactions?transaction_type=x",
    "country in lower case": f"{LISTS}?country_code=gb",
    "status of the log": "/api/v1/requests?status=9xx",
}
ADDRESSES: dict[str, tuple[str, str, int, str]] = {
    **{f"parameter: {name}": ("GET", path, 422, "invalid_parameter") for name, path in PARAMETERS.items()},
    "parameter: unknown to bulk": ("POST", f"{ROOT}/customers/bulk?x=1", 422, "invalid_parameter"),
    "parameter: results": ("POST", f"{ROOT}/customers/bulk?results=yes", 422, "invalid_parameter"),
    "parameter: day of a replacement": ("PUT", f"{ROOT}/activity/days/2026-02-30", 422, "invalid_parameter"),
    "parameter: broken escape": ("GET", f"{LISTS}?x=%zz", 400, "bad_request"),
    "parameter: over a thousand": (
        "GET",
        f"{LISTS}?{'&'.join(f'a{n}=' for n in range(1001))}",
        422,
        "invalid_parameter",
    ),
    "cursor: none": ("GET", f"{LISTS}?cursor=x", 422, "invalid_cursor"),
    "cursor: empty": ("GET", f"{LISTS}?cursor=", 422, "invalid_cursor"),
    "cursor: of the log": ("GET", "/api/v1/requests?cursor=x", 422, "invalid_cursor"),
    "cursor: of the quarantine": ("GET", "/api/v1/quarantine?cursor=x", 422, "invalid_cursor"),
    "page too deep": ("GET", f"{LISTS}?page=201", 422, "page_too_deep"),
    "path: unknown": ("GET", "/api/v1/nothing", 404, "not_found"),
    "path: unknown entity": ("GET", f"{ROOT}/players", 404, "not_found"),
    "path: the API itself": ("GET", "/api", 404, "not_found"),
    "path: the API itself, with a slash": ("POST", "/api/", 404, "not_found"),
    "path: unknown record": ("GET", f"{ROOT}/customers/none", 404, "not_found"),
    "path: request that is none": ("GET", "/api/v1/requests/x", 404, "not_found"),
    "path: NUL in an id": ("GET", f"{ROOT}/customers/%00", 404, "not_found"),
    "path: NUL": ("GET", "/api/%00", 404, "not_found"),
    "path: bad UTF-8": ("GET", f"{ROOT}/customers/%ff%fe", 404, "not_found"),
    "method: DELETE": ("DELETE", LISTS, 405, "method_not_allowed"),
    "method: PATCH, with a slash": ("PATCH", f"{LISTS}/", 405, "method_not_allowed"),
    "method: POST to a record": ("POST", f"{ROOT}/customers/c1", 405, "method_not_allowed"),
    "method: none": ("BREW", LISTS, 405, "method_not_allowed"),
    "method: TRACE": ("TRACE", LISTS, 405, "method_not_allowed"),
    "method: GET on bulk": ("GET", f"{ROOT}/customers/bulk", 405, "method_not_allowed"),
}


def test_an_address_that_leads_nowhere(door: Door, subtests: Any) -> None:
    for name, (method, path, status, code) in ADDRESSES.items():
        with subtests.test(name):
            answer = door.call(method, path, body=b"[]" if method in {"POST", "PUT"} else None)
            assert (answer.status, code_of(answer)) == (status, code)
            assert "schemas" in path or answer.headers["ratelimit-remaining"].isdigit()
            if status == 405:
                allowed = answer.headers["allow"].split(", ")
                assert "OPTIONS" in allowed
                assert method not in allowed


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_slash_at_the_end_counts_for_nothing(door: Door, slash: str) -> None:
    for path in ("igaming/customers", "igaming/customers/c1", "igaming/schemas/customers", "requests", "quarantine"):
        assert door.call("GET", f"/api/v1/{path}{slash}").status == 200
    for path in ("customers", "customers/validate"):
        assert door.call("POST", f"{ROOT}/{path}{slash}", body=json.dumps(CUSTOMER).encode()).status == 200
    assert door.call("GET", f"/api/schema{slash}").status == 200


def test_head_has_the_headers_of_get_and_no_body(door: Door) -> None:
    got, head = (door.call(method, f"{ROOT}/customers/c1") for method in ("GET", "HEAD"))
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == got.headers["content-length"]


def test_options_says_what_is_allowed_to_anybody(door: Door) -> None:
    answer = door.call("OPTIONS", LISTS, headers={"Authorization": None})
    assert (answer.status, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")


def test_the_request_id_is_never_the_callers(door: Door) -> None:
    mine = str(uuid.uuid4())
    assert door.call("GET", LISTS, headers={"X-Request-ID": mine}).headers["x-request-id"] != mine


def test_every_answer_bears_a_request_id(server: live.Server) -> None:
    for path in ("/", "/healthz", "/oauth/token", "/nowhere", "/api/schema/", "/static/css/base.css"):
        assert uuid.UUID(raw.call(server.url, "GET", path, headers={}).headers["x-request-id"])


# -- Rights -------------------------------------------------------------------


SCOPES = [
    ("POST", "igaming/customers", "write"),
    ("POST", "igaming/customers/bulk", "write"),
    ("POST", "igaming/customers/validate", "write"),
    ("PUT", "igaming/activity/days/2026-03-15", "write"),
    ("GET", "requests", "manage"),
    ("GET", "quarantine", "manage"),
    ("GET", f"requests/{uuid.UUID(int=1)}", "manage"),
]


def test_a_scope_that_is_missing_is_named(
    server: live.Server, connect: Callable[..., Caller], sandbox: Environment, subtests: Any
) -> None:
    reader = Door(server.url, connect(sandbox, scopes=("read",)).http.headers["Authorization"])
    for method, path, scope in SCOPES:
        with subtests.test(path):
            answer = reader.call(method, f"/api/v1/{path}", body=b"[]" if method != "GET" else None)
            assert (answer.status, code_of(answer)) == (403, "insufficient_scope")
            assert f'error="insufficient_scope", scope="{scope}"' in answer.headers["www-authenticate"]


# -- Values -------------------------------------------------------------------

VALUES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("transactions", TRANSACTION, "amount_currency", "1.005", "decimal_places"),
    ("transactions", TRANSACTION, "amount_currency", "99999999999999999.99", "significant_digits"),
    ("transactions", TRANSACTION, "amount_currency", "18446744073709551616", "range"),
    ("transactions", TRANSACTION, "amount_currency", "-1", "negative_amount"),
    ("transactions", TRANSACTION, "amount_currency", '"5"', "type"),
    ("transactions", TRANSACTION, "amount_currency", "true", "type"),
    ("transactions", TRANSACTION, "amount_currency", "null", "required"),
    ("transactions", TRANSACTION, "currency", '"XYZ"', "currency"),
    ("transactions", TRANSACTION, "customer_id", '"nobody"', "unknown_customer"),
    ("transactions", TRANSACTION, "transaction_type", '"gift"', "enum"),
    ("transactions", TRANSACTION, "note", '"\\u0000"', "control_character"),
    ("transactions", TRANSACTION, "transaction_id", f'"{"x" * 9600}"', "max_length"),
    ("customers", CUSTOMER, "customer_id", '"c1\\n"', "identifier"),
    ("customers", CUSTOMER, "customer_id", '" c1"', "identifier"),
    ("customers", CUSTOMER, "customer_id", '"cafe\\u0301"', "identifier"),
    ("customers", CUSTOMER, "partner_id", "1", "additional_property"),
    ("customers", CUSTOMER, "__proto__", "{}", "additional_property"),
    ("customers", CUSTOMER, "country_code", '"ZZ"', "country"),
    ("customers", CUSTOMER, "signup_date", '"2026-01-02T03:04:05"', "format"),
    ("customers", CUSTOMER, "signup_date", '"2026-01-02 03:04:05Z"', "format"),
    ("customers", CUSTOMER, "signup_date", '"2026-W01-1T03:04:05Z"', "format"),
    ("customers", CUSTOMER, "signup_date", '"2016-12-31T23:59:60Z"', "date_time"),
    ("customers", CUSTOMER, "signup_date", '"2016-12-31T24:00:00Z"', "date_time"),
    ("customers", CUSTOMER, "signup_date", '"2016-12-31T12:00:00+24:00"', "date_time"),
    ("customers", CUSTOMER, "signup_date", '"0001-01-01T00:00:00+14:00"', "date_time"),
    ("activity", ACTIVITY, "bets_count", "1.5", "type"),
    ("activity", ACTIVITY, "bets_count", "48.00000000000000000001", "type"),
    ("activity", ACTIVITY, "bets_count", "99999999999999999999", "range"),
    ("activity", ACTIVITY, "wins", "-1", "minimum"),
]


def test_a_value_that_breaks_a_rule(door: Door, subtests: Any) -> None:
    for entity, record, name, value, code in VALUES:
        text = json.dumps({key: kept for key, kept in record.items() if key != name})
        body = f'{text[:-1]}, "{name}": {value}}}'.encode()
        for path, sent, index, pointer in (
            (entity, body, None, f"/{name}"),
            (f"{entity}/bulk", b"[" + body + b"]", 0, f"/0/{name}"),
        ):
            with subtests.test(f"{path} {name} {value[:30]}"):
                answer = door.call("POST", f"{ROOT}/{path}", body=sent)
                assert (answer.status, code_of(answer)) == (422, "validation_failed")
                found = [(e["index"], e["pointer"], e["field"], e["code"]) for e in answer.json["errors"]]
                assert (index, pointer, name, code) in found


GOOD_NUMBERS = [
    ("1500.10", "1500.10"),
    ("1234567890123.45", "1234567890123.45"),
    ("0.29", "0.29"),
    ("1E2", "100.00"),
    ("-0.0", "0.00"),
]


def test_numbers_come_back_equal_and_plain(door: Door) -> None:
    text = json.dumps({name: value for name, value in TRANSACTION.items() if name != "amount_currency"})
    for sent, given in GOOD_NUMBERS:
        body = f'{text[:-1]}, "amount_currency": {sent}}}'.encode()
        assert door.call("POST", f"{ROOT}/transactions", body=body).status in {200, 201}
        assert f'"amount_currency":{given},'.encode() in door.call("GET", f"{ROOT}/transactions/t1").body


def test_at_most_a_hundred_errors_are_listed_and_all_are_counted(door: Door) -> None:
    answer = door.call("POST", f"{ROOT}/customers/bulk", body=json.dumps([{}] * 60).encode())
    assert code_of(answer) == "validation_failed"
    assert (len(answer.json["errors"]), answer.json["error_count"]) == (100, 180)


def test_values_of_people_are_not_echoed(door: Door) -> None:
    body = json.dumps({**CUSTOMER, "email": "secret", "first_name": 5, "nickname": "hidden"}).encode()
    answer = door.call("POST", f"{ROOT}/customers", body=body)
    assert {error["field"] for error in answer.json["errors"]} == {"email", "first_name", "nickname"}
    assert all("value" not in error for error in answer.json["errors"])
    assert b"secret" not in answer.body
