"""What people do with the list of affiliates that a partner works with: register some, read a list, remove one."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import transaction

from entities.models import Affiliate
from onboarding.sample_reading import DELIMITERS, Unreadable, decoded
from track360 import audit
from track360.audit import Actor
from track360.models import Partner

MAX_ID_LENGTH = 500  # as long as any text of a record
MAX_NAME_LENGTH = 200
MAX_LIST = 100_000
MAX_LIST_BYTES = 10 * 1024 * 1024
ERRORS_SHOWN = 50
ID_HEADERS = {"affiliate_id", "affiliateid", "affiliate", "id", "aff_id", "affid"}
NAME_HEADERS = {"name", "affiliate_name", "affiliatename", "company", "title"}


@dataclass(frozen=True)
class Entry:
    affiliate_id: str
    name: str = ""


@dataclass(frozen=True)
class Added:
    """What came of registering a list: `known` stood already, with the same name or none given."""

    new: int
    renamed: int
    known: int


def read_list(payload: bytes | str) -> tuple[list[Entry], list[str]]:
    """Lines of `id` or `id,name` (also with semicolons or tabs, also with a header), and sentences on how they read.

    Raises ValidationError with one error a line that is wrong, at most 50 of them.
    """
    if len(payload) > MAX_LIST_BYTES:
        raise ValidationError("The list has over 10 MB. Send it in parts.", code="too_large")
    try:
        text, notices = decoded(payload) if isinstance(payload, bytes) else (payload, [])
    except Unreadable:
        raise ValidationError(
            "This is no text. Send lines of an id, or of an id and a name, as CSV in UTF-8.", code="binary"
        ) from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    first = next((line for line in lines.split("\n") if line.strip()), "")
    if not first:
        raise ValidationError("The list is empty. Write one affiliate a line.", code="empty")
    delimiter = max(DELIMITERS, key=first.count) if any(map(first.count, DELIMITERS)) else ","
    try:
        rows = list(enumerate(csv.reader(io.StringIO(lines), delimiter=delimiter, strict=True), start=1))
    except csv.Error as error:
        raise ValidationError(f"The quotes of the list do not close: {error}.", code="quotes") from None
    rows = [(line, [cell.strip() for cell in row]) for line, row in rows if any(cell.strip() for cell in row)]
    if len(rows) > MAX_LIST:
        raise ValidationError(f"A list holds at most {MAX_LIST:,} affiliates. Send it in parts.", code="too_many")
    return _entries(rows), notices


def _entries(rows: list[tuple[int, list[str]]]) -> list[Entry]:
    header = [cell.lower().replace(" ", "_") for cell in rows[0][1]]
    id_place, name_place = 0, 1
    if ID_HEADERS & set(header):
        id_place = next(place for place, cell in enumerate(header) if cell in ID_HEADERS)
        name_place = next((place for place, cell in enumerate(header) if cell in NAME_HEADERS), -1)
        rows = rows[1:]
    elif len(header) > 2:
        raise ValidationError(
            f"There are {len(header)} columns and none is called affiliate_id. Name the columns in a first line, "
            "or send an id and a name.",
            code="columns",
        )
    if not rows:
        raise ValidationError("There is a header and nothing under it.", code="empty")
    entries, errors = [], []
    for line, cells in rows:
        affiliate_id = cells[id_place] if len(cells) > id_place else ""
        name = cells[name_place] if 0 <= name_place < len(cells) else ""
        if reason := _reason(affiliate_id, name):
            errors.append(ValidationError(f"Line {line}: {reason}", code="line"))
            if len(errors) == ERRORS_SHOWN:
                break
        entries.append(Entry(affiliate_id, name))
    if errors:
        raise ValidationError(errors)
    return entries


def _reason(affiliate_id: str, name: str) -> str:
    if not affiliate_id:
        return "the affiliate's id is missing."
    if len(affiliate_id) > MAX_ID_LENGTH:
        return f"the id has over {MAX_ID_LENGTH} characters."
    if len(name) > MAX_NAME_LENGTH:
        return f"the name has over {MAX_NAME_LENGTH} characters."
    if affiliate_id != affiliate_id.strip() or not affiliate_id.isprintable() or not (name.isprintable()):
        return "ids and names hold printable characters, without blanks at the ends."
    return ""


@transaction.atomic
def add_affiliates(partner: Partner, entries: Iterable[Entry], *, actor: Actor) -> Added:
    """Register all of them, or none. An id that stands already gets the name, where one is given; twice is once.

    Raises ValidationError, its errors in the order of the entries, with `params` of `{"index": …}`.
    """
    wanted: dict[str, str] = {}
    errors = []
    for index, entry in enumerate(entries):
        if reason := _reason(entry.affiliate_id, entry.name):
            errors.append(
                ValidationError(f"{reason[0].upper()}{reason[1:]}", code="affiliate", params={"index": index})
            )
        wanted[entry.affiliate_id] = entry.name or wanted.get(entry.affiliate_id, "")
    if errors:
        raise ValidationError(errors[:ERRORS_SHOWN])
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)  # one list after the other
    standing = dict(
        Affiliate.objects.filter(partner=partner, affiliate_id__in=list(wanted)).values_list("affiliate_id", "name")
    )
    fresh = [
        Affiliate(partner=partner, affiliate_id=key, name=name) for key, name in wanted.items() if key not in standing
    ]
    renamed = {key: name for key, name in wanted.items() if name and standing.get(key, name) != name}
    Affiliate.objects.bulk_create(fresh, batch_size=5000)
    for affiliate in (rows := list(Affiliate.objects.filter(partner=partner, affiliate_id__in=list(renamed)))):
        affiliate.name = renamed[affiliate.affiliate_id]
    Affiliate.objects.bulk_update(rows, ["name"], batch_size=1000)
    if fresh or renamed:
        audit.record(
            "affiliates.added",
            actor=actor,
            partner=partner,
            target=fresh[0].affiliate_id if len(fresh) == 1 else "",
            count=len(fresh),
            renamed=len(renamed),
            first=[affiliate.affiliate_id[:64] for affiliate in fresh[:10]],
        )
    return Added(new=len(fresh), renamed=len(renamed), known=len(wanted) - len(fresh) - len(renamed))


@transaction.atomic
def remove_affiliate(partner: Partner, affiliate_id: str, *, actor: Actor) -> bool:
    """Take one off the list; customers that name it stay as they are. False where it is not on it."""
    removed, _ = Affiliate.objects.filter(partner=partner, affiliate_id=affiliate_id.replace("\x00", "")).delete()
    if removed:
        audit.record("affiliate.removed", actor=actor, partner=partner, target=affiliate_id)
    return bool(removed)
