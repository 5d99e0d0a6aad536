"""The one way in for records: parse, validate, rules, upsert, report."""

from __future__ import annotations

from entities.pipeline.ingest import ingest
from entities.pipeline.parse import InvalidJson, parse_json
from entities.pipeline.policy import Door, Policy
from entities.pipeline.report import OUTCOMES, RecordError, Report

__all__ = ["OUTCOMES", "Door", "InvalidJson", "Policy", "RecordError", "Report", "ingest", "parse_json"]
