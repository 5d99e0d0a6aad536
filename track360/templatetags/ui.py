"""Tags and filters of the portal's components; a template builtin, so no page needs `{% load ui %}`.

Markup stays in `templates/components/`; here is what a template cannot say: words, figures, times, addresses.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import cache, lru_cache
from html import escape
from http import HTTPStatus
from typing import Any

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from track360.payload import Line

register = template.Library()

Breadcrumbs = list[tuple[str, str | None]]


# -- Figures and times --------------------------------------------------------

UNITS = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))


@register.filter
def number(value: Any) -> str:
    """1234567 -> `1,234,567`; None -> a dash."""
    return "–" if value is None or value == "" else f"{value:,}"


@register.filter
def compact(value: float | None) -> str:
    """1234567 -> `1.2M`: for tiles and ticks, where the exact figure stands elsewhere."""
    if value is None:
        return "–"
    for limit, unit in ((1_000_000_000, "B"), (1_000_000, "M"), (10_000, "k")):
        if abs(value) >= limit:
            scaled = value / (1000 if unit == "k" else limit)
            return f"{scaled:.1f}".removesuffix(".0") + unit
    return f"{value:,.0f}"


@register.filter
def percent(part: float | None, whole: float | None = 1) -> str:
    """`{{ refused|percent:received }}` -> `0.41 %`; a dash where there is no whole."""
    if part is None or not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.2g} %" if share < 10 else f"{share:.0f} %"


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """0.0124 -> `12 ms`, 1.5 -> `1.5 s`, 90 -> `1 min 30 s`, 7300 -> `2 h 1 min`."""
    if seconds is None:
        return "–"
    if isinstance(seconds, timedelta):
        seconds = seconds.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f}".removesuffix(".0") + " s"
    parts = []
    rest = round(seconds)
    for name, size in UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {name}")
    return " ".join(parts[:2])


@register.filter
def share(part: float | None) -> str:
    """0.9499 -> `94.9 %`: cut rather than rounded, so that under 95 % does not read as 95 %."""
    return "–" if part is None else f"{math.floor(1000 * part + 1e-9) / 10:.1f} %"


@register.filter
def lag(seconds: float | None) -> str:
    """As `duration`; infinite is `over 24 h`, which is as far as lags are counted."""
    return "over 24 h" if seconds == math.inf else duration(seconds)


def relative(value: datetime, *, now: datetime) -> str:
    """`just now`, `3 min ago`, `in 2 h`; from 30 days on, the date."""
    seconds = (now - value).total_seconds()
    distance = abs(seconds)
    if distance < 5:
        return "just now"
    if distance >= 30 * 86400:
        return f"{value.day} {value:%b %Y}"
    name, size = next(unit for unit in UNITS if distance >= unit[1])
    words = f"{int(distance // size)} {name}"
    return f"{words} ago" if seconds > 0 else f"in {words}"


@register.simple_tag
def when(value: datetime | None, *, exact: bool = False, none: str = "never") -> SafeString:
    """A relative time that carries the exact UTC one; `exact=True` shows the exact one and hides none."""
    if value is None:
        return format_html('<span class="faint">{}</span>', none)
    value = value.astimezone(UTC)
    iso = value.isoformat(timespec="seconds").replace("+00:00", "Z")
    utc = iso.replace("T", " ").replace("Z", " UTC")
    ago = relative(value, now=timezone.now())
    text, title = (utc, ago) if exact else (ago, utc)
    return SafeString(f'<time datetime="{iso}" title="{title}">{text}</time>')  # nothing in it to escape


@register.simple_tag
def money(amount: Decimal | None, currency: str = "") -> SafeString:
    """Two decimals always, so that columns line up; the currency after it, quieter."""
    if amount is None:
        return format_html('<span class="faint">{}</span>', "–")
    figure = f"{amount:,.2f}".replace("-", "\N{MINUS SIGN}")
    if not currency:
        return SafeString(f'<span class="money">{figure}</span>')
    return SafeString(
        f'<span class="money">{figure}&nbsp;<span class="currency">{conditional_escape(currency)}</span></span>'
    )


# -- Icons, badges, ids -------------------------------------------------------

# A page has a hundred icons and badges, and few different ones. `typed`: a word may be escaped already, or not.
remembered = lru_cache(maxsize=1000, typed=True)


@register.simple_tag
@remembered
def icon(name: str, *, label: str = "", size: str = "") -> SafeString:
    """An icon of `static/icons/sprite.svg`; silent for screen readers unless it has a label."""
    voice = format_html('role="img" aria-label="{}"', label) if label else 'aria-hidden="true"'
    return format_html(
        '<svg class="icon" {}{}><use href="{}#{}"/></svg>',
        SafeString(voice),
        format_html(' data-size="{}"', size) if size else "",
        sprite(),
        name,
    )


# What a page has hundreds of is written here: a template takes thirty times as long for each figure.


@register.simple_tag
def rects(css_class: str, shapes: Iterable[tuple[float, float, float, float, str]]) -> SafeString:
    """SVG rectangles with a title each: x, y, width, height, title."""
    return SafeString(
        "\n".join(
            f'<rect class="{escape(css_class)}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}">'
            f"<title>{escape(title)}</title></rect>"
            for x, y, width, height, title in shapes
        )
    )


@register.simple_tag
def figure_rows(rows: Iterable[Sequence[str]]) -> SafeString:
    """Rows of a table: what the row is of, then figures."""
    return SafeString(
        "".join(
            f'<tr><th scope="row">{escape(head)}</th>'
            + "".join([f'<td data-kind="number">{escape(figure)}</td>' for figure in figures])
            + "</tr>"
            for head, *figures in rows
        )
    )


@register.simple_tag
def options(values: Iterable[str], chosen: str) -> SafeString:
    """Options of a select whose words are their values."""
    return SafeString(
        "".join(f"<option{' selected' if value == chosen else ''}>{escape(value)}</option>" for value in values)
    )


@register.simple_tag
def numbered_lines(lines: Iterable[Line], prefix: str = "") -> SafeString:
    """The lines of `components/payload.html`."""
    mark = icon("cross-circle", label="Error")
    parts = []
    for line in lines:
        name = escape(f"{prefix}line-{line.number}")
        faults = "".join(f'<span class="line-message">{mark}{escape(message)}</span>' for message in line.messages)
        parts.append(
            f'<li class="line" id="{name}"{" data-faulty" if faults else ""}>'
            f'<a class="line-number" href="#{name}" tabindex="-1">{line.number}</a>'
            f'<span class="line-text">{escape(line.text)}</span>{faults}</li>'
        )
    return SafeString("\n".join(parts))


@cache
def sprite() -> str:
    """Looked up once: a long list has a thousand icons."""
    return static("icons/sprite.svg")


# What a status looks like: tone and icon. The word itself is always written beside it.
STATUS_LOOKS: dict[str, tuple[str, str]] = {
    **dict.fromkeys(
        (
            "active",
            "live",
            "ok",
            "created",
            "completed",
            "approved",
            "verified",
            "accepted",
            "done",
            "stored",
        ),
        ("success", "check-circle"),
    ),
    **dict.fromkeys(("updated", "replay", "released", "mended", "estimated", "edited"), ("info", "refresh")),
    **dict.fromkeys(("running", "processing", "in_progress", "estimating"), ("info", "running")),
    **dict.fromkeys(("pending", "waiting", "late", "stale", "expiring"), ("warning", "clock")),
    **dict.fromkeys(("quarantined", "open", "held"), ("warning", "quarantine")),
    **dict.fromkeys(("unmapped", "warning"), ("warning", "warning")),
    **dict.fromkeys(
        ("rejected", "refused", "failed", "error", "declined", "suspended", "invalid"),
        ("danger", "cross-circle"),
    ),
    **dict.fromkeys(
        ("unchanged", "expired", "revoked", "cancelled", "reversed", "closed", "superseded", "dropped"),
        ("neutral", "minus-circle"),
    ),
    "sandbox": ("info", "sandbox"),
    "production": ("info", "production"),
}
TONE_ICONS = {
    "success": "check-circle",
    "warning": "warning",
    "danger": "cross-circle",
    "info": "info",
    "neutral": "circle",
}


@register.simple_tag
@remembered
def badge(status: Any, *, label: str = "", tone: str = "") -> SafeString:
    """Icon and word for a status; an unknown one is neutral. `label` replaces the word, `tone` the look."""
    word = str(status if status is not None else "unknown")
    known_tone, icon_name = STATUS_LOOKS.get(word.lower(), ("neutral", "circle"))
    if tone and tone != known_tone:
        icon_name = TONE_ICONS[tone]
    return format_html(
        '<span class="badge" data-tone="{}">{}{}</span>',
        tone or known_tone,
        icon(icon_name),
        label or word.replace("_", " ").capitalize(),
    )


@register.simple_tag
@remembered
def mapped_status(raw: str | None, canonical: str | None) -> SafeString:
    """What a status means, and beside it the value as sent."""
    if raw is None:
        return SafeString('<span class="faint">–</span>')
    meaning = badge(canonical) if canonical else badge("unmapped", label="Not mapped")
    return format_html('<span class="status">{} <span class="clip faint mono">{}</span></span>', meaning, raw)


# Shorter or plainer than the registered phrases, for a column of a table.
STATUS_PHRASES = {422: "Refused", 429: "Rate limited", 500: "Server error", 503: "Unavailable"}


@register.simple_tag
@remembered
def http_status(status: int) -> SafeString:
    """`200 OK`, `422 Refused`, `429 Rate limited` as a badge."""
    tone = "success" if status < 300 else "info" if status < 400 else "danger"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        tone = "warning"
    try:
        phrase = STATUS_PHRASES.get(status) or HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return badge(status, label=f"{status} {phrase}".strip(), tone=tone)


@register.simple_tag
def copyable(value: Any, *, label: str = "", href: str = "") -> SafeString:
    """A monospaced id with a copy button; `label` says what is copied, `href` makes it the row's link."""
    # A list has a hundred of these: the script copies the text before the button, the icon comes from the sheet.
    button = '<button type="button" class="copy" data-copy aria-label="Copy {}"></button></span>'
    if href:
        link = '<span class="id"><a class="row-link id-value" href="{}">{}</a>'
        return format_html(link + button, href, value, label or value)
    return format_html('<span class="id"><span class="id-value">{}</span>' + button, value, label or value)


