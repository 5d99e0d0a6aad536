"""The same key twice in one batch (contract, section 3)."""

from __future__ import annotations

from collections import defaultdict
from operator import itemgetter
from typing import Any, NamedTuple

from entities.models import Entity
from entities.pipeline.rules import Row, sort_key

KEYS: dict[str, tuple[str, ...]] = {
    Entity.CUSTOMERS: ("customer_id",),
    Entity.TRANSACTIONS: ("transaction_id",),
    Entity.ACTIVITY: ("date", "customer_id", "game_type", "currency"),
}


class Folded(NamedTuple):
    """Positions by what becomes of them; those in none of the three go on to be stored."""

    copies: frozenset[int]
    outdated: dict[int, str]
    clashing: frozenset[int]


def key_of(entity: str, row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row.get(field) for field in KEYS[entity])


def fold(entity: str, rows: dict[int, Row]) -> Folded:
    """Find repeated keys: identical copies collapse, of dated customer versions the newest wins, the rest clash.

    `outdated` maps a position to the winner's last_modified_date.
    """
    if len(set(map(itemgetter(*KEYS[entity]), rows.values()))) == len(rows):
        return Folded(frozenset(), {}, frozenset())
    groups: dict[tuple[Any, ...], list[int]] = defaultdict(list)
    for position, row in rows.items():
        groups[key_of(entity, row)].append(position)
    copies: set[int] = set()
    outdated: dict[int, str] = {}
    clashing: set[int] = set()
    for positions in groups.values():
        distinct: list[int] = []
        same: dict[int, int] = {}
        for position in positions:
            twin = next((one for one in distinct if rows[one] == rows[position]), None)
            if twin is None:
                distinct.append(position)
            else:
                same[position] = twin
        if len(distinct) == 1:
            copies |= set(same)
            continue
        dates = [rows[position].get("last_modified_date") for position in distinct]
        if entity != Entity.CUSTOMERS or None in dates or len(set(dates)) < len(dates):
            clashing |= set(positions)
            continue
        newest = max(distinct, key=lambda position: sort_key(rows[position]["last_modified_date"]))
        winner = rows[newest]["last_modified_date"]
        outdated |= {position: winner for position in distinct if position != newest}
        for position, twin in same.items():
            if twin == newest:
                copies.add(position)
            else:
                outdated[position] = winner
    return Folded(frozenset(copies), outdated, frozenset(clashing))
