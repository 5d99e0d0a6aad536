"""The one way in for records: parse, validate, rules, upsert, report."""

from __future__ import annotations

from entities.pipeline.ingest import Prepared, ingest, prepare, store
from entities.pipeline.parse import InvalidJson, Parsed, parse, parse_json
from entities.pipeline.policy import Door, Policy
from entities.pipeline.report import OUTCOMES, RecordError, Report

__all__ = [
    "OUTCOMES",
    "Door",
    "InvalidJson",
    "Parsed",
    "Policy",
    "Prepared",
    "RecordError",
    "Report",
    "ingest",
    "parse",
    "parse_json",
    "prepare",
    "store",
]