@register.simple_tag
def copy_button(value: Any = "", *, label: str = "", source: str = "") -> SafeString:
    """Copies `value`, or the text of the element whose id is `source`; not shown without a script."""
    attribute, copied = ("data-copy-from", source) if source else ("data-copy", value)
    return format_html(
        '<button type="button" class="copy" {}="{}" aria-label="Copy {}"></button>', attribute, copied, label or value
    )


# -- Components that wrap content ---------------------------------------------


@register.simple_block_tag
def page_header(content: str, title: str, *, state: str = "", breadcrumbs: Breadcrumbs | None = None) -> SafeString:
    """`{% page_header title state=… breadcrumbs=… %}the one button that moves on{% endpage_header %}`"""
    return _component("page_header", content, title=title, state=state, breadcrumbs=breadcrumbs or [])


@register.simple_block_tag
def card(
    content: str,
    title: str = "",
    *,
    note: str = "",
    href: str = "",
    link: str = "",
    foot: str = "",
    tone: str = "",
) -> SafeString:
    """`{% card title note=… href=… link=… foot=… tone=… %}…{% endcard %}`; `link` is the words for `href`."""
    return _component("card", content, title=title, note=note, href=href, link=link, foot=foot, tone=tone)


@register.simple_block_tag
def table_region(content: str, label: str, *, wide: bool = False) -> SafeString:
    """Around each `<table class="table">`: scrolls in itself, by keyboard too. `wide=True` for many columns."""
    return _component("table_region", content, label=label, wide=wide)


