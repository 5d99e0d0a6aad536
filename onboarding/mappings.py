"""What people do with a partner's mapping of status values: save, take back, add a canonical value.

Each save is one `MappingChange` with the values before and after, so any of them can be taken back.
"""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from entities.models import CanonicalValue, MappingChange, MappingChangeLine, StatusField, StatusMapping
from entities.status_values import Key, canonical_values
from track360 import audit
from track360.audit import Actor
from track360.models import Partner

MAX_VALUE_LENGTH = 500  # as long as any text of a record
MAX_DECLARED = 1000  # of one field
NO_CHANGE_YET = uuid.UUID(int=0)  # what a page is made from while nothing has been saved
State = tuple[bool, str | None]  # declared, canonical value


@dataclass(frozen=True)
class Wish:
    """What a raw value shall stand for: a canonical value, None (declared only), or nothing at all (`remove`)."""

    field: str
    raw_value: str
    canonical_value: str | None = None
    remove: bool = False

    @property
    def key(self) -> Key:
        return self.field, self.raw_value


class Conflict(ValidationError):
    """Somebody else changed one of these values in the meantime; `lines` are his newest changes of them."""

    def __init__(self, lines: list[MappingChangeLine]) -> None:
        self.lines = lines
        names = ", ".join(f"“{line.raw_value[:64]}”" for line in lines[:3]) + (" and others" if len(lines) > 3 else "")
        people = {str(Actor(user=line.change.by, client_id=line.change.client_id)): None for line in lines}
        who = " and ".join(list(people)[:3])
        super().__init__(
            f"{who} changed {names} in the meantime. Nothing was saved: look at what stands now, and save again.",
            code="changed_meanwhile",
        )


@transaction.atomic
def save_mappings(
    partner: Partner, wishes: Collection[Wish], *, actor: Actor, base: uuid.UUID | None = None
) -> MappingChange | None:
    """Make all the wishes true, or none. Gives the change, or None where nothing differs from what stands.

    `base` is the id of the newest change that the actor saw (`NO_CHANGE_YET`: there was none): raises `Conflict` where
    a value wished for was changed after it; without it the last word wins. Raises ValidationError with one error for
    each wish that cannot be, its `params` being `{"field": …, "value": …}`.
    """
    _lock(partner)
    check_wishes(wishes)
    wished = {wish.key: wish for wish in wishes}
    if base is not None:
        _refuse_conflicts(partner, wished, base)
    standing = _standing(partner)
    lines = [line for wish in wished.values() if (line := _line(wish, standing)) is not None]
    declared: dict[str, int] = {}
    for name, _ in {*standing, *wished}:
        declared[name] = declared.get(name, 0) + 1
    if max(declared.values(), default=0) > MAX_DECLARED:
        raise ValidationError(f"A field holds at most {MAX_DECLARED:,} values.", code="too_many_values")
    return _write(partner, lines, actor=actor) if lines else None


@transaction.atomic
def undo_change(change: MappingChange, *, actor: Actor) -> MappingChange:
    """Put back what stood before a change. Raises ValidationError where one of its values was changed again since."""
    partner = change.partner
    _lock(partner)
    if MappingChange.objects.filter(undoes=change).exists():
        raise ValidationError("This change was taken back already.", code="undone")
    standing = _standing(partner)
    lines = list(change.lines.all())
    for line in lines:
        if standing.get((line.field, line.raw_value), _NOTHING) != _after(line):
            raise ValidationError(
                f"“{line.raw_value[:64]}” was changed again since. Take back the later change first.",
                code="changed_since",
            )
    reverse = [
        MappingChangeLine(
            field=line.field,
            raw_value=line.raw_value,
            before_declared=line.after_declared,
            before_value=line.after_value,
            after_declared=line.before_declared,
            after_value=line.before_value,
        )
        for line in lines
    ]
    return _write(partner, reverse, actor=actor, undoes=change)


@transaction.atomic
def add_canonical_value(field: str, value: str, *, actor: Actor) -> CanonicalValue:
    """A canonical value for all partners. Raises ValidationError; only a member of the team may."""
    if actor.user is None or not actor.user.is_staff:
        raise ValidationError("Only a member of the integrations team adds canonical values.", code="staff")
    if field not in StatusField.values:
        raise ValidationError("There is no such status field.", code="field")
    if not (value.isascii() and value.isidentifier() and value == value.lower() and len(value) <= 64):
        raise ValidationError("Write lower-case letters, digits and underscores, as in self_excluded.", code="value")
    if value in canonical_values()[field]:
        raise ValidationError(f"{value} exists already.", code="value")
    try:
        with transaction.atomic():
            added = CanonicalValue.objects.create(field=field, value=value, added_by=actor.user)
    except IntegrityError:
        raise ValidationError(f"{value} exists already.", code="value") from None
    audit.record("canonical_value.added", actor=actor, target=value, field=field)
    return added


def newest_change(partner: Partner) -> uuid.UUID:
    """What a page that is made now has to bear as its `base`."""
    newest = MappingChange.objects.filter(partner=partner).order_by("-at").values_list("id", flat=True).first()
    return newest or NO_CHANGE_YET


