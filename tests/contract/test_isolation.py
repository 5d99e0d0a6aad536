"""Nobody is let in: another partner's token, or the same partner's of the other environment, on every address.

The addresses come from the URL configuration and the OpenAPI document, so that none can be forgotten.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.test import Client as Browser
from django.urls import URLPattern, URLResolver, get_resolver, resolve

from entities.models import Activity, Customer, QuarantinedRecord, Transaction
from integrations.models import Feed
from onboarding.api.schema import document
from tests.contract import live
from tests.contract.conftest import API, Caller, new_partner
from tests.factories import FeedFactory, ReportFactory, RunFactory, SyncEventFactory, UserFactory
from tests.payloads import sample
from track360.models import AuditEvent, Environment, Membership, Partner, User

MARK = "zz-secret-zz"
IDS = {"customer_id": "cst_100245", "key": "cst_100245", "transaction_id": "txn_889001", "date": "2026-03-15"}
IDS |= {"entity": "transactions", "number": "1"}


@pytest.fixture
def victim(caller: Caller, connect: Callable[..., Caller]) -> Caller:
    """One of everything, each with the mark in what only its owner may read."""
    filled(caller)
    return caller


def filled(caller: Caller) -> None:
    caller.post(f"{API}/customers", sample("customers", first_name=MARK, click_id=MARK, affiliate_id=MARK))
    caller.post(f"{API}/transactions", sample("transactions", note=MARK, status=MARK))
    caller.post(f"{API}/activity", sample("activity", game_type=MARK))
    bad = sample("customers", customer_id="bad", country_code="ZZ", campaign_id=MARK)
    assert caller.post(f"{API}/customers/bulk", [bad], Prefer="handling=lenient").status_code == 200
    assert caller.post(f"{API}/customers/bulk", [bad]).status_code == 422
    feed = FeedFactory(pk=FEED, connection__environment=caller.environment, connection__name=MARK)
    run = RunFactory(pk=RUN, feed=feed, problem=MARK)
    SyncEventFactory(run=run, url=MARK)
    ReportFactory(pk=REPORT, feed=feed, problem=MARK)


def quarantined(caller: Caller) -> dict[str, str]:
    """The ids of a refused record and of a replay of it."""
    (record,) = caller.get("/api/v1/quarantine").json()["data"]
    replay = caller.post("/api/v1/quarantine/replays", {}).json()["data"]
    return {"number": str(record["id"]), "replay_id": replay["id"]}


def everything(caller: Caller) -> list[Any]:
    """All that the caller can read of its records and what was refused."""
    lists = [f"{API}/customers", f"{API}/transactions", f"{API}/activity", "/api/v1/quarantine"]
    feed = fed(caller)
    feeds = f"/api/v1/connections/{feed.connection_id}/feeds"
    lists += ["/api/v1/sync-runs", "/api/v1/connections", feeds, f"{feeds}/{feed.pk}/conformance"]
    answers = [caller.get(path) for path in lists]
    assert {answer.status_code for answer in answers} == {200}
    return [answer.json()["data"] for answer in answers]


def fed(caller: Caller) -> Feed:
    return Feed.objects.get(connection__environment=caller.environment)


@pytest.fixture(params=["another partner", "the same partner's production"])
def stranger(request: Any, victim: Caller, connect: Callable[..., Caller]) -> Caller:
    if request.param == "another partner":
        return connect(new_partner().environments.get(kind="sandbox"))
    return connect(victim.environment.partner.environments.get(kind="production"))


@pytest.fixture
def request_id(victim: Caller) -> str:
    """The id of the victim's refused call, once it is in the log."""
    for _ in range(200):
        for row in victim.get("/api/v1/requests?status=422").json()["data"]:
            return str(row["request_id"])
        time.sleep(0.05)
    raise AssertionError("the call is not in the log")


def operations(*, of_the_partner: bool = False) -> list[tuple[str, str, dict[str, Any]]]:
    """Those of one environment, or those of the automation API, much of which both environments share."""
    return [
        (method.upper(), path, operation)
        for path, methods in document()["paths"].items()
        for method, operation in methods.items()
        if path.startswith("/api/") and (operation["tags"][0] in OF_THE_PARTNER) == of_the_partner
    ]


def address(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)


FRESHNESS = "/api/v1/freshness"
NO_LAG = {"created": 0, "in_time": 0, "p50_seconds": None, "p95_seconds": None}
NO_LAG |= {"partner_seconds": None, "own_seconds": None}


