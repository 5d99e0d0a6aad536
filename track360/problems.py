"""The errors of the contract (section 5): each code with its status and title, and the exception that carries it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ProblemType:
    code: str
    status: int
    title: str


PROBLEM_TYPES = {
    problem_type.code: problem_type
    for problem_type in (
        ProblemType("bad_request", 400, "The request is malformed"),
        ProblemType("invalid_json", 400, "The body is not valid JSON"),
        ProblemType("missing_token", 401, "No access token"),
        ProblemType("invalid_token", 401, "The access token is not valid"),
        ProblemType("token_expired", 401, "The access token has expired"),
        ProblemType("insufficient_scope", 403, "The access token lacks a scope"),
        ProblemType("https_required", 403, "HTTPS is required"),
        ProblemType("ip_not_allowed", 403, "The address is not on the client's list"),
        ProblemType("not_found", 404, "Not found"),
        ProblemType("method_not_allowed", 405, "The method is not allowed here"),
        ProblemType("not_acceptable", 406, "Only JSON is served"),
        ProblemType("length_required", 411, "A body with a Content-Length is required"),
        ProblemType("payload_too_large", 413, "The body is too large"),
        ProblemType("unsupported_media_type", 415, "The body must be application/json in UTF-8"),
        ProblemType("unsupported_encoding", 415, "The content encoding is not supported"),
        ProblemType("validation_failed", 422, "The data did not pass validation"),
        ProblemType("invalid_parameter", 422, "A query parameter is not valid"),
        ProblemType("invalid_cursor", 422, "The cursor is not valid"),
        ProblemType("page_too_deep", 422, "The page is too deep"),
        ProblemType("rate_limited", 429, "Too many requests"),
        ProblemType("internal_error", 500, "Something went wrong on our side"),
        ProblemType("unavailable", 503, "The service is unavailable"),
    )
}


class Problem(Exception):
    """An answer of the contract. `errors` are dicts of section 5; `error_count` counts those not listed too."""

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        errors: list[dict[str, Any]] | None = None,
        error_count: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.type = PROBLEM_TYPES[code]
        self.detail = detail
        self.errors = errors or []
        self.error_count = len(self.errors) if error_count is None else error_count
        self.headers = headers or {}
