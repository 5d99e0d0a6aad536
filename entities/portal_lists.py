"""The portal's lists of records: the filters and the order of the API's lists, read from the newest record down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from entities.listings import LISTINGS, Filters, Listing
from entities.models import Activity, Customer, Entity, Record, Transaction
from entities.paging import PER_PAGE, Page, Position, keyset_page
from entities.scans import Scan
from entities.selectors import total_of, with_canonical
from track360.models import Environment

COUNTED_UP_TO = 1_000
"""Of a filtered list: 1,000+ says as much to a person as 10,000+, which takes up to ten times as long to count."""

# The partner's own id: the search box of the list. Activity has none; there the customer is a filter.
ID_COLUMNS = {Entity.CUSTOMERS: "customer_id", Entity.TRANSACTIONS: "transaction_id"}


@dataclass(frozen=True)
class RecordPage:
    page: Page[Record]
    total: int
    total_capped: bool


def newest_records(
    environment: Environment,
    entity: Entity,
    *,
    filters: Filters | None = None,
    record_id: str = "",
    before: str = "",
    after: str = "",
) -> RecordPage:
    """A page of the records of an entity, newest first (with a date filter: by that date), with canonical statuses.

    `filters` as for `selectors.records_for`; `record_id` is the partner's id, compared exactly.
    """
    listing = LISTINGS[entity]
    filters = filters or {}
    if record_id:
        return _one_by_id(environment, listing, filters, record_id)

    def fetch(position: Position | None, upwards: bool) -> list[Record]:
        scan = Scan(environment, listing, filters, after=position, descending=not upwards)
        return scan.rows(limit=PER_PAGE + 1)

    columns = listing.order(filters)
    page = keyset_page(fetch, model=listing.model, columns=columns, before=before, after=after)
    with_canonical(environment, page.rows)
    return RecordPage(page, *total_of(environment, entity, filters=filters, upto=COUNTED_UP_TO))


def _one_by_id(environment: Environment, listing: Listing, filters: Filters, record_id: str) -> RecordPage:
    """The record with the partner's id, if it matches the filters too."""
    conditions, values = listing.conditions(filters, row="t")
    found = listing.model._default_manager.raw(
        f"SELECT t.* FROM {listing.table} t"
        f" WHERE t.environment_id = %s AND t.{ID_COLUMNS[listing.entity]} = %s{conditions}",
        [environment.pk, record_id, *values],
    )
    rows = with_canonical(environment, found)
    return RecordPage(Page(rows, older=None, newer=None, is_first=True), total=len(rows), total_capped=False)


def newest_of_customer(environment: Environment, entity: Entity, *, customer_id: str, limit: int) -> list[Record]:
    """The newest transactions or activity of a customer."""
    scan = Scan(environment, LISTINGS[entity], {"customer_id": customer_id}, descending=True)
    return with_canonical(environment, scan.rows(limit=limit))


def record_by_number(environment: Environment, entity: Entity, number: int) -> Record | None:
    """The record with this internal id, if it is in this environment: what page addresses are made of."""
    records = LISTINGS[entity].model._default_manager.filter(environment=environment, pk=number)
    found = with_canonical(environment, records)
    return found[0] if found else None


def link_customers(environment: Environment, records: Iterable[Record]) -> None:
    """Set `customer_number`, the internal id of the customer, on transactions and activity: links are made of it."""
    linked = [record for record in records if isinstance(record, Transaction | Activity)]
    customers = Customer.objects.filter(
        environment=environment, customer_id__in={record.customer_id for record in linked}
    )
    numbers = dict(customers.values_list("customer_id", "id"))
    for record in linked:
        record.customer_number = numbers.get(record.customer_id)


def newest_customer_id(environment: Environment) -> str:
    """The partner's id of the customer that came last; empty where there is none."""
    newest = Customer.objects.filter(environment=environment).order_by("-id").values_list("customer_id", flat=True)
    return newest.first() or ""
