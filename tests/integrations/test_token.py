"""The token endpoint, from outside: what it gives, what it refuses and how (contract, section 2; RFC 6749)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.test import Client as Browser
from django.utils import timezone
from oauth2_provider.models import AccessToken

from integrations.clients import NewSecret, create_client, revoke_client, revoke_secret, rotate_secret
from integrations.models import TokenOrigin
from integrations.tasks import clear_expired_tokens
from tests.integrations.conftest import FORM
from track360.models import Environment, Partner

Ask = Callable[..., Any]
GRANT = "grant_type=client_credentials"


def basic(client_id: str, secret: str, scheme: str = "Basic") -> dict[str, str]:
    encoded = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    return {"Authorization": f"{scheme} {encoded}"}


def post(client: Browser, body: str | bytes = GRANT, headers: dict[str, str] | None = None, **extra: Any) -> Any:
    return client.post("/oauth/token", body, content_type=extra.pop("content_type", FORM), headers=headers, **extra)


def test_the_answer_holds_exactly_four_keys_and_is_never_stored(ask_for_token: Ask) -> None:
    response = ask_for_token()

    body = response.json()
    assert response.status_code == 200
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 3600, "read write")
    assert response["Cache-Control"] == "no-store"
    assert response["Content-Type"] == "application/json"


def test_the_token_is_an_rfc_9068_jwt_that_the_published_key_verifies(
    client: Browser, credentials: NewSecret, token: str, settings: Any
) -> None:
    (key,) = client.get("/.well-known/jwks.json").json()["keys"]

    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["RS256"], audience=f"{settings.BASE_URL}/api")

    header = jwt.get_unverified_header(token)
    assert header == {"alg": "RS256", "typ": "at+jwt", "kid": key["kid"]}
    assert claims["iss"] == settings.BASE_URL
    assert claims["sub"] == claims["client_id"] == credentials.client.client_id
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["scope"] == "read write"
    assert "d" not in key


def test_two_tokens_of_the_same_second_differ(ask_for_token: Ask) -> None:
    assert len({ask_for_token().json()["access_token"] for _ in range(12)}) == 12


def test_the_database_holds_no_clear_token_and_remembers_the_secret(credentials: NewSecret, token: str) -> None:
    row = AccessToken.objects.get()

    assert row.token == ""
    assert TokenOrigin.objects.get(token=row).secret == credentials.secret
    credentials.secret.refresh_from_db()
    assert credentials.secret.last_used_at is not None


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_http_basic_works_in_any_case(client: Browser, credentials: NewSecret, scheme: str) -> None:
    headers = basic(credentials.client.client_id, credentials.clear, scheme)

    assert post(client, headers=headers).status_code == 200


def test_http_basic_works_form_encoded_as_rfc_6749_wants_it(client: Browser, credentials: NewSecret) -> None:
    encoded = "".join(f"%{ord(letter):02X}" for letter in credentials.clear)

    assert post(client, headers=basic(credentials.client.client_id, encoded)).status_code == 200


def test_a_client_id_in_the_body_beside_basic_must_be_the_same(client: Browser, credentials: NewSecret) -> None:
    identifier = credentials.client.client_id
    headers = basic(identifier, credentials.clear)

    assert post(client, f"{GRANT}&client_id={identifier}", headers).status_code == 200
    assert post(client, f"{GRANT}&client_id=other", headers).status_code == 401


@pytest.mark.parametrize(("asked", "given"), [("read", "read"), ("write+read", "read write"), ("", "read write")])
def test_the_scope_asked_for_is_given(ask_for_token: Ask, asked: str, given: str) -> None:
    assert ask_for_token(scope=asked).json()["scope"] == given


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/token/", "/oauth/revoke", "/oauth/revoke/"])
def test_paths_answer_with_and_without_a_trailing_slash(ask_for_token: Ask, path: str) -> None:
    assert ask_for_token(path, token="x").status_code == 200


REFUSED = {
    "no grant": ({"grant_type": ""}, 400, "invalid_request"),
    "password": ({"grant_type": "password", "username": "a", "password": "b"}, 400, "unsupported_grant_type"),
    "refresh": ({"grant_type": "refresh_token"}, 400, "unsupported_grant_type"),
    "code": ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
    "device": ({"grant_type": "urn:ietf:params:oauth:grant-type:device_code"}, 400, "unsupported_grant_type"),
    "grant with NUL": ({"grant_type": "%00"}, 400, "unsupported_grant_type"),
    "scope not allowed": ({"scope": "manage"}, 400, "invalid_scope"),
    "scope unknown": ({"scope": "read+admin"}, 400, "invalid_scope"),
    "scope with NUL": ({"scope": "read%00"}, 400, "invalid_scope"),
    "wrong secret": ({"client_secret": "x"}, 401, "invalid_client"),
    "no secret": ({"client_secret": ""}, 401, "invalid_client"),
    "no client": ({"client_id": "", "client_secret": ""}, 401, "invalid_client"),
    "unknown client": ({"client_id": "nobody"}, 401, "invalid_client"),
    "client with NUL": ({"client_id": "a%00b"}, 401, "invalid_client"),
    "secret with NUL": ({"client_secret": "a%00b"}, 401, "invalid_client"),
    "client too long": ({"client_id": "a" * 5000}, 401, "invalid_client"),
    "client not ASCII": ({"client_id": "%C3%A9"}, 401, "invalid_client"),
    "bad percent-encoding": ({"scope": "%zz"}, 400, "invalid_request"),
    "cut percent-encoding": ({"scope": "read%2"}, 400, "invalid_request"),
    "not UTF-8": ({"scope": "%ff"}, 400, "invalid_request"),
    "lone surrogate": ({"scope": "%ED%A0%80"}, 400, "invalid_request"),
    "too large": ({"pad": "a" * 20_000}, 413, "invalid_request"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_request_gets_the_error_of_rfc_6749_in_json(ask_for_token: Ask, case: str) -> None:
    fields, status, error = REFUSED[case]

    response = ask_for_token(**fields)

    assert (response.status_code, response.json()["error"]) == (status, error)
    assert response["Content-Type"] == "application/json"
    assert response["Cache-Control"] == "no-store"
    assert "WWW-Authenticate" not in response
    assert AccessToken.objects.count() == 0


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "client_secret", "unheard_of"])
def test_a_parameter_sent_twice_is_refused(client: Browser, credentials: NewSecret, name: str) -> None:
    body = f"{GRANT}&client_id={credentials.client.client_id}&client_secret={credentials.clear}&scope=read"

    response = post(client, f"{body}&{name}=read&{name}=read")

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


def test_an_unknown_parameter_is_ignored(ask_for_token: Ask) -> None:
    assert ask_for_token(resource="not a url", audience="x").status_code == 200


@pytest.mark.parametrize(
    "authorization",
    ["Basic", "Basic ", "Basic %%%", "Basic YQ==", "Basic /w==", "Bearer abc", "Digest x", "Basic w6k6w6k="],
)
def test_a_broken_authorization_header_is_answered_in_basic(client: Browser, db: None, authorization: str) -> None:
    response = post(client, headers={"Authorization": authorization})

    assert (response.status_code, response.json()["error"]) == (401, "invalid_client")
    assert response["WWW-Authenticate"].startswith("Basic realm=")


def test_basic_and_body_credentials_together_are_refused(ask_for_token: Ask, credentials: NewSecret) -> None:
    body = f"{GRANT}&client_id={credentials.client.client_id}&client_secret={credentials.clear}"

    for secret in (credentials.clear, "wrong"):
        response = post(Browser(), body, basic(credentials.client.client_id, secret))
        assert (response.status_code, response.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("query", ["client_id=a&client_secret=b", "x=%zz", "grant_type=client_credentials", "%00"])
def test_nothing_is_taken_from_the_url(client: Browser, credentials: NewSecret, query: str) -> None:
    headers = basic(credentials.client.client_id, credentials.clear)

    response = client.post(f"/oauth/token?{query}", GRANT, content_type=FORM, headers=headers)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", f"{FORM}; charset=utf-7"]
)
def test_a_body_that_is_not_form_encoded_is_told_so(client: Browser, db: None, content_type: str) -> None:
    response = post(client, json.dumps({"grant_type": "client_credentials"}), content_type=content_type)

    assert (response.status_code, response.json()["error"]) == (400, "invalid_request")
    assert "form-encoded" in response.json()["error_description"]


@pytest.mark.parametrize("method", ["get", "head", "put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/revoke"])
def test_other_methods_get_405_in_json(client: Browser, db: None, path: str, method: str) -> None:
    response = getattr(client, method)(path)

    assert response.status_code == 405
    assert response["Allow"] == "POST"
    assert response["Content-Type"] == "application/json"


def test_an_unknown_path_under_oauth_is_404_in_json(client: Browser, db: None) -> None:
    for path in ("/oauth/", "/oauth/authorize/", "/oauth/introspect/", "/oauth/applications/"):
        response = client.get(path)
        assert (response.status_code, response.json()["error"]) == (404, "not_found")


def test_revoked_ended_and_suspended_are_all_invalid_client(
    ask_for_token: Ask, sandbox: Environment, credentials: NewSecret
) -> None:
    credentials.secret.expires_at = timezone.now() - timedelta(seconds=1)
    credentials.secret.save()
    assert ask_for_token().status_code == 401

    second = rotate_secret(credentials.client, actor=None)
    assert ask_for_token(client_secret=second.clear).status_code == 200
    Partner.objects.update(status=Partner.Status.SUSPENDED)
    assert ask_for_token(client_secret=second.clear).json()["error"] == "invalid_client"
    Partner.objects.update(status=Partner.Status.ACTIVE)
    revoke_secret(second.secret, actor=None)
    assert ask_for_token(client_secret=second.clear).json()["error"] == "invalid_client"

    third = rotate_secret(credentials.client, actor=None)
    revoke_client(credentials.client, actor=None)
    assert ask_for_token(client_secret=third.clear).json()["error"] == "invalid_client"


def test_both_live_secrets_fetch_tokens(ask_for_token: Ask, credentials: NewSecret) -> None:
    second = rotate_secret(credentials.client, actor=None)

    assert [ask_for_token(client_secret=clear).status_code for clear in (credentials.clear, second.clear)] == [200, 200]


def test_the_stored_digest_is_no_secret(ask_for_token: Ask, credentials: NewSecret) -> None:
    assert ask_for_token(client_secret=credentials.secret.digest).status_code == 401


def test_an_address_outside_the_ranges_of_the_client_gets_403(sandbox: Environment, ask_for_token: Ask) -> None:
    new = create_client(sandbox, name="fixed", actor=None, ip_ranges=["192.0.2.0/24"])
    fields = {"client_id": new.client.client_id, "client_secret": new.clear}

    refused = ask_for_token(**fields)
    new.client.allowed_ip_ranges = ["127.0.0.0/8"]
    new.client.save()

    assert (refused.status_code, refused.json()["error"]) == (403, "ip_not_allowed")
    assert ask_for_token(**fields).status_code == 200
    assert ask_for_token(**{**fields, "client_secret": "wrong"}).status_code == 401


def test_issue_is_capped_per_client_and_minute(ask_for_token: Ask, sandbox: Environment, settings: Any) -> None:
    settings.TOKEN_ISSUE_LIMIT = 3
    other = create_client(sandbox, name="other", actor=None)

    statuses = [ask_for_token().status_code for _ in range(3)]
    refused = ask_for_token()
    another = ask_for_token(client_id=other.client.client_id, client_secret=other.clear)

    assert statuses == [200, 200, 200]
    assert (refused.status_code, refused.json()["error"]) == (429, "rate_limited")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert another.status_code == 200


@pytest.mark.parametrize("valkey", ["up", "away"])
def test_failures_are_limited_for_a_client_id_and_address(ask_for_token: Ask, settings: Any, valkey: str) -> None:
    settings.TOKEN_FAILURE_LIMIT = 3
    if valkey == "away":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"

    statuses = [ask_for_token(client_secret="guess").status_code for _ in range(4)]
    right = ask_for_token()
    elsewhere = ask_for_token(client_id="somebody-else")

    assert statuses == [401, 401, 401, 429]
    assert right.status_code == 429
    assert 1 <= int(right["Retry-After"]) <= 60
    assert elsewhere.status_code == 401


def test_a_client_revokes_its_own_tokens_only(
    ask_for_token: Ask, sandbox: Environment, credentials: NewSecret, token: str
) -> None:
    other = create_client(sandbox, name="other", actor=None)
    as_other = {"client_id": other.client.client_id, "client_secret": other.clear}

    assert ask_for_token("/oauth/revoke", token=token, **as_other).status_code == 200
    assert AccessToken.objects.count() == 1
    revoked = ask_for_token("/oauth/revoke", token=token, token_type_hint="refresh_token")
    assert (revoked.status_code, revoked["Content-Type"]) == (200, "application/json")
    assert AccessToken.objects.count() == 0


def test_revoking_needs_a_client_and_a_token(ask_for_token: Ask) -> None:
    assert ask_for_token("/oauth/revoke", token="x", client_secret="wrong").status_code == 401
    assert ask_for_token("/oauth/revoke").json()["error"] == "invalid_request"
    assert ask_for_token("/oauth/revoke", token="%00").status_code == 200


def test_the_metadata_names_what_exists(client: Browser, settings: Any) -> None:
    document = client.get("/.well-known/oauth-authorization-server").json()

    assert document["issuer"] == settings.BASE_URL
    assert document["token_endpoint"] == f"{settings.BASE_URL}/oauth/token"
    assert document["grant_types_supported"] == ["client_credentials"]
    assert client.post("/.well-known/jwks.json").status_code == 405


def test_expired_tokens_and_old_counts_are_deleted_every_hour(token: str) -> None:
    AccessToken.objects.update(expires=timezone.now() - timedelta(seconds=1))

    clear_expired_tokens()

    assert AccessToken.objects.count() == 0
    assert TokenOrigin.objects.count() == 0


def test_a_token_request_costs_at_most_seven_statements(ask_for_token: Ask, django_assert_max_num_queries: Any) -> None:
    with django_assert_max_num_queries(7):  # secret; savepoint, token, origin, last use, release
        ask_for_token()