def check_wishes(wishes: Collection[Wish]) -> None:
    """Raises ValidationError with one error for each wish that cannot be, its `params` naming field and value."""
    allowed = canonical_values()
    errors, wanted = [], dict[Key, State]()
    for wish in wishes:
        reason = _reason(wish, allowed)
        if wanted.setdefault(wish.key, _wanted(wish)) != _wanted(wish):
            reason = "value", f"“{wish.raw_value[:64]}” stands here twice, with two meanings."
        if reason:
            code, sentence = reason
            params = {"field": wish.field, "value": wish.raw_value}
            errors.append(ValidationError(sentence.replace("%", "%%"), code=code, params=params))
    if errors:
        raise ValidationError(errors)


def standing_at(partner: Partner, base: uuid.UUID) -> dict[Key, State]:
    """What stood when `base` was the newest change: what stands, without the changes made since.

    Raises ValidationError where `base` is no change of this mapping.
    """
    standing = _standing(partner)
    for line in reversed(_lines_after(partner, base)):
        standing[line.field, line.raw_value] = (line.before_declared, line.before_value)
    return {key: state for key, state in standing.items() if state[0]}


# -- Within one transaction ---------------------------------------------------

_NOTHING: State = (False, None)


def _lock(partner: Partner) -> None:
    """One save after the other; records are written meanwhile."""
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)


def _reason(wish: Wish, allowed: dict[str, tuple[str, ...]]) -> tuple[str, str] | None:
    if wish.field not in allowed:
        return "field", f"There is no status field {wish.field[:64]}; there are {', '.join(allowed)}."
    raw = wish.raw_value
    if not 1 <= len(raw) <= MAX_VALUE_LENGTH or "\x00" in raw:
        return "value", f"A value has 1 to {MAX_VALUE_LENGTH} characters, and no NUL."
    if wish.canonical_value is not None and wish.canonical_value not in allowed[wish.field]:
        choices = ", ".join(allowed[wish.field])
        return "canonical_value", f"{wish.canonical_value[:64]} is no canonical value of {wish.field}: {choices}."
    return None


def _standing(partner: Partner) -> dict[Key, State]:
    rows = StatusMapping.objects.filter(partner=partner).values_list("field", "raw_value", "canonical_value")
    return {(name, raw): (True, canonical) for name, raw, canonical in rows}


def _lines_after(partner: Partner, base: uuid.UUID) -> list[MappingChangeLine]:
    """The lines of the changes made after `base`, in their order. Raises ValidationError for what is no base."""
    later = MappingChangeLine.objects.filter(change__partner=partner).select_related("change__by")
    if base != NO_CHANGE_YET:
        seen = MappingChange.objects.filter(partner=partner, pk=base).first()
        if seen is None:
            raise ValidationError("The base is no change of this mapping. Read the mapping again.", code="base")
        later = later.filter(change__at__gt=seen.at)
    return list(later.order_by("change__at"))


def _refuse_conflicts(partner: Partner, wished: dict[Key, Wish], base: uuid.UUID) -> None:
    newest = {(line.field, line.raw_value): line for line in _lines_after(partner, base)}
    disagreeing = [
        newest[key] for key, wish in wished.items() if key in newest and _after(newest[key]) != _wanted(wish)
    ]
    if disagreeing:
        raise Conflict(disagreeing)


def _wanted(wish: Wish) -> State:
    return _NOTHING if wish.remove else (True, wish.canonical_value)


def _after(line: MappingChangeLine) -> State:
    return line.after_declared, line.after_value


def _line(wish: Wish, standing: dict[Key, State]) -> MappingChangeLine | None:
    before, after = standing.get(wish.key, _NOTHING), _wanted(wish)
    if before == after:
        return None
    return MappingChangeLine(
        field=wish.field,
        raw_value=wish.raw_value,
        before_declared=before[0],
        before_value=before[1],
        after_declared=after[0],
        after_value=after[1],
    )


def _write(
    partner: Partner, lines: list[MappingChangeLine], *, actor: Actor, undoes: MappingChange | None = None
) -> MappingChange:
    now = timezone.now()
    change = MappingChange.objects.create(
        partner=partner, at=now, by=actor.user, client_id=actor.client_id, undoes=undoes
    )
    for line in lines:
        line.change = change
    MappingChangeLine.objects.bulk_create(lines)
    StatusMapping.objects.bulk_create(
        [
            StatusMapping(
                partner=partner,
                field=line.field,
                raw_value=line.raw_value,
                canonical_value=line.after_value,
                updated_at=now,
            )
            for line in lines
            if line.after_declared
        ],
        update_conflicts=True,
        unique_fields=["partner", "field", "raw_value"],
        update_fields=["canonical_value", "updated_at"],
    )
    for field in StatusField.values:
        gone = [line.raw_value for line in lines if line.field == field and not line.after_declared]
        if gone:
            StatusMapping.objects.filter(partner=partner, field=field, raw_value__in=gone).delete()
    audit.record(
        "mapping.undone" if undoes else "mapping.changed",
        actor=actor,
        partner=partner,
        target=str(change.pk),
        values=[f"{line.field} {line.raw_value[:64]}: {_words(line)}" for line in lines[:50]],
        count=len(lines),
    )
    return change


def _words(line: MappingChangeLine) -> str:
    before = (line.before_value or "no meaning") if line.before_declared else "unknown"
    after = (line.after_value or "no meaning") if line.after_declared else "removed"
    return f"{before} -> {after}"
