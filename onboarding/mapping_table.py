"""What the mapping page shows: each status field with its values, those without a meaning first."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from entities.models import StatusField, StatusMapping
from entities.status_values import ENTITY_OF, Key, ValueUse, canonical_values, uses_of
from onboarding.mapping_guesses import guess
from onboarding.mappings import State, Wish
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
    error: str = ""

    @property
    def name(self) -> str:
        return control_name((self.field, self.raw_value))

    @property
    def is_guess(self) -> bool:
        return self.canonical_value is None and self.guessed is not None and self.chosen == self.guessed

    @property
    def may_be_removed(self) -> bool:
        return self.declared and self.use is None

    @property
    def is_new(self) -> bool:
        """Typed in a form that was not saved."""
        return not self.declared and self.use is None


@dataclass(frozen=True)
class FieldTable:
    field: StatusField
    entity: str
    allowed: tuple[str, ...]
    rows: list[ValueRow]

    @property
    def unmapped(self) -> int:
        return sum(row.canonical_value is None and not row.is_new for row in self.rows)

    @property
    def title(self) -> str:
        label = str(self.field.label)
        return label[0].upper() + label[1:]

    @property
    def note(self) -> str:
        return f"Of {self.entity}" + (f". {self.unmapped} without a meaning" if self.unmapped else "")


def field_tables(
    partner: Partner, *, typed: Mapping[Key, str] | None = None, errors: Mapping[Key, str] | None = None
) -> list[FieldTable]:
    """The three fields. `typed` is what a person chose in a form that was not saved, `errors` what is wrong with it."""
    typed, errors = typed or {}, errors or {}
    uses = uses_of(partner)
    allowed = canonical_values()
    mapped = dict(
        ((row.field, row.raw_value), row.canonical_value) for row in StatusMapping.objects.filter(partner=partner)
    )
    tables = []
    for field in StatusField:
        keys = {key for key in (*uses, *mapped, *typed) if key[0] == field}
        rows = [_row(key, uses, mapped, allowed[field], typed.get(key), errors.get(key, "")) for key in keys]
        rows.sort(key=lambda row: (row.canonical_value is not None, -(row.use.count if row.use else 0), row.raw_value))
        tables.append(FieldTable(field, ENTITY_OF[field], allowed[field], rows))
    return tables


def _row(
    key: Key,
    uses: Mapping[Key, ValueUse],
    mapped: Mapping[Key, str | None],
    allowed: tuple[str, ...],
    typed: str | None,
    error: str,
) -> ValueRow:
    standing = mapped.get(key)
    guessed = guess(*key, allowed) if standing is None else None
    chosen = typed if typed is not None else standing or guessed or NO_MEANING
    return ValueRow(*key, uses.get(key), key in mapped, standing, guessed, chosen, error)


def control_name(key: Key) -> str:
    """The name of a value's control in the form. Browsers alter line ends in names; percent signs they leave alone."""
    return f"to:{key[0]}:{quote(key[1], safe=' ')}"


def typed_values(data: Mapping[str, str]) -> dict[Key, str]:
    """What the selects of the form say, by field and raw value."""
    typed = {}
    for name, chosen in data.items():
        mark, _, rest = name.partition(":")
        field, _, raw_value = rest.partition(":")
        if mark == "to" and raw_value:
            typed[field, unquote(raw_value, errors="replace")] = chosen
    return typed


def touched(typed: Mapping[Key, str], *, made_from: Mapping[Key, State], seen: Collection[Key]) -> dict[Key, str]:
    """Of what the selects say, what was chosen anew: the others repeat what stood when the page was made.

    `made_from` is what stood then: by now somebody else may have changed it.
    """
    return {
        key: chosen
        for key, chosen in typed.items()
        if chosen != (made_from[key][1] or NO_MEANING if key in made_from else NO_MEANING if key in seen else None)
    }


def wishes_of(typed: Mapping[Key, str]) -> list[Wish]:
    return [
        Wish(*key, remove=True) if chosen == REMOVE else Wish(*key, canonical_value=chosen or None)
        for key, chosen in typed.items()
    ]


@dataclass(frozen=True)
class Consequence:
    """A wish with what it does to the records that are there."""

    wish: Wish
    before: str
    after: str
    label: str  # of the field
    records: str  # "1,204 customers", "about 3,200,000 transactions"; empty where none bears the value


def consequences(tables: list[FieldTable], wishes: list[Wish]) -> list[Consequence]:
    """What each wish would do; those that stand already are left out."""
    rows = {(row.field, row.raw_value): (row, table) for table in tables for row in table.rows}
    found = []
    for wish in wishes:
        row, table = rows.get(wish.key, (None, None))
        before = row.canonical_value if row else None
        is_declared = bool(row and row.declared)
        if is_declared != wish.remove and (wish.remove or before == wish.canonical_value):
            continue  # it stands so by now
        after = "removed" if wish.remove else wish.canonical_value or "no meaning"
        records = ""
        if row and row.use and table and (row.use.count or not row.use.is_exact):
            noun = table.entity if row.use.count != 1 else table.entity[:-1]
            records = f"{row.use.words} {noun}" if row.use.count else f"some older {noun}, perhaps"
        label = str(StatusField(wish.field).label)
        found.append(Consequence(wish, before or "no meaning", after, label, records))
    return found
