"""Section 2 of the contract for the OpenAPI document: tokens. These answers are RFC 6749's, not problems."""

from __future__ import annotations

from typing import Any

from integrations.api.shapes import HEADERS, TEXT, record

Json = dict[str, Any]

_CREDENTIALS: Json = {
    "client_id": {"type": "string", "description": "Or both by HTTP Basic."},
    "client_secret": TEXT,
}
_ERROR: Json = record({"error": TEXT})
_ERROR["properties"]["error_description"] = TEXT


def oauth_paths() -> Json:
    token = {
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"const": "client_credentials"},
            **_CREDENTIALS,
            "scope": {"type": "string", "description": "Some of the client's scopes, apart by blanks; all without."},
        },
    }
    revocation = {"type": "object", "required": ["token"], "properties": {"token": TEXT, **_CREDENTIALS}}
    granted = record(
        {
            "access_token": TEXT,
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer"},
            "scope": TEXT,
        }
    )
    return {
        "/oauth/token": {"post": _operation("Fetch an access token", body=token, answer=granted)},
        "/oauth/revoke": {"post": _operation("Revoke an access token", body=revocation, answer={"type": "object"})},
        "/.well-known/oauth-authorization-server": {"get": _operation("The token endpoint's metadata (RFC 8414)")},
        "/.well-known/jwks.json": {"get": _operation("The keys that tokens are signed with (RFC 7517)")},
    }


def _operation(summary: str, *, body: Json | None = None, answer: Json | None = None) -> Json:
    operation: Json = {
        "summary": summary,
        "security": [],
        "responses": {"200": _response("Done.", answer or {"type": "object"})},
    }
    if body:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": body}},
        }
        refusals = {
            "400": "invalid_request, invalid_scope, unsupported_grant_type.",
            "401": "invalid_client.",
            "403": "https_required.",
            "405": "Use POST.",
            "413": "Too large.",
            "429": "Too many tokens, or too many failures.",
            "503": "The database is away.",
        }
        operation["responses"] |= {status: _response(text, _ERROR) for status, text in refusals.items()}
    else:
        operation["responses"]["405"] = _response("Use GET.", _ERROR)
    return operation


def _response(description: str, schema: Json) -> Json:
    return {"description": description, "headers": HEADERS, "content": {"application/json": {"schema": schema}}}