def nothing_in(path: str, answer: httpx.Response) -> bool:
    """Whether the answer is that of an environment which holds nothing: a list is empty, figures are none."""
    data = answer.json().get("data", [])
    if path != FRESHNESS:
        return bool(data == [])
    figures = [one for entity in data["entities"] for one in (entity, *entity["steps"])]
    # Where no activity ever came no day is missing: that would tell that there is some.
    days = {(day["state"], day["last_received_at"]) for day in data["activity_days"]}
    no_lag = all({name: one[name] for name in NO_LAG} == NO_LAG for one in figures)
    return bool(figures) and no_lag and days <= {("before the first", None), ("not due", None)}


OF_THE_PARTNER = {"Partner", "Checklist", "Clients", "Mappings and affiliates", "Samples"}


# The ids of the victim's feed, of its run and of its report
FEED, RUN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
REPORT = "33333333-3333-4333-8333-333333333333"

# Operation -> what a stranger sends who names the victim's ids, and the status and the errors' codes that he gets, in
# this order: with his own customers of the same ids, at the end, his transactions would name one that exists.
# Reading has no line of its own: an address with an id is 404, a list is empty.
OF = {entity: sample(entity) for entity in ("customers", "transactions", "activity")}
FED = "/api/v1/connections/{connection_id}"
UNKNOWN = (422, ["unknown_customer"])
WRITES: dict[str, tuple[Any, tuple[int, list[str]]]] = {
    "POST /api/v1/igaming/customers/{key}/erase": ({}, (404, [])),
    "PUT /api/v1/reconciliation/{entity}/days/{date}": ({"totals": []}, (200, [])),
    "POST /api/v1/reconciliation/{entity}/days/{date}/differences/waive": ({"reason": "x"}, (404, [])),
    "POST /api/v1/reconciliation/{entity}/days/{date}/take": ({}, (404, [])),
    "POST /api/v1/reconciliation/{entity}/days/{date}/waive": ({"reason": "x"}, (422, ["difference"])),
    "DELETE /api/v1/reconciliation/{entity}/days/{date}/waive": ({}, (404, [])),
    "POST /api/v1/reconciliation/{entity}/count": ({"first": "2026-03-15", "last": "2026-03-15"}, (422, ["feed"])),
    "POST /api/v1/reconciliation/doubled/{number}": ({"verdict": "later", "reason": "x"}, (404, [])),
    "POST /api/v1/connections": ({"name": "Mine", "kind": "rest", "base_url": "https://api.example.com"}, (201, [])),
    f"PUT {FED}": ({"name": "Mine"}, (404, [])),
    f"DELETE {FED}": ({}, (404, [])),
    f"PUT {FED}/secret": ({"secret": "mine"}, (404, [])),
    f"POST {FED}/switch": ({"on": False}, (404, [])),
    f"POST {FED}/test": ({}, (404, [])),
    f"POST {FED}/feeds": ({"entity": "customers"}, (404, [])),
    f"PUT {FED}/feeds/{{feed_id}}": ({"path": "/mine"}, (404, [])),
    f"DELETE {FED}/feeds/{{feed_id}}": ({}, (404, [])),
    f"POST {FED}/feeds/{{feed_id}}/switch": ({"on": False}, (404, [])),
    f"PUT {FED}/feeds/{{feed_id}}/cursor": ({"cursor": ""}, (404, [])),
    f"POST {FED}/feeds/{{feed_id}}/conformance": ({}, (404, [])),
    "POST /api/v1/sync-runs": ({"feed": FEED}, (422, ["unknown"])),
    "POST /api/v1/sync-runs/{run_id}/stop": ({}, (404, [])),
    "POST /api/v1/sync-runs/{run_id}/pause": ({}, (404, [])),
    "POST /api/v1/sync-runs/{run_id}/resume": ({}, (404, [])),
    "PUT /api/v1/quarantine/{number}": ({"record": {}}, (404, [])),
    "POST /api/v1/quarantine/{number}/drop": ({"reason": "theirs"}, (404, [])),
    "POST /api/v1/quarantine/drop": ({"reason": "all of it"}, (200, [])),
    "POST /api/v1/quarantine/replays": ({}, (422, ["nothing_held"])),
    "POST /api/v1/quarantine/replays/{replay_id}/run": ({}, (404, [])),
    "POST /api/v1/quarantine/replays/{replay_id}/cancel": ({}, (404, [])),
    "POST /api/v1/igaming/transactions": (OF["transactions"], UNKNOWN),
    "POST /api/v1/igaming/transactions/bulk": ([OF["transactions"]], UNKNOWN),
    "POST /api/v1/igaming/transactions/validate": ([OF["transactions"]], (200, ["unknown_customer"])),
    "POST /api/v1/igaming/activity": (OF["activity"], UNKNOWN),
    "POST /api/v1/igaming/activity/bulk": ([OF["activity"]], UNKNOWN),
    "POST /api/v1/igaming/activity/validate": (OF["activity"], (200, ["unknown_customer"])),
    "PUT /api/v1/igaming/activity/days/{date}": ([OF["activity"]], UNKNOWN),
    "POST /api/v1/igaming/customers/validate": (OF["customers"], (200, [])),
    "POST /api/v1/igaming/customers": (OF["customers"], (201, [])),
    "POST /api/v1/igaming/customers/bulk": ([OF["customers"]], (200, [])),
}


