"""Reading rows that are too much for the memory at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from django.db.models import Model, QuerySet

M = TypeVar("M", bound=Model)


def in_chunks(rows: QuerySet[M], size: int) -> Iterator[M]:
    """The rows in their order, of which `size` are in memory; of all others only the ids.

    Not by `iterator()`: without a server-side cursor (settings, DATABASES) that reads the whole result at once. Who has
    gone meanwhile is left out.
    """
    ids = list(rows.values_list("pk", flat=True))
    for start in range(0, len(ids), size):
        yield from rows.filter(pk__in=ids[start : start + size])