@register.simple_block_tag(takes_context=True)
def filter_bar(context: Context, content: str, *, clear: str = "", action: str = "", target: str = "") -> SafeString:
    """A GET form around `components/field.html`s, for this page or for `action`.

    `clear` is the address without filters, given only when some are set; `target` the id of what htmx swaps.
    """
    return _component("filter_bar", content, clear=clear, action=action or context["request"].path, target=target)


@register.simple_block_tag
def empty_state(content: str, title: str, *, icon: str = "search") -> SafeString:
    """An empty list: what is missing, and in the content how to fill it (a sentence, a curl block, a button)."""
    return _component("empty_state", content, title=title, icon=icon)


@register.simple_block_tag
def alert(content: str, title: str = "", *, tone: str = "info") -> SafeString:
    """`{% alert title tone="info|success|warning|danger" %}…{% endalert %}`"""
    return _component("alert", content, title=title, tone=tone, icon=TONE_ICONS[tone])


@register.simple_block_tag
def dropdown(content: str, label: str, *, icon: str = "", align: str = "start") -> SafeString:
    """A menu of `.dropdown-item`s behind a button; a <details>, so it opens without a script."""
    return _component("dropdown", content, label=label, icon=icon, align=align)


@register.simple_block_tag
def disclosure(content: str, label: str, *, is_open: bool = False) -> SafeString:
    """What few readers need, one press away: the table behind a picture, advanced fields."""
    return _component("disclosure", content, label=label, is_open=is_open)


def _component(name: str, content: str, **context: Any) -> SafeString:
    # The content is a rendered part of the template, escaped where it had to be; strip() drops that mark.
    inner = SafeString(content.strip())
    return render_to_string(f"components/{name}.html", {"content": inner, **context})
