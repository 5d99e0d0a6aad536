"""The list of codes that the docs and pages explain is the one that the pipeline uses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import entities.pipeline
from entities.findings import ERROR_CODES, WARNING_CODES
from entities.models import Entity
from entities.pipeline.validate import schema_for

MAKERS = {"finding", "refuse", "warn", "Refused", "RecordError"}


def codes_in_the_pipeline() -> set[str]:
    fields = {field for entity in Entity for field in schema_for(entity.value)["properties"]}
    return {
        word
        for path in Path(entities.pipeline.__file__).parent.glob("*.py")
        for word in _words(ast.parse(path.read_text()))
        if re.fullmatch("[a-z]+(_[a-z]+)*", word) and word not in fields - {"currency"}
    }


def _words(tree: ast.AST) -> Iterator[str]:
    """Words that stand where a code does: among the arguments of a maker, or before a message in a pair."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            places = node.args if name in MAKERS else []
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2 and _is_message(node.elts[1]):
            places = node.elts[:1]
        else:
            continue
        yield from (place.value for place in places if isinstance(place, ast.Constant) and type(place.value) is str)


def _is_message(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and " " in str(node.value))


def test_every_code_of_the_pipeline_is_explained() -> None:
    found = codes_in_the_pipeline()
    assert {"unknown_customer", "decimal_places", "unmapped_status"} <= found
    assert found <= ERROR_CODES.keys() | WARNING_CODES.keys()


def test_no_code_is_both_an_error_and_a_warning() -> None:
    assert not ERROR_CODES.keys() & WARNING_CODES.keys()
