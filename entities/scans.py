"""Reading the rows of a list so that the time follows the page and not the table.

The planner cannot be left alone with it. It takes every environment for a 200th of a table (migration 0007), so a page
of 50 or a count to 10,000 seems to need all that match, and it gathers those first: bitmaps too large for their memory,
sorts of all that a frequent value has. Each of the statements here says what it may not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from entities.listings import Filters, Listing
from entities.models import Record
from track360.models import Environment

# Both go as one with the statement that follows, and what they set ends with their transaction.
ALONG_THE_INDEX = """
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_sort', 'off', true);
"""
BY_AN_INDEX = ALONG_THE_INDEX.replace("'enable_sort', 'off'", "'enable_sort', 'on'")
LOOK = 5_000
LOOK_PER_ROW = 10


@dataclass(frozen=True)
class Scan:
    """The rows of a list in its order, from beyond the place `after`; `conditions` are further ones on the row `t`."""

    environment: Environment
    listing: Listing
    filters: Filters
    conditions: str = ""
    values: tuple[Any, ...] = ()
    after: tuple[Any, ...] | None = None
    descending: bool = False

    def rows(self, *, limit: int, offset: int = 0, columns: str = "t.*", values: tuple[Any, ...] = ()) -> list[Record]:
        """A page of them, with `columns`.

        In the order of ids each filter has an index in that very order, and the one whose value is the rarest is
        followed. In the order of a date another filter has none: it is first looked for among some rows along the
        date, where a frequent value fills the page. A rare one, or one that was not in use then, is gathered by its
        own index and sorted.
        """
        page = (limit, offset)
        order = self.listing.order(self.filters)
        if order == ("id",) or not any(name in self.filters for name in self.listing.exact):
            return self._read(ALONG_THE_INDEX, columns, values, self._all(), page)
        look = max(LOOK, LOOK_PER_ROW * (offset + limit))
        rows = self._read(ALONG_THE_INDEX, columns, values, self._first(look), page)
        return rows if len(rows) == limit else self._read(BY_AN_INDEX, columns, values, self._all(), page)

    def _read(
        self, settings: str, columns: str, values: tuple[Any, ...], source: tuple[str, list[Any]], page: tuple[int, int]
    ) -> list[Record]:
        sql, source_values = source
        parameters = [*values, *source_values, *page]
        statement = f"{settings} SELECT {columns} FROM {sql} ORDER BY {self._order()} LIMIT %s OFFSET %s"
        return list(self.listing.model._default_manager.raw(statement, parameters))

    def _all(self) -> tuple[str, list[Any]]:
        wanted, values = self._wanted(self.filters)
        place, place_values = self._place()
        return (
            f"{self.listing.table} t WHERE t.environment_id = %s{wanted}{place}{self.conditions}",
            [self.environment.pk, *values, *place_values, *self.values],
        )

    def _first(self, look: int) -> tuple[str, list[Any]]:
        """Of the first `look` rows along the date those that match."""
        exact = {name: value for name, value in self.filters.items() if name in self.listing.exact}
        dated, dated_values = self._wanted({name: self.filters[name] for name in self.filters if name not in exact})
        wanted, values = self._wanted(exact)
        place, place_values = self._place()
        return (
            f"(SELECT * FROM {self.listing.table} t WHERE t.environment_id = %s{dated}{place}"
            f" ORDER BY {self._order()} LIMIT %s) t WHERE TRUE{wanted}{self.conditions}",
            [self.environment.pk, *dated_values, *place_values, look, *values, *self.values],
        )

    def _wanted(self, filters: Filters) -> tuple[str, list[Any]]:
        return self.listing.conditions(filters, row="t")

    def _place(self) -> tuple[str, list[Any]]:
        if self.after is None:
            return "", []
        names = ", ".join(f"t.{column}" for column in self.listing.order(self.filters))
        operator = "<" if self.descending else ">"
        return f" AND ({names}) {operator} ({', '.join(['%s'] * len(self.after))})", list(self.after)

    def _order(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return ", ".join(f"t.{column} {direction}" for column in self.listing.order(self.filters))


def count_to(environment: Environment, listing: Listing, filters: Filters, *, limit: int) -> int:
    """How many records match, or `limit` where there are as many."""
    conditions, values = listing.conditions(filters, row="t")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""{ALONG_THE_INDEX}
            SELECT count(*) FROM (
                SELECT FROM {listing.table} t WHERE t.environment_id = %s{conditions} LIMIT %s
            ) counted
            """,
            [environment.pk, *values, limit],
        )
        return int(cursor.fetchone()[0])
