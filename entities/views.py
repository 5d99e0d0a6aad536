"""Pages of the records: three lists, and three kinds of record with their history."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from typing import Any, cast
from urllib.parse import urlencode

from django.http import Http404, HttpResponse

from entities.addresses import page_addresses, portal_url, request_url
from entities.forms import RecordFilterForm
from entities.history import History, requests_of, versions_of
from entities.models import Activity, Customer, Entity, Record, Transaction
from entities.paging import Page
from entities.portal_lists import (
    RecordPage,
    link_customers,
    newest_customer_id,
    newest_of_customer,
    newest_records,
    record_by_number,
)
from entities.privacy import sees_personal_data
from entities.revenue import revenue_steps
from entities.selectors import total_of
from entities.snippets import push_command
from track360.access import OWNERS, portal_view
from track360.htmx import PortalRequest, render_page

LATEST = 10


# -- Lists --------------------------------------------------------------------


@dataclass(frozen=True)
class ListPage:
    """What the lists of records differ in."""

    entity: Entity
    page: str  # the first part of its pages' names
    title: str
    icon_name: str
    table: str
    empty_title: str
    empty_hint: str


CUSTOMERS = ListPage(
    Entity.CUSTOMERS,
    "customer",
    "Customers",
    "customers",
    "entities/_customer_table.html",
    "No customers yet",
    "A customer shows here as soon as it is stored. With an access token in TOKEN, this sends one:",
)
TRANSACTIONS = ListPage(
    Entity.TRANSACTIONS,
    "transaction",
    "Transactions",
    "transactions",
    "entities/_transaction_table.html",
    "No transactions yet",
    "A transaction names a customer that is already stored. With an access token in TOKEN, this sends one:",
)
ACTIVITY = ListPage(
    Entity.ACTIVITY,
    "activity",
    "Activity",
    "activity",
    "entities/_activity_table.html",
    "No activity yet",
    "One row is a player's day in one game type and currency. With an access token in TOKEN, this sends one:",
)


@portal_view()
def customer_list(request: PortalRequest) -> HttpResponse:
    return _record_list(request, CUSTOMERS)


@portal_view()
def transaction_list(request: PortalRequest) -> HttpResponse:
    return _record_list(request, TRANSACTIONS)


@portal_view()
def activity_list(request: PortalRequest) -> HttpResponse:
    return _record_list(request, ACTIVITY)


def _record_list(request: PortalRequest, listed: ListPage) -> HttpResponse:
    environment, entity = request.environment, listed.entity
    form = RecordFilterForm(request.GET, entity=entity)
    found = RecordPage(Page([], None, None, True), 0, False)
    if form.is_valid():
        found = newest_records(
            environment,
            entity,
            filters=form.filters(),
            record_id=form.record_id(),
            before=request.GET.get("before", ""),
            after=request.GET.get("after", ""),
        )
    if entity != Entity.CUSTOMERS:
        link_customers(environment, found.page.rows)
    all_of_them = found.total if form.is_valid() and not form.is_filtered else total_of(environment, entity)[0]
    context = {
        **vars(listed),
        "form": form,
        "clear": request.path if form.is_filtered else "",
        "records": found.page.rows,
        "state": _list_state(listed, all_of_them),
        "shown": _shown(found, listed),
        **page_addresses(request, found.page),
    }
    if not all_of_them:
        context["command"] = push_command(entity, customer_id=newest_customer_id(environment))
    return render_page(request, "entities/record_list.html", context, fragment="records")


def _list_state(listed: ListPage, total: int) -> str:
    if not total:
        return f"{listed.empty_title}. Next: send the first one, with the command below."
    return f"{total:,} {_noun(listed, total)}, the last received first."


def _noun(listed: ListPage, count: int) -> str:
    if listed.entity == Entity.ACTIVITY:
        return "row of activity" if count == 1 else "rows of activity"
    return listed.entity.value[:-1] if count == 1 else listed.entity.value


def _shown(found: RecordPage, listed: ListPage) -> str:
    total = f"{found.total:,}" + ("+" if found.total_capped else "")
    return f"{len(found.page.rows)} of {total} {_noun(listed, found.total)}"


# -- One record ---------------------------------------------------------------


@portal_view()
def customer_detail(request: PortalRequest, number: int) -> HttpResponse:
    customer = cast(Customer, _record_or_404(request, Entity.CUSTOMERS, number))
    of_customer = urlencode({"customer_id": customer.customer_id})
    newest = partial(newest_of_customer, request.environment, customer_id=customer.customer_id, limit=LATEST)
    return _record_page(
        request,
        CUSTOMERS,
        customer,
        "entities/customer_detail.html",
        {
            "title": customer.customer_id,
            "state": f"Signed up {customer.signup_date:%-d %b %Y}, brought by {customer.affiliate_id}",
            "affiliate_query": urlencode({"affiliate_id": customer.affiliate_id}),
            "transactions": newest(Entity.TRANSACTIONS),
            "activity": newest(Entity.ACTIVITY),
            "transactions_url": f"{portal_url(request, 'transaction-list')}?{of_customer}",
            "activity_url": f"{portal_url(request, 'activity-list')}?{of_customer}",
            "erase_url": f"{portal_url(request, 'settings-erase')}?{of_customer}" if request.role in OWNERS else "",
        },
    )


@portal_view()
def transaction_detail(request: PortalRequest, number: int) -> HttpResponse:
    transaction = cast(Transaction, _record_or_404(request, Entity.TRANSACTIONS, number))
    link_customers(request.environment, [transaction])
    rate = transaction.fx_rate
    return _record_page(
        request,
        TRANSACTIONS,
        transaction,
        "entities/transaction_detail.html",
        {
            "title": transaction.transaction_id,
            "state": f"{transaction.transaction_type.capitalize()} of {transaction.amount_currency:,.2f}"
            f" {transaction.currency} by {transaction.customer_id}",
            "rate": None if rate is None else f"{rate.normalize():f}",
        },
    )


@portal_view()
def activity_detail(request: PortalRequest, number: int) -> HttpResponse:
    activity = cast(Activity, _record_or_404(request, Entity.ACTIVITY, number))
    link_customers(request.environment, [activity])
    return _record_page(
        request,
        ACTIVITY,
        activity,
        "entities/activity_detail.html",
        {
            "title": f"{activity.date:%Y-%m-%d} {activity.game_type} {activity.currency}",
            "state": f"One day of {activity.customer_id}",
            "steps": revenue_steps(activity),
        },
    )


def _record_or_404(request: PortalRequest, entity: Entity, number: int) -> Record:
    record = record_by_number(request.environment, entity, number)
    if record is None:
        raise Http404("No such record.")
    return record


def _record_page(
    request: PortalRequest, listed: ListPage, record: Record, template: str, context: dict[str, Any]
) -> HttpResponse:
    personal = sees_personal_data(request)
    history = versions_of(request.environment, listed.entity, record, personal=personal)
    batches = {record.batch_id, *(version.batch_id for version in history.versions)}
    requests = requests_of(request.environment, batches)
    list_url = portal_url(request, f"{listed.page}-list")
    return render_page(
        request,
        template,
        {
            **context,
            "state": f"{context['state']}. {_changes(history)}",
            "record": record,
            "personal": personal,
            "list_url": list_url,
            "breadcrumbs": [(listed.title, list_url), (context["title"], None)],
            "timeline": _timeline(request, history, requests),
            "history_is_complete": history.is_complete,
            "request_url": request_url(request, requests.get(record.batch_id)),
        },
    )


def _changes(history: History) -> str:
    changes = len(history.versions) - history.is_complete
    if not changes:
        return "Never changed since it came."
    return (
        f"Changed {'once' if changes == 1 else f'{changes} times'} since it came."
        if history.is_complete
        else (f"Changed more than {changes} times since it came.")
    )


def _timeline(request: PortalRequest, history: History, requests: dict[uuid.UUID, uuid.UUID]) -> list[dict[str, Any]]:
    """The entries of `components/timeline.html`."""
    return [
        {
            "at": version.at,
            "title": version.title,
            "source": f"by {version.source}" if version.source else "",
            "changes": version.changes,
            "url": request_url(request, requests.get(version.batch_id)),
        }
        for version in history.versions
    ]
