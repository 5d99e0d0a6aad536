"""From the bearer token to the caller, and what ends it: the very next request is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import RequestFactory
from django.utils import timezone
from oauth2_provider.models import AccessToken
from rest_framework.response import Response
from rest_framework.views import APIView

from integrations.api.authentication import BearerAuthentication, Caller, ReadOrWrite, caller_for, require_scope
from integrations.clients import NewSecret, create_client, revoke_client, revoke_secret, rotate_secret
from track360.models import Environment, Partner
from track360.problems import Problem

Ask = Callable[..., Any]


class Ping(APIView):
    authentication_classes = [BearerAuthentication]
    permission_classes = [ReadOrWrite]

    def get(self, request: Any) -> Response:
        return Response({"environment": request.auth.environment.pk})

    post = put = get


def call(authorization: str | None, method: str = "get", view: type[APIView] = Ping, **extra: Any) -> Any:
    headers = {} if authorization is None else {"Authorization": authorization}
    return view.as_view()(RequestFactory().generic(method.upper(), "/api/v1/ping", headers=headers, **extra))


def refusal(authorization: str | None, method: str = "get", view: type[APIView] = Ping, **extra: Any) -> Problem:
    with pytest.raises(Problem) as caught:
        call(authorization, method, view, **extra)
    return caught.value


def test_a_caller_has_its_environment_from_one_statement(
    token: str, sandbox: Environment, credentials: NewSecret, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(1):
        caller = caller_for(token)

    assert (caller.environment, caller.environment.partner_id) == (sandbox, sandbox.partner_id)
    assert caller.client_id == credentials.client.pk
    assert caller.client_identifier == credentials.client.client_id
    assert caller.token_last_four == token[-4:]
    assert caller.scopes == {"read", "write"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer "])
def test_the_scheme_is_case_insensitive(token: str, sandbox: Environment, scheme: str) -> None:
    assert call(f"{scheme} {token}").data == {"environment": sandbox.pk}


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Bearer ", "Basic YTpi", "token abc"])
def test_no_bearer_token_is_missing_token(db: None, authorization: str | None) -> None:
    problem = refusal(authorization)

    assert (problem.type.code, problem.type.status) == ("missing_token", 401)
    assert problem.headers["WWW-Authenticate"] == 'Bearer realm="track360"'


def test_a_token_in_the_query_string_is_no_token(token: str) -> None:
    request = RequestFactory().get("/api/v1/ping", {"access_token": token})

    with pytest.raises(Problem) as caught:
        Ping.as_view()(request)

    assert caught.value.type.code == "missing_token"


@pytest.mark.parametrize(
    "junk", ["x", "a.b", "a.b.c.d", "a b.c", "a.b.c,Bearer d.e.f", "é.é.é", "a.\x00.c", "a." + "b" * 20_000 + ".c"]
)
def test_what_cannot_be_a_token_never_reaches_the_database(junk: str) -> None:
    problem = refusal(f"Bearer {junk}")

    assert (problem.type.code, problem.type.status) == ("invalid_token", 401)
    assert 'error="invalid_token"' in problem.headers["WWW-Authenticate"]


def test_a_forged_token_is_invalid(db: None, token: str) -> None:
    head, claims, signature = token.split(".")
    unsigned = jwt.encode({"sub": "x"}, "", algorithm="none")
    hmac = jwt.encode({"sub": "x", "exp": 1}, "k" * 32, algorithm="HS256")

    for forged in (f"{head}.{claims}.AAAA", f"{head}.e30.{signature}", f"{unsigned}AAAA", hmac):
        assert refusal(f"Bearer {forged}").type.code == "invalid_token"


def test_an_expired_token_says_so_also_once_its_row_is_gone(token: str, settings: Any, ask_for_token: Ask) -> None:
    AccessToken.objects.update(expires=timezone.now())
    assert refusal(f"Bearer {token}").type.code == "token_expired"

    settings.OAUTH2_PROVIDER = {**settings.OAUTH2_PROVIDER, "ACCESS_TOKEN_EXPIRE_SECONDS": -1}
    expired = ask_for_token().json()["access_token"]
    AccessToken.objects.all().delete()
    problem = refusal(f"Bearer {expired}")

    assert (problem.type.code, problem.type.status) == ("token_expired", 401)
    assert 'error="invalid_token"' in problem.headers["WWW-Authenticate"]
    assert refusal(f"Bearer {token}").type.code == "invalid_token"


def test_revoking_a_secret_ends_its_tokens_and_no_others(
    token: str, ask_for_token: Ask, credentials: NewSecret
) -> None:
    second = rotate_secret(credentials.client, actor=None)
    other = ask_for_token(client_secret=second.clear).json()["access_token"]

    revoke_secret(credentials.secret, actor=None)

    assert refusal(f"Bearer {token}").type.code == "invalid_token"
    assert call(f"Bearer {other}").status_code == 200


def test_tokens_outlive_a_secret_that_a_rotation_ended(token: str, credentials: NewSecret) -> None:
    rotate_secret(credentials.client, actor=None, overlap=timedelta(0))

    assert call(f"Bearer {token}").status_code == 200


def test_revoking_the_client_ends_its_tokens(token: str, credentials: NewSecret) -> None:
    revoke_client(credentials.client, actor=None)

    assert refusal(f"Bearer {token}").type.code == "invalid_token"


def test_suspending_the_partner_ends_its_tokens(token: str) -> None:
    Partner.objects.update(status=Partner.Status.SUSPENDED)

    assert refusal(f"Bearer {token}").type.code == "invalid_token"


def test_a_token_revoked_by_its_client_is_invalid(token: str, ask_for_token: Ask) -> None:
    ask_for_token("/oauth/revoke", token=token)

    assert refusal(f"Bearer {token}").type.code == "invalid_token"


@pytest.mark.parametrize(
    ("scope", "allowed"), [("read", {"get", "head"}), ("write", {"post", "put"}), ("read+write", None)]
)
def test_reading_needs_read_and_writing_needs_write(ask_for_token: Ask, scope: str, allowed: set[str] | None) -> None:
    header = f"Bearer {ask_for_token(scope=scope).json()['access_token']}"

    for method in ("get", "head", "post", "put"):
        if allowed is None or method in allowed:
            assert call(header, method).status_code == 200
        else:
            problem = refusal(header, method)
            assert (problem.type.code, problem.type.status) == ("insufficient_scope", 403)
            assert 'error="insufficient_scope", scope="' in problem.headers["WWW-Authenticate"]


def test_a_method_that_does_not_exist_is_405_whatever_the_scope(token: str) -> None:
    assert call(f"Bearer {token}", "delete").status_code == 405


def test_a_view_can_ask_for_a_scope_of_its_own(token: str) -> None:
    class Managed(Ping):
        permission_classes = [require_scope("manage")]

    problem = refusal(f"Bearer {token}", view=Managed)

    assert problem.headers["WWW-Authenticate"].endswith('scope="manage"')


def test_an_address_outside_the_ranges_of_the_client_is_refused(sandbox: Environment, ask_for_token: Ask) -> None:
    new = create_client(sandbox, name="fixed", actor=None, ip_ranges=["127.0.0.1", "2001:db8::/32"])
    fields = {"client_id": new.client.client_id, "client_secret": new.clear}
    header = f"Bearer {ask_for_token(**fields).json()['access_token']}"

    problem = refusal(header, REMOTE_ADDR="192.0.2.1")

    assert (problem.type.code, problem.type.status) == ("ip_not_allowed", 403)
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "2001:db8::7"):
        assert call(header, REMOTE_ADDR=address).status_code == 200


def test_the_caller_stands_at_the_django_request_too(token: str) -> None:
    request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})

    Ping.as_view()(request)

    assert isinstance(request.caller, Caller)  # type: ignore[attr-defined]
