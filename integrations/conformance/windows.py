"""The checks of windows: that `since` counts, that a window is half-open, that an empty one is empty."""

from __future__ import annotations

from typing import Any

from integrations.conformance.examination import FAIL, PASS, SKIP, Examination, Finding, Span, count
from integrations.conformance.reading import Reading
from integrations.pull.source import Window

SINCE_PAGES = 4
SPAN_PAGES = 3
NO_SINCE = (
    "The feed sends no “since”: everything is read each time. Where the source can filter by time of change, use it."
)
NO_UNTIL = (
    "The feed sends no “until”: each window reaches to the moment at which it is read. If the source can end a window, "
    "let it."
)
NO_DATES = "No record bears a date by which a window could be chosen."


def check_since(it: Examination) -> Finding:
    axis = it.axis
    if not axis.has_since:
        return Finding(SKIP, NO_SINCE)
    if not it.marks:
        return Finding(SKIP, NO_DATES if it.walk.items else "There are no records yet.")
    edge = _edge(it)
    got = it.reader.read(axis.window(since=edge), pages=SINCE_PAGES)
    asked = f"Asked for since={got.window.since}"
    if axis.is_certain:
        older = [item.mark for item in got.items if item.mark is not None and item.mark < edge]
        if older:
            return Finding(
                FAIL,
                f"{asked}, {len(older):,} of {count(len(got.items), 'record')} bear an earlier {axis.field}, the "
                f"earliest {axis.window(min(older)).since}.",
            )
        if it.walk.is_whole and got.is_whole:
            later = {item.key for item in it.walk.items if item.mark is not None and item.mark >= edge}
            lost = later - got.keys
            if lost:
                return Finding(
                    FAIL,
                    f"{asked}, {count(len(lost), 'record')} with that {axis.field} or a later one did not come. "
                    "“since” must go by the time of change, and include its own moment.",
                )
    if _is_narrower(it.walk, got):
        return Finding(PASS, f"{asked}, {_came(got)}; without it {_came(it.walk)}.{_caveat(it)}")
    return _by_the_future(it, asked)


