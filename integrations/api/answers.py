"""Answers in JSON: numbers in plain notation and never through a binary float, times in UTC with Z."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import orjson
from django.conf import settings
from django.http import HttpResponse

from track360.problems import Problem

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"
LISTED_ERRORS = 100


def dumps(value: Any) -> bytes:
    return orjson.dumps(value, default=_default, option=orjson.OPT_UTC_Z)


def _default(value: Any) -> Any:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{type(value)} has no place in an answer")


def json_answer(data: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> HttpResponse:
    return HttpResponse(dumps(data), status=status, content_type=JSON, headers=headers)


def problem_answer(problem: Problem, *, request_id: uuid.UUID | None) -> HttpResponse:
    """The body of RFC 9457 with the contract's members (section 5)."""
    answer = HttpResponse(
        dumps(
            {
                "type": f"{settings.BASE_URL}/problems/{problem.type.code}",
                "title": problem.type.title,
                "status": problem.type.status,
                "code": problem.type.code,
                "detail": problem.detail,
                "request_id": request_id,
                "error_count": problem.error_count,
                "errors": problem.errors[:LISTED_ERRORS],
            }
        ),
        status=problem.type.status,
        content_type=PROBLEM_JSON,
        headers=problem.headers,
    )
    answer.problem = problem  # type: ignore[attr-defined]  # the request log reads it
    _forget_frames(problem)
    return answer


def _forget_frames(problem: Problem) -> None:
    """Its traceback holds the body and, by the frame of the view, this answer: such a ring would stay until the garbage
    collector comes by."""
    error: BaseException | None = problem
    while error is not None:
        error.__traceback__ = None
        error = error.__context__
