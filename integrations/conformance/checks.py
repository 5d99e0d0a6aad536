"""What is asked of a source, one small function a rule. Each says what it saw, never whose record it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from entities.models import Batch, Entity
from entities.pipeline import ingest
from integrations.conformance.examination import FAIL, PASS, SKIP, WARN, Examination, Finding, count
from integrations.conformance.reading import TOO_MANY, Item
from integrations.conformance.windows import check_empty, check_since, check_window
from integrations.models import Feed
from integrations.pull.source import SourceError

AGAIN_PAGES = 3
DEEP_FROM = 6  # pages, from which on "deep" means something
SLOWER, SLOWER_MS = 2.5, 200  # than the first pages
FEW = 0.01  # of the records: what the rehearsal lets pass (contract, section 7)
SHOWN_CAUSES = 4
NOT_THERE_YET = "unknown_customer"  # waits for its customer, and is no fault of the source

Judge = Callable[[Examination], Finding]


@dataclass(frozen=True, slots=True)
class Check:
    """`next` is what to do where it failed, to be read after "Next: "; `about` what is looked at, for the docs."""

    code: str
    title: str
    next: str
    about: str
    judge: Judge


def check_reached(it: Examination) -> Finding:
    took = it.walk.parts[0].ms if it.walk.parts else None
    return Finding(PASS, "It let us in and gave a page" + (f" in {took:,} ms." if took else "."))


def check_schema(it: Examination) -> Finding:
    """As a pull would store them; nothing is stored."""
    records = it.reader.first
    if not records:
        return Finding(SKIP, "There are no records yet.")
    report = ingest(
        it.feed.environment, it.feed.entity, records, shape="array", door=Batch.Door.PULL, lenient=True, dry_run=True
    )
    faults = [error for error in report.errors if error.code != NOT_THERE_YET]
    bad = len({error.index or 0 for error in faults})
    if not bad:
        return Finding(PASS, f"All of the first {count(len(records), 'record')} would be stored.")
    causes = Counter((error.field or "the record", error.code) for error in faults)
    named = "; ".join(f"{field}: {code} ({times:,})" for (field, code), times in causes.most_common(SHOWN_CAUSES))
    more = f"; and {len(causes) - SHOWN_CAUSES} more" if len(causes) > SHOWN_CAUSES else ""
    return Finding(
        FAIL if bad > FEW * len(records) else WARN,
        f"{len(records) - bad:,} of the first {count(len(records), 'record')} would be stored. {named}{more}.",
    )


def check_order(it: Examination) -> Finding:
    pages = min(AGAIN_PAGES, len(it.walk.parts))
    before = [item.key for part in it.walk.parts[:pages] for item in part.items]
    if len(before) < 2:
        return Finding(SKIP, "There are fewer than two records.")
    again = [item.key for item in it.reader.read(it.walk.window, pages=pages).items]
    if again == before:
        return Finding(PASS, f"The first {count(len(before), 'record')} came twice in the same order.")
    third = [item.key for item in it.reader.read(it.walk.window, pages=pages).items]
    if third == again:
        return Finding(WARN, "The first pages changed once between three readings; something was probably written.")
    if Counter(third) == Counter(again):
        what = "the same records in another order"
    else:
        what = f"{count(len(set(third) ^ set(again)), 'record')} that came in one reading and not in the other"
    place = next((at for at, pair in enumerate(zip(again, third, strict=False)) if pair[0] != pair[1]), len(third))
    return Finding(
        FAIL,
        f"The same window gave {what}, from record {place + 1} on. Sort by the time of change and then by the id, "
        "so that no page skips or repeats a record.",
    )


def check_page(it: Examination) -> Finding:
    number = 2 if len(it.walk.parts) > 1 else 1
    if not it.walk.items:
        return Finding(SKIP, "There are no records yet.")
    position = it.walk.parts[0].position if number == 2 else None

    def asked() -> list[Item]:
        reading = it.reader.read(it.walk.window, position=position, pages=1)
        return reading.parts[0].items if reading.parts else []

    before, again = it.walk.parts[number - 1].items, asked()
    if it.feed.connection.is_sql:  # where we cut the pages, one that is begun anew may be shorter
        before = before[: len(again)]
    if _same(before, again):
        return Finding(PASS, f"Page {number} was asked for by itself and was the same, value by value.")
    third = asked()
    if _same(again, third):
        return Finding(WARN, f"Page {number} changed once between three readings; something was probably written.")
    if [item.key for item in again] == [item.key for item in third]:
        changed = sum(one.content != other.content for one, other in zip(again, third, strict=True))
        return Finding(
            FAIL,
            f"Page {number} bore the same records each time, {changed} of them with other values. Leave out what is "
            "made up for each answer.",
        )
    return Finding(
        FAIL,
        f"Page {number} bore other records each time. The same request must give the same page while nothing changes.",
    )


def _same(one: list[Item], other: list[Item]) -> bool:
    return [item.content for item in one] == [item.content for item in other]


def check_deep(it: Examination) -> Finding:
    parts, error = it.walk.parts, it.walk.error
    if isinstance(error, SourceError):
        return Finding(FAIL, f"Page {len(parts) + 1} did not come: {error}")
    if len(parts) < DEEP_FROM:
        return Finding(SKIP, f"Only {count(len(parts), 'page')} came.")
    it.reader.read(it.walk.window, position=parts[-2].position, pages=1)
    early, late = ([part.ms for part in some if part.ms is not None] for some in (parts[1:4], parts[-3:]))
    if not early or not late:
        return Finding(PASS, f"Page {len(parts)} came, also when it was asked for by itself.")
    first, last = median(early), median(late)
    figures = f"pages 2 to 4 took {max(first, 1):,.0f} ms each, the last three {max(last, 1):,.0f} ms"
    if last > SLOWER * first and last - first > SLOWER_MS:
        return Finding(
            WARN,
            f"It grows slower with depth: {figures}. Page by a cursor, or by the last time and id, not by an offset.",
        )
    return Finding(PASS, f"Page {len(parts)} came, also when it was asked for by itself; {figures}.")


def check_keys(it: Examination) -> Finding:
    seen: dict[bytes, Item] = {}
    same = other = 0
    for item in it.walk.items:
        earlier = seen.setdefault(item.key, item)
        if earlier is not item:
            same += earlier.content == item.content
            other += earlier.content != item.content
    if not seen:
        return Finding(SKIP, "There are no records yet.")
    if not same + other:
        return Finding(PASS, f"Each of {count(len(seen), 'key')} came once.")
    if same:
        return Finding(
            FAIL,
            f"{count(same, 'record')} came again unchanged within one reading. Where a page repeats records, it "
            "mostly has left out others: sort by something unique.",
        )
    detail = f"{count(other, 'key')} came again with other values within one reading."
    if it.feed.entity == Entity.CUSTOMERS:
        return Finding(WARN, f"{detail} The newest last_modified_date counts; send the newest version alone.")
    return Finding(FAIL, f"{detail} Which one counts cannot be known: send the newest version alone.")


def check_limits(it: Examination) -> Finding:
    asked, waits = len(it.reader.calls), it.reader.waits
    refused = sum(call.status == TOO_MANY for call in it.reader.calls)
    if not refused:
        return Finding(SKIP, f"No 429 came in {count(asked, 'call')}, and we do not provoke one.")
    silent = sum(wait is None for wait in waits)
    if silent:
        return Finding(
            FAIL,
            f"429 came {count(refused, 'time')}, {silent} of them without Retry-After. Say in how many seconds we may "
            "come back.",
        )
    longest = max((wait for wait in waits if wait is not None), default=0.0)
    return Finding(PASS, f"429 came {count(refused, 'time')} and said when to come back: in at most {longest:.0f} s.")


def check_size(it: Examination) -> Finding:
    feed, wanted = it.feed, it.feed.page_size
    if feed.connection.is_sql:
        return Finding(SKIP, "Of a database we take the pages ourselves.")
    if not feed.paging_options.get("size_parameter") or feed.paging == Feed.Paging.NONE:
        return Finding(SKIP, "The feed names no parameter for the size of a page.")
    sizes = [size for part in it.walk.parts for size in part.sizes]
    full = sizes[:-1] if it.walk.is_whole else sizes
    if max(sizes, default=0) > wanted:
        return Finding(FAIL, f"{wanted:,} a page were asked for, and up to {max(sizes):,} came.")
    if not full:
        return Finding(SKIP, "There is only one page, and it is not full.")
    if min(full) < wanted:
        return Finding(
            WARN,
            f"{wanted:,} a page were asked for, and {min(full):,} came with more behind. Allow {wanted:,}, or set the "
            f"feed's page size to {max(full):,}.",
        )
    return Finding(PASS, f"Each page but the last bore {wanted:,}, as asked for.")


CHECKS = (
    Check(
        "reached",
        "Reached, signed in and read",
        "let us in",
        "We sign in as a run does and read one page.",
        check_reached,
    ),
    Check(
        "schema",
        "Records fit the schema",
        "mend the fields that are refused",
        "The first 500 records go through the pipeline without being stored, and what it refuses is counted by field. "
        "A customer who is not here yet is no fault: such a record waits for him.",
        check_schema,
    ),
    Check(
        "since",
        "Since is honoured",
        "let “since” count",
        "With a “since” in the middle of what was seen, nothing older comes back where the records bear the time of "
        "their change, nothing later is missing, and fewer come than without it.",
        check_since,
    ),
    Check(
        "window",
        "The window is half-open",
        "make the window half-open",
        "Two windows that meet at a moment at which a record lies, [a, b) and [b, c), together give what [a, c) gives, "
        "and no record twice. A window long before all data is empty.",
        check_window,
    ),
    Check(
        "order",
        "The order is stable",
        "give the records a stable order",
        "The first pages of the same window are read twice and come in the same order.",
        check_order,
    ),
    Check(
        "page",
        "The same page twice is the same",
        "answer the same request with the same page",
        "One page is asked for again by itself, as after a broken connection, and is the same value by value.",
        check_page,
    ),
    Check(
        "deep",
        "Deep pages answer as the first do",
        "mend the deep pages",
        "The last of up to 20 pages comes, also by itself, and in about the time of the first ones. An offset makes a "
        "source count all that lies before it, on each page anew.",
        check_deep,
    ),
    Check(
        "empty",
        "An empty window is an empty page",
        "answer an empty window with an empty page",
        "A window in the year 2099 gives an empty list with status 200 or 204: no error, and no records.",
        check_empty,
    ),
    Check(
        "keys",
        "No key comes twice",
        "send each record once in a window",
        "Among all that was read of one window each key stands once. Where one comes again unchanged, the pages "
        "overlap, and what overlaps mostly leaves something out as well.",
        check_keys,
    ),
    Check(
        "limits",
        "429 says when to come back",
        "send Retry-After with each 429",
        "Where a 429 came, it bore Retry-After. We wait, read on slowly, and provoke none.",
        check_limits,
    ),
    Check(
        "size",
        "The page size is honoured",
        "give pages of the size that is asked for",
        "Each page but the last holds as many records as the feed asks for.",
        check_size,
    ),
)