def _edge(it: Examination) -> Any:
    """The middle of what was seen; later where all was seen, so that what comes from there on can be read whole."""
    marks = it.marks
    edge = marks[len(marks) // 2]
    dated = sorted(item.mark for item in it.walk.items if item.mark is not None)
    room = (SINCE_PAGES - 2) * max(len(part.items) for part in it.walk.parts)
    if it.walk.is_whole and len(dated) > room:
        edge = max(edge, it.axis.floor(dated[-room]))
    return edge


def _came(reading: Reading) -> str:
    return count(len(reading.items), "record") + ("" if reading.is_whole else " and more") + " came"


def _caveat(it: Examination) -> str:
    if it.axis.is_certain or it.feed.connection.is_sql:
        return ""
    return " The records do not bear the time of their last change, so that only their number was judged."


def _is_narrower(walk: Reading, got: Reading) -> bool:
    if walk.is_whole and got.is_whole:
        return len(got.items) < len(walk.items)
    if got.is_whole and not walk.is_whole:
        return len(got.items) < len(walk.items)
    first, other = (reading.parts[0].items if reading.parts else [] for reading in (walk, got))
    return [item.key for item in first] != [item.key for item in other]


def _by_the_future(it: Examination, asked: str) -> Finding:
    """The same came with `since` and without it: ignored, or is all later than that?"""
    if it.future.items:
        return Finding(
            FAIL,
            f"{asked} gave the same as without it, and since={it.future.window.since} gave "
            f"{count(len(it.future.items), 'record')}. The parameter is not looked at.",
        )
    if it.future.error is not None:
        return Finding(SKIP, f"{asked} gave the same as without it; a later one could not be asked for.")
    return Finding(
        SKIP, f"{asked} gave the same as without it, and a time to come gave nothing: all was changed later than that."
    )


def check_window(it: Examination) -> Finding:
    axis = it.axis
    if not axis.has_since or not axis.has_until:
        return Finding(SKIP, NO_UNTIL if axis.has_since else NO_SINCE)
    if axis.is_time:
        past = it.reader.read(axis.before_all(), pages=1)
        if past.items:
            return Finding(
                FAIL,
                f"Asked for {_shown(past.window)}, {count(len(past.items), 'record')} came. “until” is not looked at.",
            )
    if not it.marks:
        return Finding(SKIP, NO_DATES if it.walk.items else "There are no records yet.")
    for span in it.spans():
        judged = _judge(it, span)
        if judged is not None and judged.verdict == FAIL:
            judged = _judge(it, span)  # what was written meanwhile looks like a fault, once
        if judged is not None:
            return judged
    return Finding(SKIP, f"Even the shortest window that was tried has more than {SPAN_PAGES} pages.")


def _judge(it: Examination, span: Span) -> Finding | None:
    """Whether [from, edge) and [edge, to) are [from, to), each record in one of them; None: it is too much."""
    axis = it.axis
    begin, edge, end = span
    whole = it.reader.read(axis.window(begin, end), pages=SPAN_PAGES)
    strayed = _strayed(whole, begin, end) if axis.is_certain else None
    if strayed is not None:
        return strayed
    if not whole.is_whole:
        return None
    before, after = (
        it.reader.read(window, pages=len(whole.parts) + 1)
        for window in (axis.window(begin, edge), axis.window(edge, end))
    )
    halves = f"{_shown(before.window)} and {_shown(after.window)}"
    twice = len(before.keys & after.keys)
    if twice:
        return Finding(FAIL, f"{count(twice, 'record')} came in both {halves}. “until” must exclude its own moment.")
    early = sum(item.mark is not None and axis.floor(item.mark) == edge for item in before.items)
    if early:
        return Finding(
            FAIL,
            f"{count(early, 'record')} of {before.window.until} itself came in {_shown(before.window)}. “until” must "
            "exclude its own moment, and “since” include it.",
        )
    lost = len(whole.keys - before.keys - after.keys)
    if lost:
        return Finding(
            FAIL,
            f"{count(lost, 'record')} of {_shown(whole.window)} came in neither {halves}. “since” must include its own "
            "moment.",
        )
    more = len((before.keys | after.keys) - whole.keys)
    if more:
        return Finding(FAIL, f"{halves} gave {count(more, 'record')} that {_shown(whole.window)} did not.")
    on_edge = sum(item.mark is not None and axis.floor(item.mark) == edge for item in after.items)
    if not on_edge and axis.field:
        return Finding(
            PASS, f"{halves} gave what {_shown(whole.window)} gave. No record was seen that lies on the edge itself."
        )
    return Finding(PASS, f"{halves} gave what {_shown(whole.window)} gave, and no record twice.")


def _strayed(whole: Reading, begin: Any, end: Any) -> Finding | None:
    """What came of a window that lies outside of it."""
    marks = [item.mark for item in whole.items if item.mark is not None]
    late = sum(mark >= end for mark in marks) if end is not None else 0
    if late:
        return Finding(
            FAIL,
            f"{count(late, 'record')} of {whole.window.until} or later came in {_shown(whole.window)}. “until” must "
            "exclude its own moment.",
        )
    early = sum(mark < begin for mark in marks) if begin is not None else 0
    if early:
        return Finding(FAIL, f"{count(early, 'record')} earlier than {_shown(whole.window)} came in it.")
    return None


def _shown(window: Window) -> str:
    return f"[{window.since or 'the beginning'}, {window.until or 'now'})"


def check_empty(it: Examination) -> Finding:
    if not it.axis.has_since:
        return Finding(SKIP, NO_SINCE)
    future = it.future
    if future.error is not None:
        return Finding(FAIL, f"Asked for {_shown(future.window)}, there was no empty page: {future.error}")
    if future.items:
        return Finding(FAIL, f"Asked for {_shown(future.window)}, {count(len(future.items), 'record')} came.")
    return Finding(PASS, f"Asked for {_shown(future.window)}, an empty page came.")
