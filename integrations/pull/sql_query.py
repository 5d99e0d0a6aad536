"""The statements that a feed asks a database with, and what its columns hold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from pymysql.constants import FIELD_TYPE, FLAG
from sqlalchemy.sql.elements import quoted_name

from integrations.models import Connection, Feed
from integrations.pull.source import Party, SourceError

BINARY_CHARSET = 63
_SELECT = re.compile(r"\s*(select|with)\b", re.IGNORECASE)


class Holds(StrEnum):
    """What a column holds, as far as it matters here."""

    INSTANT = "instant"  # a moment, told in UTC
    MOMENT = "moment"  # a time without an offset
    DAY = "day"
    INTEGER = "integer"
    NUMBER = "number"
    FLOAT = "float"
    TEXT = "text"
    ENUM = "enum"  # MySQL's, which sorts by its list and compares as text
    BINARY = "binary"
    OTHER = "other"


_POSTGRESQL = {
    1184: Holds.INSTANT,
    1114: Holds.MOMENT,
    1082: Holds.DAY,
    20: Holds.INTEGER,
    21: Holds.INTEGER,
    23: Holds.INTEGER,
    1700: Holds.NUMBER,
    700: Holds.FLOAT,
    701: Holds.FLOAT,
    25: Holds.TEXT,
    1042: Holds.TEXT,
    1043: Holds.TEXT,
    2950: Holds.TEXT,
    17: Holds.BINARY,
}
_MYSQL = {
    FIELD_TYPE.TIMESTAMP: Holds.INSTANT,
    FIELD_TYPE.DATETIME: Holds.MOMENT,
    FIELD_TYPE.DATE: Holds.DAY,
    FIELD_TYPE.NEWDATE: Holds.DAY,
    FIELD_TYPE.TINY: Holds.INTEGER,
    FIELD_TYPE.SHORT: Holds.INTEGER,
    FIELD_TYPE.LONG: Holds.INTEGER,
    FIELD_TYPE.INT24: Holds.INTEGER,
    FIELD_TYPE.LONGLONG: Holds.INTEGER,
    FIELD_TYPE.YEAR: Holds.INTEGER,
    FIELD_TYPE.DECIMAL: Holds.NUMBER,
    FIELD_TYPE.NEWDECIMAL: Holds.NUMBER,
    FIELD_TYPE.FLOAT: Holds.FLOAT,
    FIELD_TYPE.DOUBLE: Holds.FLOAT,
    FIELD_TYPE.VARCHAR: Holds.TEXT,
    FIELD_TYPE.VAR_STRING: Holds.TEXT,
    FIELD_TYPE.STRING: Holds.TEXT,
    FIELD_TYPE.TINY_BLOB: Holds.TEXT,
    FIELD_TYPE.MEDIUM_BLOB: Holds.TEXT,
    FIELD_TYPE.LONG_BLOB: Holds.TEXT,
    FIELD_TYPE.BLOB: Holds.TEXT,
    FIELD_TYPE.BIT: Holds.BINARY,
    FIELD_TYPE.GEOMETRY: Holds.BINARY,
}


def shown_relation(feed: Feed) -> str:
    return feed.relation or "the SELECT"


def relation_of(feed: Feed) -> Any:
    """What stands behind FROM: names are always quoted, so that they are nothing but names."""
    if feed.select:
        text = feed.select.strip().rstrip(";").rstrip()
        if not _SELECT.match(text) or ";" in text or "\x00" in text:
            raise SourceError(
                "The feed must hold one SELECT, which begins with SELECT or WITH and has no semicolon in it.",
                party=Party.MAPPING,
                is_final=True,
            )
        # SQLAlchemy would take `:name` for a parameter. The last line may be a comment.
        return sa.text(text.replace(":", r"\:") + "\n").columns().subquery("source")
    parts = feed.relation.split(".")
    if not 1 <= len(parts) <= 2 or not all(parts) or "\x00" in feed.relation:
        raise SourceError(
            "The feed names no table or view: write its name, with its schema where needed, like reporting.customers.",
            party=Party.MAPPING,
            is_final=True,
        )
    schema = quoted_name(parts[0], True) if len(parts) == 2 else None
    return sa.table(quoted_name(parts[-1], True), schema=schema)


def columns_of(connection: sa.Connection, kind: str, relation: Any) -> dict[str, Holds]:
    """By asking for no row."""
    result = connection.execute(sa.select(sa.text("*")).select_from(relation).where(sa.false()))
    cursor: Any = result.cursor
    if kind == Connection.Kind.POSTGRESQL:
        found = {column.name: _POSTGRESQL.get(column.type_code, Holds.OTHER) for column in cursor.description}
    else:
        found = {field.name: _mysql_holds(field) for field in cursor._result.fields}
    result.close()
    return found


def _mysql_holds(field: Any) -> Holds:
    if field.flags & (FLAG.ENUM | FLAG.SET):
        return Holds.ENUM
    holds = _MYSQL.get(field.type_code, Holds.OTHER)
    return Holds.BINARY if holds == Holds.TEXT and field.charsetnr == BINARY_CHARSET else holds


def column(name: str) -> Any:
    return sa.column(quoted_name(name, True))


def key_column(name: str, holds: Holds) -> Any:
    """As it is ordered and compared by."""
    return sa.cast(column(name), sa.CHAR) if holds == Holds.ENUM else column(name)


def value(of: Any) -> Any:
    """Bound without a type, so that the database takes it for the column's."""
    if isinstance(of, Decimal) and of == of.to_integral_value():
        of = int(of)
    return sa.literal(of, sa.types.NullType())


def behind(columns: Sequence[Any], values: Sequence[Any], *, nulls_last: bool, first_is_null: bool = True) -> Any:
    """Rows at the key or behind it, in the order of the columns. Written out, since a comparison of whole rows loses
    those with a NULL in them; `first_is_null` says whether the first column can hold one."""
    first, of = columns[0], values[0]
    tie = first.is_(None) if of is None else first == value(of)
    if len(columns) > 1:
        tie = sa.and_(tie, behind(columns[1:], values[1:], nulls_last=nulls_last))
    if of is None:
        return tie if nulls_last else sa.or_(first.is_not(None), tie)
    beyond = [first > value(of)]
    if nulls_last and first_is_null:
        beyond.append(first.is_(None))
    return sa.or_(*beyond, tie)


def to_json(values: Sequence[Any]) -> list[Any]:
    """A key as a position keeps it; a new process reads it back as the same."""
    return [
        {"number": str(of)}
        if isinstance(of, Decimal)
        else {"hex": of.encode().hex()}  # PostgreSQL's JSON holds no NUL
        if isinstance(of, str) and "\x00" in of
        else of
        for of in values
    ]


def from_json(values: Sequence[Any]) -> list[Any]:
    return [_from_json(of) for of in values]


def _from_json(of: Any) -> Any:
    if not isinstance(of, dict):
        return of
    return Decimal(of["number"]) if "number" in of else bytes.fromhex(of["hex"]).decode()