def test_no_call_shows_or_touches_what_is_not_ones_own(victim: Caller, stranger: Caller, request_id: str) -> None:
    feed = fed(victim)
    values = IDS | {"request_id": request_id, "run_id": RUN}
    values |= {"connection_id": str(feed.connection_id), "feed_id": str(feed.pk), "report_id": REPORT}
    values |= quarantined(victim)
    before = everything(victim)
    assert not nothing_in(FRESHNESS, victim.get(FRESHNESS))

    reads = [(path, operation) for method, path, operation in operations() if method == "GET"]
    for path, operation in reads:
        answer = stranger.get(address(path, values))
        assert (answer.status_code, MARK in answer.text) == (404 if "{" in path else 200, False), path
        if operation["security"]:
            assert stranger.get(address(path, values), headers={"Authorization": ""}).status_code == 401, path
            assert nothing_in(path, answer) or path == "/api/v1/requests", path
    assert set(WRITES) == {f"{method} {path}" for method, path, _ in operations() if method != "GET"}
    for name, (body, wanted) in WRITES.items():
        method, _, path = name.partition(" ")
        answer = stranger.send(method, address(path, values), body)
        codes = [error["code"] for error in answer.json().get("errors", [])]
        assert ((answer.status_code, codes), MARK in answer.text) == (wanted, False), name
        assert stranger.send(method, address(path, values), body, Authorization="").status_code == 401, name

    assert everything(victim) == before
    for model in (Customer, Transaction, Activity, QuarantinedRecord):
        assert model.objects.exclude(environment__in=[victim.environment, stranger.environment]).count() == 0


def test_the_automation_api_shows_nothing_of_another_partner(victim: Caller, connect: Callable[..., Caller]) -> None:
    client = victim.post("/api/v1/clients", {"name": MARK}).json()["data"]["client"]
    ids = {"client_id": client["client_id"], "secret_id": client["secrets"][0]["id"]}
    stranger = connect(new_partner().environments.get(kind="sandbox"))

    for method, path, _ in operations(of_the_partner=True):
        # Ids that this test made nothing for are anybody's guess: 3 is a step too, and a uuid is never one's own.
        named = {name: ids.get(name, str(uuid.uuid4())) for name in re.findall(r"\{(\w+)\}", path)} | {"number": "3"}
        answer = (
            stranger.send(method, address(path, named), {}) if method != "GET" else stranger.get(address(path, named))
        )
        assert MARK not in answer.text, (method, path)
        assert "{" not in path or "{number}" in path or answer.status_code in {404, 422}, (method, path)
        assert stranger.send(method, address(path, named), {}, Authorization="").status_code == 401, (method, path)

    assert victim.get(f"/api/v1/clients/{client['client_id']}").json()["data"] == client


def test_no_filter_and_no_cursor_reaches_over(victim: Caller, stranger: Caller) -> None:
    victim.post(f"{API}/customers", sample("customers", customer_id="second"))
    cursor = victim.get(f"{API}/customers?per_page=1").json()["meta"]["next_cursor"]
    values = {"affiliate_id": MARK, "customer_id": IDS["customer_id"], "game_type": MARK, "status": MARK}

    for method, path, operation in operations():
        names = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        if method != "GET" or "cursor" not in names or not path.startswith(API):
            continue
        for name in names & set(values):
            answer = stranger.get(path, params={name: values[name]})
            assert (answer.status_code, answer.json()["data"]) == (200, []), (path, name)
            assert answer.json()["meta"]["total"] == 0, (path, name)
        if path.endswith("/customers"):
            walked = stranger.get(path, params={"cursor": cursor, "per_page": 1})
            assert (walked.status_code, walked.json()["code"]) == (422, "invalid_cursor")


