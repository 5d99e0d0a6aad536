"""Reading the rows of a list so that the time follows the page and not the table.

The planner cannot be left alone with it. It takes every environment for a 200th of a table (migration 0007), so a page
of 50 or a count to 10,000 seems to need all that match, and it gathers those first: bitmaps too large for their memory,
sorts of all that a frequent value has. Each of the statements here says what it may not do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from entities.listings import UPDATED_SINCE, Filters, Listing
from entities.models import Record
from track360.models import Environment

# Both go as one with the statement that follows, and what they set ends with their transaction.
ALONG_THE_INDEX = """
SELECT set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true),
       set_config('enable_sort', 'off', true);
"""
BY_AN_INDEX = ALONG_THE_INDEX.replace("'enable_sort', 'off'", "'enable_sort', 'on'")
# Rows that are looked at along a date, by what they cost: 1 ms and 15 ms.
LOOK = 2_000
LONG_LOOK = 50_000
LOOK_PER_ROW = 10  # more for each that is skipped
FEW = 10_000  # as many are gathered in 10 ms
NEAR = 20_000  # twice what is ever counted
OUTERMOST = 100
NO_END = 2**63 - 1  # of ids


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
        followed. In the order of a date another filter has none: it is looked for among the first rows along the
        date, where a frequent value fills the page. What is rare, or was not in use then, is gathered by its own
        index and sorted.
        """
        page = (limit, offset)
        if self.listing.order(self.filters) == ("id",) or not self._others():
            return self._read(ALONG_THE_INDEX, columns, values, self._all(), page)
        for look, unless_few in ((LOOK, False), (LONG_LOOK, True)):
            source = self._first(look + LOOK_PER_ROW * offset, unless_few=unless_few)
            rows = self._read(ALONG_THE_INDEX, columns, values, source, page)
            if len(rows) == limit:
                return rows
        return self._read(BY_AN_INDEX, columns, values, self._all(), page)

    def count(self, *, limit: int) -> int:
        """How many there are, or `limit` where there are as many.

        In the order of a date, those are counted first that the other filters' index has where the dates begin. What
        is of one time mostly came together, so nearly all of them match, and where they are as many as `limit`, no
        more need be known. Only where they are fewer is the whole counted, by the index that seems to leave the
        fewest.
        """
        sql, values = _counted(self._all(), limit)
        if self._exact():
            near, near_values = _counted(self._near(), limit)
            sql, values = f"CASE {near} WHEN %s THEN %s ELSE {sql} END", [*near_values, limit, limit, *values]
        with connection.cursor() as cursor:
            cursor.execute(f"{ALONG_THE_INDEX} SELECT {sql}", values)
            return int(cursor.fetchone()[0])

    def _read(
        self, settings: str, columns: str, values: tuple[Any, ...], source: tuple[str, list[Any]], page: tuple[int, int]
    ) -> list[Record]:
        sql, source_values = source
        parameters = [*values, *source_values, *page]
        statement = f"{settings} SELECT {columns} FROM {sql} ORDER BY {self._order()} LIMIT %s OFFSET %s"
        return list(self.listing.model._default_manager.raw(statement, parameters))

    def _all(self, source: str = "") -> tuple[str, list[Any]]:
        wanted, values = self._wanted(self.filters)
        place, place_values = self._place()
        return (
            f"{source or self.listing.table} t WHERE t.environment_id = %s{wanted}{place}{self.conditions}",
            [self.environment.pk, *values, *place_values, *self.values],
        )

    def _first(self, look: int, *, unless_few: bool) -> tuple[str, list[Any]]:
        """Of the first `look` rows along the date those that match; none where another filter leaves few records."""
        dated, dated_values = self._wanted(self._dated())
        wanted, values = self._wanted(self._others())
        place, place_values = self._place()
        most, most_values = self._most(look) if unless_few else ("%s", [look])
        return (
            f"(SELECT * FROM {self.listing.table} t WHERE t.environment_id = %s{dated}{place}"
            f" ORDER BY {self._order()} LIMIT {most}) t WHERE TRUE{wanted}{self.conditions}",
            [self.environment.pk, *dated_values, *place_values, *most_values, *values, *self.values],
        )

    def _most(self, look: int) -> tuple[str, list[Any]]:
        """SQL for `look`, or 0 where one of the other filters leaves few: its index alone tells that in 1 ms."""
        alone = [Scan(self.environment, self.listing, {name: value}) for name, value in self._others().items()]
        counts = [_counted(scan._all(), FEW) for scan in alone]
        values = [value for _, each in counts for value in each]
        fewest = f"least({', '.join(sql for sql, _ in counts)})"
        return f"(SELECT CASE WHEN {fewest} < %s THEN 0 ELSE %s END)", [*values, FEW, look]

    def _near(self) -> tuple[str, list[Any]]:
        """Those that match of the first records with the other filters between the ids where the dates begin and end.

        None where another filter leaves few records.
        """
        exact, exact_values = self._wanted(self._exact())
        between, ids = self._between()
        most, most_values = self._most(NEAR)
        near = (
            f"(SELECT * FROM {self.listing.table} t WHERE t.environment_id = %s{exact}{between}"
            f" ORDER BY t.id LIMIT {most})"
        )
        sql, values = self._all(near)
        return sql, [self.environment.pk, *exact_values, *ids, *most_values, *values]

    def _between(self) -> tuple[str, list[Any]]:
        """SQL for "from the id where the dates begin to the one where they end".

        Where they end before they begin, as after history that came later than the present, it is from there on.
        """
        dated = self._dated()
        first, first_values = Scan(self.environment, self.listing, dated)._edge()
        if self.listing.range_names[1] not in dated:
            return f" AND t.id >= {first}", first_values
        last, last_values = Scan(self.environment, self.listing, dated, descending=True)._edge()
        edges = f"(SELECT {first} AS first, {last} AS last) edges"
        end = f"(SELECT CASE WHEN last < first THEN {NO_END} ELSE last END FROM {edges})"
        return f" AND t.id >= {first} AND t.id <= {end}", [*first_values, *first_values, *last_values]

    def _edge(self) -> tuple[str, list[Any]]:
        """SQL for the id where the list begins: the middle one of the first, so that a few astray do no harm."""
        sql, values = self._all()
        first = f"SELECT t.id FROM {sql} ORDER BY {self._order()} LIMIT {OUTERMOST}"
        return f"(SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY id) FROM ({first}) t)", values

    def _others(self) -> Filters:
        """The filters that are not on what orders the list."""
        first = self.listing.order(self.filters)[0]
        leading = {"updated_at": (UPDATED_SINCE,), self.listing.date_column: self.listing.range_names}.get(first, ())
        return {name: value for name, value in self.filters.items() if name not in leading}

    def _dated(self) -> Filters:
        others = self._others()
        return {name: self.filters[name] for name in self.filters if name not in others}

    def _exact(self) -> Filters:
        """With a date, the filters beside it that have an index in the order of ids."""
        if self.listing.order(self.filters) == ("id",):
            return {}
        return {name: self.filters[name] for name in self.filters if name in self.listing.exact}

    def _wanted(self, filters: Filters) -> tuple[str, list[Any]]:
        return self.listing.conditions(filters, row="t")

    def _place(self) -> tuple[str, list[Any]]:
        """SQL for "beyond the place", whose values the planner must not see.

        It takes what came after the last ANALYZE for nothing at all, and would read it whole by the primary key.
        """
        if self.after is None:
            return "", []
        columns = self.listing.order(self.filters)
        names = ", ".join(f"t.{column}" for column in columns)
        types = [self.listing.model._meta.get_field(column).db_type(connection) for column in columns]
        unseen = ", ".join(f"(SELECT %s::{type_})" for type_ in types)
        return f" AND ({names}) {'<' if self.descending else '>'} ({unseen})", list(self.after)

    def _order(self) -> str:
        direction = "DESC" if self.descending else "ASC"
        return ", ".join(f"t.{column} {direction}" for column in self.listing.order(self.filters))


def _counted(source: tuple[str, list[Any]], limit: int) -> tuple[str, list[Any]]:
    sql, values = source
    return f"(SELECT count(*) FROM (SELECT FROM {sql} LIMIT %s) counted)", [*values, limit]
