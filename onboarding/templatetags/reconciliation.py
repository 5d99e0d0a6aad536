"""What the pages of the reconciliation write in each of their cells."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from html import escape

from django import template
from django.utils.safestring import SafeString

from track360.templatetags.ui import badge, money

register = template.Library()


@register.simple_tag
def day_cells(cells: Iterable[tuple[str, int, str, str]]) -> SafeString:
    """Cells of a `month-table`: what each is of, a count, how it stands in a word, and the tone of that."""
    return SafeString(
        "".join(
            f'<td data-label="{escape(label)}"><span class="day-cell"><span class="muted figures">{count:,}</span>'
            f"{badge(word, tone=tone)}</span></td>"
            for label, count, word, tone in cells
        )
    )


@register.simple_tag
def side_cells(sides: Iterable[tuple[int, Decimal] | None], *, has_sum: bool) -> SafeString:
    """Cells of a `books` table, one for what each side says: the sum with the count under it, or the count alone."""
    cells = []
    for figures in sides:
        if figures is None:
            text = '<span class="faint">–</span>'
        elif has_sum:
            text = f'<span class="figures">{money(figures[1])}<span class="count">{figures[0]:,}</span></span>'
        else:
            text = f"{figures[0]:,}"
        cells.append(f'<td data-kind="number">{text}</td>')
    return SafeString("".join(cells))
