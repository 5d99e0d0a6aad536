"""What a database's refusal means, who has to act, and whether another try may help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy.exc

from integrations.models import Connection
from integrations.outbound import OutboundError
from integrations.pull.calls import from_outbound
from integrations.pull.source import Party, SourceError


class TooSlow(SourceError):
    """The database did not answer within the limit."""


@contextmanager
def told(connection: Connection, relation: str) -> Iterator[None]:
    """Turns what the way there and the driver raise into SourceError."""
    try:
        yield
    except OutboundError as error:
        raise from_outbound(error) from error
    except sqlalchemy.exc.DBAPIError as error:
        raise _refusal(connection, relation, error.orig) from error
    except UnicodeDecodeError as error:
        raise SourceError(
            "The source holds text that is not in its own encoding, which cannot be read: it has to be mended there.",
            is_final=True,
        ) from error


def too_slow(connection: Connection) -> TooSlow:
    return TooSlow(
        f"{connection.host} did not answer in time: the statement is too slow there (is the cursor column indexed?), "
        "or the database hangs."
    )


def _refusal(connection: Connection, relation: str, error: Any) -> SourceError:
    if connection.kind == Connection.Kind.POSTGRESQL:
        code, known = str(getattr(error, "pgcode", None) or ""), _POSTGRESQL
        kind = known.get(code) or known.get(code[:2]) or (_by_words(str(error)) if not code else "")
    else:
        number = error.args[0] if getattr(error, "args", None) else 0
        kind = _MYSQL.get(number, "")
    if kind == "slow":
        return too_slow(connection)
    if kind in _SENTENCES:
        sentence, party, is_final, step = _SENTENCES[kind]
        text = sentence.format(
            host=connection.host, database=connection.database, user=connection.user, relation=relation
        )
        return SourceError(text + _own_words(kind, error), party=party, is_final=is_final, step=step)
    return SourceError(f"{connection.host} broke off or refused the statement.{_own_words('connect', error)}")


def _own_words(kind: str, error: Any) -> str:
    """What the database says itself, where that can only be of names: other messages may quote a row."""
    if kind not in ("syntax", "column", "connect") or (kind == "connect" and getattr(error, "pgcode", None)):
        return ""
    words = str(error.args[-1] if getattr(error, "args", None) else error).strip()
    line = words.splitlines()[0][:200] if words else ""
    return f" It says: {line}" if line else ""


def _by_words(text: str) -> str:
    """While connecting libpq hands on no code."""
    for words, kind in (
        ("authentication failed", "password"),
        ("no password supplied", "password"),
        ("does not exist", "database"),
        ("pg_hba.conf", "not_admitted"),
        ("too many", "full"),
        ("remaining connection slots", "full"),
        ("starting up", "down"),
        ("shutting down", "down"),
        ("recovery mode", "down"),
        ("permission denied for database", "not_admitted"),
    ):
        if words in text:
            return kind
    return ""


_POSTGRESQL = {
    "28P01": "password",
    "28000": "not_admitted",
    "3D000": "database",
    "42P01": "relation",
    "3F000": "relation",
    "42703": "column",
    "42702": "column",
    "42501": "rights",
    "42": "syntax",
    "0A": "syntax",
    "57014": "slow",
    "55P03": "locked",
    "40": "conflict",
    "57P04": "conflict",
    "57P": "down",
    "57": "down",
    "53": "full",
    "25006": "writes",
    "22": "data",
}
_MYSQL = {
    1045: "password",
    1698: "password",
    1044: "not_admitted",
    1130: "not_admitted",
    1049: "database",
    1146: "relation",
    1142: "rights",
    1143: "rights",
    1356: "view",
    1054: "column",
    1052: "column",
    1060: "column",
    1064: "syntax",
    1248: "syntax",
    3024: "slow",
    1969: "slow",
    1205: "locked",
    1040: "full",
    1203: "full",
    1226: "full",
    1053: "down",
    1290: "writes",
    1792: "writes",
    1292: "data",
    1365: "data",
}
_SENTENCES: dict[str, tuple[str, str, bool, str]] = {
    "password": (
        "{host} does not accept the user “{user}” with this password.",
        Party.MAPPING,
        True,
        "signed_in",
    ),
    "not_admitted": (
        "{host} does not let the user “{user}” into the database “{database}” from here: the partner has to admit it.",
        Party.PARTNER,
        True,
        "signed_in",
    ),
    "database": ("{host} has no database “{database}”.", Party.MAPPING, True, "signed_in"),
    "relation": (
        "There is no table or view {relation}, by this spelling, in “{database}” (names are told apart by case).",
        Party.MAPPING,
        True,
        "read",
    ),
    "view": ("The view {relation} is broken at the source.", Party.PARTNER, True, "read"),
    "rights": (
        "The user “{user}” has no right to read {relation}: the partner has to grant SELECT on it.",
        Party.PARTNER,
        True,
        "read",
    ),
    "column": ("A column that the feed names is not in {relation}.", Party.MAPPING, True, "read"),
    "syntax": ("The database does not understand the statement of the feed.", Party.MAPPING, True, "read"),
    "writes": ("The SELECT of the feed would write; only reading is allowed.", Party.MAPPING, True, "read"),
    "data": (
        "The view {relation} fails at one of its rows (a conversion or a division in it): it has to be mended.",
        Party.PARTNER,
        True,
        "read",
    ),
    "conflict": (
        "The replica broke the reading off, because of a conflict with recovery: the partner can set "
        "hot_standby_feedback = on, or raise max_standby_streaming_delay.",
        Party.PARTNER,
        False,
        "read",
    ),
    "locked": (
        "{relation} is locked at the source, by a change of its structure it may be.",
        Party.PARTNER,
        False,
        "read",
    ),
    "full": ("{host} takes no more connections just now.", Party.PARTNER, False, "signed_in"),
    "down": ("{host} is starting or stopping.", Party.PARTNER, False, "signed_in"),
}
