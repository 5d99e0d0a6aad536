"""What people do with the list of affiliates that a partner works with: register some, read a list, remove one."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

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
# Names of columns, in the order of preference.
ID_HEADERS = ("affiliate_id", "affiliateid", "aff_id", "affid", "affiliate", "id")
NAME_HEADERS = ("affiliate_name", "affiliatename", "name", "company", "title")
# In one statement: 100,000 model instances would take seconds.
WRITE_SQL = """
INSERT INTO entities_affiliate (partner_id, created_at, affiliate_id, name)
SELECT %s, %s, affiliate_id, name FROM unnest(%s::text[], %s::text[]) AS entry (affiliate_id, name)
    ON CONFLICT (partner_id, affiliate_id) DO UPDATE SET name = excluded.name
"""


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
    removed: int = 0


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
    if first.lstrip().startswith(("[{", '{"', '["')):
        raise ValidationError("This is JSON. Send lines of an id, or of an id and a name.", code="json")
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = max(DELIMITERS, key=bare.count) if any(map(bare.count, DELIMITERS)) else ","
    reader = csv.reader(io.StringIO(lines), delimiter=delimiter, strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise ValidationError(f"Line {reader.line_num}: the quotes do not close ({error}).", code="quotes") from None
    rows = [(line, cells) for line, cells in rows if any(cells)]
    if len(rows) > MAX_LIST:
        raise ValidationError(f"A list holds at most {MAX_LIST:,} affiliates. Send it in parts.", code="too_many")
    return _entries(rows), notices


def _entries(rows: list[tuple[int, list[str]]]) -> list[Entry]:
    header, id_place, name_place = _columns(rows[0][1])
    if header:
        rows = rows[1:]
    if not rows:
        raise ValidationError("There is a header and nothing under it.", code="empty")
    entries, errors = [], []
    for line, cells in rows:
        affiliate_id = cells[id_place] if len(cells) > id_place else ""
        name = cells[name_place] if 0 <= name_place < len(cells) else ""
        reason = _reason(affiliate_id, name)
        if any(cells[len(header) or 2 :]):
            reason = "it has more columns than the first line. Put a name with a separator in it in quotes."
        elif header and [cell.lower() for cell in cells] == header:
            reason = "the header stands here again."
        if reason:
            errors.append(ValidationError(f"Line {line}: {reason}", code="line"))
            if len(errors) == ERRORS_SHOWN:
                break
        entries.append(Entry(affiliate_id, name))
    if errors:
        raise ValidationError(errors)
    return entries


def _columns(first: list[str]) -> tuple[list[str], int, int]:
    """The header, empty where the list has none, and the places of id and name (-1: there is none)."""
    header = [cell.lower() for cell in first]
    names = [cell.replace(" ", "_") for cell in header]
    known = [name for name in ID_HEADERS if name in names]
    if not known:
        if len(first) > 2:
            raise ValidationError(
                f"There are {len(first)} columns and none is called affiliate_id. Name the columns in a first line, "
                "or send an id and a name.",
                code="columns",
            )
        return [], 0, 1
    if names.count(known[0]) > 1:
        raise ValidationError(f"Two columns are called {known[0]}. Leave one of them out.", code="columns")
    name = next((name for name in NAME_HEADERS if name in names), None)
    return header, names.index(known[0]), names.index(name) if name else -1


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
def add_affiliates(partner: Partner, entries: Iterable[Entry], *, actor: Actor, replace: bool = False) -> Added:
    """Register all of them, or none. An id that stands already gets the name, where one is given; twice is once.

    `replace`: the list is these and no others, with these names. Raises ValidationError, its errors in the order of
    the entries, with `params` of `{"index": …}`.
    """
    wanted = _wanted(entries)
    Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)  # one list after the other
    registered = Affiliate.objects.filter(partner=partner)
    rows = registered if replace else registered.filter(affiliate_id__in=list(wanted))
    standing = dict(rows.values_list("affiliate_id", "name"))
    fresh = [key for key in wanted if key not in standing]
    renamed = [key for key, name in wanted.items() if key in standing and name != standing[key] and (name or replace)]
    gone = [key for key in standing if key not in wanted]
    written = [*fresh, *renamed]
    with connection.cursor() as cursor:
        cursor.execute(WRITE_SQL, [partner.pk, timezone.now(), written, [wanted[key] for key in written]])
    registered.filter(affiliate_id__in=gone).delete()
    if fresh or renamed or gone:
        audit.record(
            "affiliates.replaced" if replace else "affiliates.added",
            actor=actor,
            partner=partner,
            target=fresh[0] if len(fresh) == 1 else "",
            count=len(fresh),
            renamed=len(renamed),
            removed=len(gone),
            first=[key[:64] for key in fresh[:10]],
        )
    known = len(wanted) - len(fresh) - len(renamed)
    return Added(new=len(fresh), renamed=len(renamed), known=known, removed=len(gone))


def _wanted(entries: Iterable[Entry]) -> dict[str, str]:
    """Id -> name, the last one given. Raises ValidationError."""
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
    return wanted


@transaction.atomic
def remove_affiliate(partner: Partner, affiliate_id: str, *, actor: Actor) -> bool:
    """Take one off the list; customers that name it stay as they are. False where it is not on it."""
    if "\x00" in affiliate_id:
        return False
    removed, _ = Affiliate.objects.filter(partner=partner, affiliate_id=affiliate_id).delete()
    if removed:
        audit.record("affiliate.removed", actor=actor, partner=partner, target=affiliate_id)
    return bool(removed)
