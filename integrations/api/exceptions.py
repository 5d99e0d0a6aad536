"""Every way in which a call can fail, as one kind of answer."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError

from integrations.api.answers import problem_answer
from track360.problems import Problem

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5


def handle(exception: Exception, context: dict[str, Any]) -> HttpResponse:
    """The exception handler of the API's views, as REST framework calls it."""
    request = context["request"]
    return problem_answer(problem_of(exception), request_id=getattr(request, "request_id", None))


def problem_of(exception: Exception) -> Problem:
    """The problem that answers an exception; what is nobody's input is logged."""
    match exception:
        case Problem():
            return exception
        case Http404():
            return Problem("not_found", "There is nothing at this address.")
        case RequestDataTooBig():
            return Problem("payload_too_large", "The request is too large.")
        case SuspiciousOperation() | BadRequest() | UnreadablePostError() | UnicodeError():
            return Problem("bad_request", "The request is malformed: its host, address or headers cannot be read.")
        case PermissionDenied():
            return Problem("not_found", "There is nothing at this address.")
        case OperationalError() | InterfaceError():
            logger.error("The database is away: %s", str(exception).strip())
            return Problem(
                "unavailable",
                "The database cannot be reached at the moment. Send the request again; that is always safe.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
    logger.error("The API crashed", exc_info=exception)
    return Problem("internal_error", "This is our fault, and it has been logged with the request's id.")


def problem_for_status(status: int) -> Problem:
    """For an answer in HTML that something below the API's views gave."""
    codes = {
        400: "bad_request",
        404: "not_found",
        403: "not_found",
        405: "method_not_allowed",
        413: "payload_too_large",
    }
    code = codes.get(status, "bad_request" if status < 500 else "internal_error")
    return Problem(code, "The request could not be handled.")
