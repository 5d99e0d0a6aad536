"""Whatever stands in an address, a query string, a form or a body: the answer may refuse it, and never breaks.

The addresses come from the URL configuration, the fields from the pages, the bodies from the operations' schemas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import URLPattern, get_resolver

from integrations.api.manage import ManageView, Operation
from integrations.api.throttle import RateState
from onboarding.models import Sample
from tests.factories import PASSWORD, ClientFactory, MembershipFactory, SampleFactory, StaffFactory
from tests.portal import test_isolation
from tests.portal.test_roles import API, SCOPES, filled_in, routes, token_of, undone
from track360 import people
from track360.audit import Actor
from track360.models import Environment, Partner

rows = test_isolation.rows

HUGE = "99999999999999999999"
LONG = "x" * 3000
ODD_PARTS = {
    "int": ["0", "2147483648", "9223372036854775808", HUGE, "9" * 400],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "slug": ["-", "x" * 300, "production"],
    "str": ["%00", "a%00b", "%FF", "%ED%A0%80", "..", "%2F", "%F0%9F%8E%B0", LONG],
    "path": ["%00", "a%00b", "%FF", "%ED%A0%80", "../..", "//", "%F0%9F%8E%B0", LONG],
}
# As they stand in a query string or a form: percent-encoded, so that what is no UTF-8 can be said too.
ODD_VALUES = {
    "nothing": "",
    "NUL": "a%00b",
    "no UTF-8": "%FF%FE",
    "a lone surrogate": "%ED%A0%80",
    "long": "x" * 5000,
    "a huge number": HUGE,
    "400 digits": "9" * 400,
    "a negative number": "-1",
    "other digits": quote("１２３²"),
    "not a number": "NaN",
    "the first day, east": "0001-01-01T00:00:00%2B14:00",
    "the last day, west": "9999-12-31T23:59:59-14:00",
    "no day": "2026-02-30",
    "a moment and a NUL": "2026-03-15T12:00:00Z~%00",
    "a position of the last day": "9999-12-31T23:59:59-14:00~00000000-0000-0000-0000-000000000000",
    "JSON": quote('{"a": [1, null]}'),
    "a template": quote("{{ 7 }}{% now %}<script>%s${x}"),
}
NASTIEST = ("NUL", "no UTF-8", "a lone surrogate", "400 digits", "the last day, west")
TURNS = 4
# What the pages read from the query string without showing a field for it.
PARAMETERS = ["page", "before", "after", "cursor", "seen", "show", "span", "strict", "view", "q", "entity", "all"]
PARAMETERS += ["environment", "customer_id", "status", "phase", "next", "per_page", "sort", "action", "from", "to"]


def fallen(response: HttpResponse, what: str) -> list[str]:
    return [f"{response.status_code} {what[:200]}"] if response.status_code >= 500 else []


def quietly(client: Client) -> Client:
    """An exception becomes the page that a person would see."""
    client.raise_request_exception = False
    return client


@pytest.fixture
def team(db: None, sign_in: Any) -> Client:
    """Somebody who may open and send everything."""
    return quietly(sign_in(StaffFactory(password=PASSWORD)))


@pytest.fixture
def owner(partner: Partner, sign_in: Any) -> Client:
    return quietly(sign_in(MembershipFactory(partner=partner, role="owner", user__password=PASSWORD).user))


@pytest.fixture
def pages(partner: Partner, rows: dict[str, object]) -> list[str]:
    """Every address of a page, with what is there in its parts."""
    sample = SampleFactory(environment=partner.environments.get(kind="sandbox"), format=Sample.Format.CSV)
    in_the_portal = test_isolation.addresses(rows, slug=partner.slug, kind="sandbox")
    columns = [f"/p/{partner.slug}/sandbox/samples/{sample.pk}/{what}/" for what in ("columns", "mend", "refused")]
    _, token = people.invite(partner, email="new@aurora.example", role="viewer", actor=Actor(user=StaffFactory()))
    others = [
        filled_in(route, partner)
        for route, _ in routes()
        if not route.startswith((test_isolation.PORTAL, "api/v1/")) and "^" not in route and "logout" not in route
    ]
    return [*in_the_portal, *columns, *others, f"/invitations/{token}/"]


def test_no_address_with_odd_parts_breaks(team: Client, partner: Partner):
    """In each part in turn; the parts beside it hold something that fits."""
    found = []
    for route, _ in routes():
        if "^" in route:
            continue
        route = route.replace("<slug:partner_slug>/<slug:environment_kind>", f"{partner.slug}/sandbox")
        for whole, converter in re.findall(r"(<(\w+):\w+>)", route):
            for odd in ODD_PARTS[converter]:
                address = filled_in(route.replace(whole, odd), partner)
                for send in (team.get, team.post):
                    with undone(team):
                        found += fallen(send(address), f"{send.__name__} {address}")
    assert not found, "\n".join(found)


def odd_values(first: int, names: list[str]) -> str:
    """All names, each with another odd value; the next `first` moves each value one name on."""
    odd = list(ODD_VALUES.values())
    return "&".join(f"{quote(name)}={odd[(first + place) % len(odd)]}" for place, name in enumerate(names))


def test_no_query_string_breaks_a_page(team: Client, pages: list[str]):
    """Over a few pages each parameter meets each odd value; those of one list are the same everywhere."""
    found = []
    for number, address in enumerate(pages):
        for turn in range(TURNS):
            query = odd_values(number + turn * 4, PARAMETERS)
            with undone(team):
                found += fallen(team.get(f"{address}?{query}"), f"{address}?{query}")
    assert not found, "\n".join(found)


FIELD = re.compile(r"<(input|textarea|select)\b[^>]*?\bname=\"([^\"]+)\"[^>]*>", re.DOTALL)
VALUE = re.compile(r'\bvalue="([^"]*)"')


def fields_of(html: str) -> dict[str, str]:
    """What the forms of a page would send, its text areas and lists empty."""
    found = {}
    for match in FIELD.finditer(html):
        value = VALUE.search(match[0])
        found[unescape(match[2])] = unescape(value[1]) if value else ""
    return {name: value for name, value in found.items() if name not in ("csrfmiddlewaretoken", "file")}


def odd_forms(fields: dict[str, str]) -> Iterator[str]:
    """Some with all fields odd, and each field by itself among those that are as the page had them."""
    for turn in range(TURNS):
        yield odd_values(turn * 4, list(fields))
    for number, name in enumerate(fields):
        others = urlencode({other: value or "1" for other, value in fields.items() if other != name})
        for odd in (NASTIEST[number % 5], NASTIEST[(number + 2) % 5]):
            yield f"{others}&{quote(name)}={ODD_VALUES[odd]}"


ACTED_ON_BY_BUTTONS = {
    "text": "x", "url": "https://x.example/", "entity": "customers", "role": "viewer", "to": "on", "reason": "x",
    "affiliate_id": "a", "number": "1", "value": "x", "field": "status", "canonical_value": "approved", "version": "1",
}  # fmt: skip


def test_no_form_breaks_whatever_is_typed(team: Client, owner: Client, pages: list[str]):
    found = []
    for address in pages:
        fields = fields_of(b"".join(team.get(address)).decode())
        for body in odd_forms(fields or ACTED_ON_BY_BUTTONS):
            for client in (team, owner) if "/onboarding/" in address else (team,):
                with undone(client):
                    sent = client.post(address, body, content_type="application/x-www-form-urlencoded")
                found += fallen(sent, f"POST {address} {body[:150]}")
    assert not found, "\n".join(found)


# -- The automation API -----------------------------------------------------------

NO_JSON = [b"", b"{", b"\xff", b"null", b"1", b'"a"', b"[]", b"{}", b"[" * 100_000, b'{"a":' * 1000, b"\xef\xbb\xbf{}"]
NO_JSON += [b'{"a": "\\ud800"}', b'{"a": 1e400}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": 1, "a": 2}']
ODD_JSON: list[str] = [
    "null", "true", "0", "-1", HUGE, "1e300", "0.1", '""', '" "', '"a\\u0000b"', '"\\ud800"', json.dumps("x" * 70_000),
    '"\\uffff\\u202e"', '"0000-01-01"', '"9999-12-31"', "[]", "[null]", "[[]]", "{}", '{"a": {}}', "[" * 60 + "]" * 60,
    '"https://["', '"javascript:alert(1)"', '"../../etc"', json.dumps("é" * 255), json.dumps("%s{0}"),
]  # fmt: skip


def api_views() -> Iterator[tuple[str, Any]]:
    """Route and view of every call of the API."""

    def walk(patterns: list[Any]) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            if not isinstance(pattern, URLPattern):
                yield from walk(pattern.url_patterns)
            elif str(pattern.pattern) in API:
                callback: Any = pattern.callback
                yield str(pattern.pattern), callback.view_class(**getattr(callback, "initkwargs", {}))

    yield from walk(get_resolver().url_patterns)


def managed() -> Iterator[tuple[str, str, Operation]]:
    """Method, route and operation of every call of the automation API."""
    for route, view in api_views():
        if isinstance(view, ManageView):
            yield from ((method, route, operation) for method, operation in view.operations.items())


def fitting(schema: Any) -> Any:
    """Something small that the schema takes, with every member that it names."""
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    if "anyOf" in schema:
        return fitting(schema["anyOf"][0])
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        return {name: fitting(member) for name, member in schema.get("properties", {}).items()}
    if kind == "array":
        return [fitting(schema.get("items", {}))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    if kind == "boolean":
        return True
    by_format = {"email": "ada@aurora.example", "date": "2026-03-15", "uuid": "00000000-0000-4000-8000-000000000000"}
    return by_format.get(schema.get("format", ""), "x" * max(1, schema.get("minLength", 1)))


MARK = "__here__"


def with_odd_members(body: Any) -> Iterator[bytes]:
    """The body with each of its members, at any depth, in turn replaced by odd values; and with odd names."""

    def marked(value: Any) -> Iterator[Any]:
        yield MARK
        if isinstance(value, dict):
            for name in value:
                for inner in marked(value[name]):
                    yield {**value, name: inner}
        elif isinstance(value, list):
            for place, one in enumerate(value):
                for inner in marked(one):
                    yield [*value[:place], inner, *value[place + 1 :]]

    for number, form in enumerate(marked(body)):
        text = json.dumps(form)
        for odd in ODD_JSON[number % 2 :: 2]:
            yield text.replace(f'"{MARK}"', odd).encode()
    if isinstance(body, dict):
        yield from (json.dumps({**body, name: 1}).encode() for name in ("a\x00b", "x" * 5000, "__proto__", ""))


def test_no_body_breaks_a_call_of_the_automation_api(sandbox: Environment, monkeypatch: Any):
    StaffFactory()
    ClientFactory(environment=sandbox)
    client = quietly(Client(headers={"Authorization": f"Bearer {token_of(sandbox, *SCOPES)}"}))
    monkeypatch.setattr("integrations.api.throttle.check", lambda caller: RateState(None))
    operations = list(managed())
    assert {route for _, route, _ in operations} >= {"api/v1/samples", "api/v1/mappings", "api/v1/clients"}
    found = []
    for method, route, operation in operations:
        address = filled_in(route, sandbox.partner)
        bodies = [*NO_JSON, *(with_odd_members(fitting(operation.body)) if operation.body else [])]
        for body in bodies:
            with undone(client):
                answer = client.generic(method, address, body, content_type="application/json")
            found += fallen(answer, f"{method} {address} {body[:150]!r}")
    assert not found, "\n".join(found)


def test_no_query_string_breaks_a_call_of_the_api(sandbox: Environment, monkeypatch: Any):
    StaffFactory()
    client = quietly(Client(headers={"Authorization": f"Bearer {token_of(sandbox, *SCOPES)}"}))
    monkeypatch.setattr("integrations.api.throttle.check", lambda caller: RateState(None))
    found = []
    for route, view in api_views():
        address = filled_in(route, sandbox.partner)
        for method, parameters in view.parameters.items():
            for name in (*parameters, "unknown"):
                for odd in ODD_VALUES.values():
                    with undone(client):
                        answer = client.generic(method, f"{address}?{name}={odd}")
                    found += fallen(answer, f"{method} {address}?{name}={odd[:60]}")
    assert not found, "\n".join(found)
