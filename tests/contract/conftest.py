"""The product from outside: a real server, and partners that call it.

One server lives through all these tests. What a test makes is committed, for the server to see it (so a test that
makes rows takes `transactional_db`, by way of `partner`), and the tables are emptied after it; ids are not used twice,
so nothing that the server keeps in mind can meet another test.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from integrations.clients import NewSecret, Override, create_client
from tests.contract import live
from tests.payloads import sample
from track360 import exact_json
from track360.models import Environment, Partner, User
from track360.partners import create_partner

ALL_SCOPES = ("read", "write", "manage")
API = "/api/v1/igaming"


@pytest.fixture(scope="session")
def server(django_db_setup: None) -> Iterator[live.Server]:
    with live.running() as server:
        yield server


@pytest.fixture(autouse=True)
def _stands_whatever_is_sent(server: live.Server) -> Iterator[None]:
    before = server.crashes()
    yield
    assert server.crashes() == before, server.log.read_text()[-4000:]


@dataclass(frozen=True)
class Caller:
    """A client of one environment with a token, which calls the server."""

    environment: Environment
    credentials: NewSecret
    http: httpx.Client

    def get(self, path: str, **arguments: Any) -> httpx.Response:
        return self.http.get(path, **arguments)

    def send(self, method: str, path: str, body: Any, **headers: str) -> httpx.Response:
        """The body as JSON, its Decimals as they are; bytes are sent as given."""
        content = body if isinstance(body, bytes) else exact_json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.request(method, path, content=content, headers={"Content-Type": "application/json"} | names)

    def post(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("POST", path, body, **headers)

    def put(self, path: str, body: Any, **headers: str) -> httpx.Response:
        return self.send("PUT", path, body, **headers)


@pytest.fixture
def partner(transactional_db: None) -> Partner:
    return new_partner()


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def connect(server: live.Server) -> Iterator[Callable[..., Caller]]:
    """Make a client of an environment, fetch a token for it over HTTP, and give its `Caller`."""
    opened: list[httpx.Client] = []

    def connect(environment: Environment, *, scopes: tuple[str, ...] = ALL_SCOPES) -> Caller:
        credentials = new_credentials(environment, scopes=scopes)
        http = httpx.Client(base_url=server.url, trust_env=False, timeout=60)
        opened.append(http)
        http.headers["Authorization"] = f"Bearer {fetch_token(http, credentials)}"
        return Caller(environment=environment, credentials=credentials, http=http)

    yield connect
    for http in opened:
        http.close()


@pytest.fixture
def caller(connect: Callable[..., Caller], sandbox: Environment) -> Caller:
    """A sandbox client of a partner that no other test knows, with every scope."""
    return connect(sandbox)


@pytest.fixture
def filled(caller: Caller) -> Caller:
    """With the guide's three samples."""
    for entity in ("customers", "transactions", "activity"):
        assert caller.post(f"{API}/{entity}", sample(entity)).status_code == 201
    return caller


@pytest.fixture
def anybody(server: live.Server) -> Iterator[httpx.Client]:
    """Without a token."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        yield http


def new_partner() -> Partner:
    name = f"contract-{uuid.uuid4().hex[:12]}"
    return create_partner(name=name, slug=name)


def new_credentials(environment: Environment, *, scopes: tuple[str, ...] = ALL_SCOPES) -> NewSecret:
    override = None
    if environment.kind == Environment.Kind.PRODUCTION:
        staff = User.objects.create_user(f"{uuid.uuid4().hex}@track360.test", is_staff=True)
        override = Override(by=staff, reason="a test")
    return create_client(environment, name="Platform", actor=None, scopes=scopes, override=override)


def fetch_token(http: httpx.Client, credentials: NewSecret, **more: str) -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": credentials.client.client_id,
        "client_secret": credentials.clear,
    }
    answer = http.post("/oauth/token", data=form | more)
    assert answer.status_code == 200, answer.text
    return answer.json()["access_token"]


def exactly(answer: httpx.Response) -> Any:
    """The body with its numbers as Decimals, never through a binary float."""
    return exact_json.loads(answer.text)


def problem_codes(answer: httpx.Response) -> list[str]:
    """The codes of the single errors in a problem."""
    return [error["code"] for error in json.loads(answer.text)["errors"]]