def test_a_day_put_empty_takes_nothing_of_anybody_elses(victim: Caller, stranger: Caller) -> None:
    answers = [
        stranger.put(f"{API}/activity/days/2026-03-15{query}", [])
        for query in ("", f"?customer_id={IDS['customer_id']}")
    ]

    assert [(answer.status_code, answer.json()["data"]["removed"]) for answer in answers] == [(200, 0)] * 2
    assert Activity.objects.filter(environment=victim.environment).count() == 1


def test_the_same_ids_are_other_records_in_another_environment(victim: Caller, stranger: Caller) -> None:
    before = everything(victim)

    created = [stranger.post(f"{API}/{entity}", OF[entity]) for entity in ("customers", "transactions", "activity")]
    changed = stranger.post(f"{API}/customers", OF["customers"] | {"country_code": "SE", "last_modified_date": None})

    assert [answer.status_code for answer in created] == [201] * 3
    assert [warning["code"] for warning in created[1].json()["warnings"] if warning["code"].startswith("cust")] == []
    assert changed.json()["outcome"] == "updated"
    assert everything(victim) == before


def test_nobody_revokes_anothers_token(victim: Caller, stranger: Caller, anybody: httpx.Client) -> None:
    pair = (stranger.credentials.client.client_id, stranger.credentials.clear)
    token = victim.http.headers["Authorization"].removeprefix("Bearer ")

    answer = anybody.post("/oauth/revoke", data={"token": token}, auth=pair)

    assert answer.status_code == 200
    assert victim.get(f"{API}/customers").status_code == 200


