"""What the mapping page shows: each status field with its values, those without a meaning first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from entities.models import StatusField, StatusMapping
from entities.status_values import ENTITY_OF, Key, ValueUse, canonical_values, uses_of
from onboarding.mapping_guesses import guess
from onboarding.mappings import Wish
from track360.models import Partner

NO_MEANING, REMOVE = "", "-"


@dataclass(frozen=True)
class ValueRow:
    """One raw value. `chosen` is what the select shows: typed before, standing, or guessed."""

    field: str
    raw_value: str
    use: ValueUse | None  # None: declared, and never come
    declared: bool
    canonical_value: str | None
    guessed: str | None
    chosen: str

    @property
    def name(self) -> str:
        """The name of its control in the form."""
        return f"to:{self.field}:{self.raw_value}"

    @property
    def is_guess(self) -> bool:
        return self.canonical_value is None and self.guessed is not None and self.chosen == self.guessed

    @property
    def may_be_removed(self) -> bool:
        return self.declared and self.use is None


@dataclass(frozen=True)
class FieldTable:
    field: StatusField
    entity: str
    allowed: tuple[str, ...]
    rows: list[ValueRow]

    @property
    def unmapped(self) -> int:
        return sum(row.canonical_value is None for row in self.rows)

    @property
    def title(self) -> str:
        label = str(self.field.label)
        return label[0].upper() + label[1:]

    @property
    def note(self) -> str:
        return f"Of {self.entity}" + (f". {self.unmapped} without a meaning" if self.unmapped else "")


def field_tables(partner: Partner, *, typed: Mapping[Key, str] | None = None) -> list[FieldTable]:
    """The three fields. `typed` is what a person chose in a form that was not saved."""
    typed = typed or {}
    uses = uses_of(partner)
    allowed = canonical_values()
    mapped = dict(
        ((row.field, row.raw_value), row.canonical_value) for row in StatusMapping.objects.filter(partner=partner)
    )
    tables = []
    for field in StatusField:
        keys = {key for key in (*uses, *mapped) if key[0] == field}
        rows = [_row(key, uses.get(key), mapped, allowed[field], typed.get(key)) for key in keys]
        rows.sort(key=lambda row: (row.canonical_value is not None, -(row.use.count if row.use else 0), row.raw_value))
        tables.append(FieldTable(field, ENTITY_OF[field], allowed[field], rows))
    return tables


def _row(
    key: Key, use: ValueUse | None, mapped: dict[Key, str | None], allowed: tuple[str, ...], typed: str | None
) -> ValueRow:
    standing = mapped.get(key)
    guessed = guess(*key, allowed) if standing is None else None
    chosen = typed if typed is not None else standing or guessed or NO_MEANING
    return ValueRow(*key, use, key in mapped, standing, guessed, chosen)


def typed_values(data: Mapping[str, str]) -> dict[Key, str]:
    """What the selects of the form say, by field and raw value."""
    typed = {}
    for name, chosen in data.items():
        mark, _, rest = name.partition(":")
        field, _, raw_value = rest.partition(":")
        if mark == "to" and raw_value:
            typed[field, raw_value] = chosen
    return typed


def wishes_of(tables: list[FieldTable], typed: Mapping[Key, str]) -> list[Wish]:
    """What the form asks to change of what stands; values that the tables do not have are new ones."""
    rows = {(row.field, row.raw_value): row for table in tables for row in table.rows}
    wishes = []
    for key, chosen in typed.items():
        row = rows.get(key)
        standing = row.canonical_value if row else None
        if chosen == REMOVE:
            wishes.append(Wish(*key, remove=True))
        elif (chosen or None) != standing or row is None:
            wishes.append(Wish(*key, canonical_value=chosen or None))
    return wishes


@dataclass(frozen=True)
class Consequence:
    """A wish with what it does to the records that are there."""

    wish: Wish
    before: str
    after: str
    records: str  # "1,204 customers", "about 3,200,000 transactions"; empty where none bears the value


def consequences(tables: list[FieldTable], wishes: list[Wish]) -> list[Consequence]:
    rows = {(row.field, row.raw_value): (row, table) for table in tables for row in table.rows}
    found = []
    for wish in wishes:
        row, table = rows.get(wish.key, (None, None))
        before = row.canonical_value if row else None
        after = "removed" if wish.remove else wish.canonical_value or "no meaning"
        records = ""
        if row and row.use and table and (row.use.count or not row.use.is_exact):
            noun = table.entity if row.use.count != 1 else table.entity[:-1]
            records = f"{row.use.words} {noun}" if row.use.count else f"some older {noun}, perhaps"
        found.append(Consequence(wish, before or "no meaning", after, records))
    return found
