"""The OpenAPI document is true: schemathesis calls each operation with what it allows and with what it forbids."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import requests
import schemathesis
from drf_spectacular.validation import validate_schema
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi import checks

from onboarding.api.schema import document
from tests.contract import live
from tests.contract.conftest import API, Caller
from tests.payloads import sample

CHECKS = [
    schemathesis.checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.ignored_auth,
    checks.unsupported_method,
]

# One partner for all the examples of an operation.
FOR_ALL_EXAMPLES = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_the_document_is_openapi_3_1() -> None:
    validate_schema(document())


def test_the_document_is_served_to_anybody(anybody: httpx.Client) -> None:
    answer = anybody.get("/api/schema/")

    assert answer.status_code == 200
    assert set(answer.json()["paths"]) == set(document()["paths"])


def examples(count: int) -> schemathesis.BaseSchema:
    config = SchemathesisConfig()
    config.projects.default.generation.update(max_examples=count, deterministic=True, database="none")
    return schemathesis.openapi.from_dict(document(), config=config)


@pytest.fixture
def session(filled: Caller) -> Iterator[requests.Session]:
    """Of a client with every scope, which has stored one record of each kind and has one in quarantine.

    Each operation gets a client to itself, so that the examples stay within the limit of one token.
    """
    bad = sample("transactions", currency="ZZZ", amount_currency=-1)
    filled.post(f"{API}/transactions/bulk", [bad], Prefer="handling=lenient")
    with requests.Session() as session:
        session.trust_env = False
        yield session


def call(case: schemathesis.Case, server: live.Server, session: requests.Session, caller: Caller) -> None:
    if case.path.startswith("/oauth/"):
        session.auth = (caller.credentials.client.client_id, caller.credentials.clear)
    else:
        session.headers["Authorization"] = caller.http.headers["Authorization"]
    # What is wrong with a record is the answer here, and no refusal.
    tells = case.path.endswith("/validate") or "lenient" in str(case.headers)
    case.call_and_validate(
        base_url=server.url,
        session=session,
        checks=CHECKS if tells else [*CHECKS, checks.negative_data_rejection],
    )


@examples(10).parametrize()
@FOR_ALL_EXAMPLES
def test_each_operation_answers_as_documented(
    case: schemathesis.Case, server: live.Server, session: requests.Session, caller: Caller
) -> None:
    call(case, server, session, caller)


@pytest.mark.slow
@examples(300).parametrize()
@FOR_ALL_EXAMPLES
def test_each_operation_answers_as_documented_for_long(
    case: schemathesis.Case, server: live.Server, session: requests.Session, caller: Caller
) -> None:
    call(case, server, session, caller)