def routes(patterns: list[Any], prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern


NOT_FOUND = {"^api(/|$)", "^oauth(?:/|$)"}  # for whatever is not there


def example(path: str, values: dict[str, str]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: values.get(found[1]) or EXAMPLES.get(found[1], str(uuid.uuid4())), path)


EXAMPLES = {"number": "3"}


def test_the_openapi_document_knows_every_address_of_the_api() -> None:
    values = IDS | {"request_id": str(uuid.uuid4())}
    there = {
        route
        for route, _ in routes(get_resolver().url_patterns)
        if re.match(r"\^?(api|oauth|\\.well-known)\b", route) and route not in NOT_FOUND
    }

    documented = {resolve(example(path, values).rstrip("/")).route for path in document()["paths"]}

    assert documented == there


# -- The portal ---------------------------------------------------------------

PORTAL = "p/<slug:partner_slug>/<slug:environment_kind>/"
HELD = {
    "customers": Customer,
    "transactions": Transaction,
    "activity": Activity,
    "quarantine": QuarantinedRecord,
}


# The pages of what one environment holds; who may open the others, whose ids are the partner's, is held by
# tests/portal/test_roles.py.
SECTIONS = {"", "connections", "requests", "credentials", "docs", *HELD}


def with_ids(route: str, known: dict[str, str]) -> str:
    return re.sub(r"<(?:(\w+):)?(\w+)>", lambda part: known.get(part[2]) or ANY_ID[part[1]], route)


ANY_ID = {"int": "1", "uuid": str(uuid.uuid4()), "slug": "any", "str": "any"}  # where nothing was made to be named


def pages(victim: Caller, request_id: str, *, partner: str, kind: str) -> list[str]:
    """The address of every page of the portal, with the victim's ids in it."""
    client = victim.credentials.client
    values = {
        "partner_slug": partner,
        "environment_kind": kind,
        "request_id": request_id,
        "run_id": RUN,
        "replay_id": quarantined(victim)["replay_id"],
        "report_id": REPORT,
        "client_id": client.client_id,
        "secret_id": victim.credentials.secret.pk,
        "slug": "customers",
        "connection_id": fed(victim).connection_id,
        "feed_id": fed(victim).pk,
        "kind": "rest",
        "entity": "customers",
    }
    found = []
    for route, _ in routes(get_resolver().url_patterns):
        section = route.removeprefix(PORTAL).partition("/")[0]
        # Nobody fetched the refused record: there is no mapping to send on to.
        if not route.startswith(PORTAL) or section not in SECTIONS or route.endswith("/mapping/"):
            continue
        held = HELD.get(section)
        number = held._default_manager.filter(environment=victim.environment).latest("pk").pk if held else 1
        known = {name: str(value) for name, value in (values | {"number": number}).items()}
        found.append("/" + with_ids(route, known))
    return found


@pytest.fixture
def sign_in(server: live.Server) -> Iterator[Callable[[User], httpx.Client]]:
    """A browser's requests with the session of this person, and the token against forged forms."""
    opened: list[httpx.Client] = []

    def sign_in(user: User | None) -> httpx.Client:
        csrf = "c" * 32
        cookies = {"csrftoken": csrf}
        if user:
            browser = Browser()
            browser.force_login(user)
            cookies["sessionid"] = browser.cookies["sessionid"].value
        http = httpx.Client(
            base_url=server.url, cookies=cookies, headers={"X-CSRFToken": csrf}, trust_env=False, timeout=60
        )
        opened.append(http)
        return http

    yield sign_in
    for http in opened:
        http.close()


def member(partner: Partner, role: str) -> User:
    user = UserFactory()
    Membership.objects.create(user=user, partner=partner, role=role)
    return user


@pytest.mark.parametrize("role", Membership.Role.values)
def test_every_page_is_not_found_for_another_partners_people(
    role: str, victim: Caller, request_id: str, sign_in: Callable[..., httpx.Client]
) -> None:
    person = sign_in(member(new_partner(), role))

    for kind in Environment.Kind.values:
        for page in pages(victim, request_id, partner=victim.environment.partner.slug, kind=kind):
            for method in ("GET", "POST"):
                answer = person.request(method, page)
                assert (answer.status_code, MARK in answer.text) == (404, False), f"{method} {page}"


def test_every_page_sends_somebody_who_has_not_signed_in_to_do_so(
    victim: Caller, request_id: str, sign_in: Callable[..., httpx.Client]
) -> None:
    nobody = sign_in(None)

    for page in pages(victim, request_id, partner=victim.environment.partner.slug, kind="sandbox"):
        for method in ("GET", "POST"):
            answer = nobody.request(method, page)
            assert answer.status_code == 302, f"{method} {page}"
            assert answer.headers["Location"].startswith("/accounts/login/?next=/p/")


@pytest.mark.parametrize("role", Membership.Role.values)
def test_production_shows_nothing_of_sandbox_to_ones_own_people(
    role: str, victim: Caller, request_id: str, sign_in: Callable[..., httpx.Client]
) -> None:
    person = sign_in(member(victim.environment.partner, role))
    slug = victim.environment.partner.slug
    here = pages(victim, request_id, partner=slug, kind="sandbox")
    there = pages(victim, request_id, partner=slug, kind="production")

    shown = [person.get(page) for page in here]
    assert any(MARK in answer.text for answer in shown)
    for page, own in zip(there, shown, strict=True):
        answer = person.get(page)
        ids = re.search(r"/(\d+|[0-9a-f-]{36})/|" + re.escape(victim.credentials.client.client_id), page)
        assert own.status_code in ({200, 405} if role == Membership.Role.OWNER else {200, 403, 405}), page
        assert MARK not in answer.text, page
        assert answer.status_code in ({403, 404, 405} if ids else {200, 403, 405}), page


def test_another_partners_ids_under_ones_own_address_are_not_found(
    victim: Caller, request_id: str, sign_in: Callable[..., httpx.Client]
) -> None:
    mine = new_partner()
    person = sign_in(member(mine, "owner"))

    for page in pages(victim, request_id, partner=mine.slug, kind="sandbox"):
        answers = [person.get(page)]
        if re.search(r"/(\d+|[0-9a-f-]{36})/|" + re.escape(victim.credentials.client.client_id), page):
            answers.append(person.post(page))
            assert {answer.status_code for answer in answers} <= {404, 405}, page
        assert not any(MARK in answer.text or victim.environment.partner.slug in answer.text for answer in answers)


def test_a_viewer_may_do_nothing(victim: Caller, request_id: str, sign_in: Callable[..., httpx.Client]) -> None:
    viewer = sign_in(member(victim.environment.partner, Membership.Role.VIEWER))
    before = everything(victim)

    events = AuditEvent.objects.count()

    for page in pages(victim, request_id, partner=victim.environment.partner.slug, kind="sandbox"):
        assert viewer.post(page).status_code in {200, 403, 405}, page  # 200: a page that only shows

    assert everything(victim) == before
    assert AuditEvent.objects.count() == events
