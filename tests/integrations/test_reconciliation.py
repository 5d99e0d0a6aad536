"""The books of both sides: days of any zone, sums to the cent, what changed, versions, doubled days, waivers."""

from __future__ import annotations

import datetime as dt
import threading
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.utils import timezone

from entities.door_lists import Cell, Which, differences_in, records_in
from entities.models import Batch, Difference, Entity
from entities.pipeline import Door, Policy, ingest
from entities.totals import Line
from integrations.models import DayTotals, DoubledDay, TotalsWatermark, Waiver
from integrations.reconciliation import compare, compute
from integrations.reconciliation.compare import EntityDay, State, compared
from integrations.reconciliation.compute import compute_day, refresh
from integrations.reconciliation.control import put_control_totals
from integrations.reconciliation.days import Side, bounds_of, settles_at
from integrations.reconciliation.doubled import say_which_is_right
from integrations.reconciliation.taking import Taken, take_pulled
from integrations.reconciliation.waivers import waive, waive_records, withdraw_waiver
from tests.factories import ActivityFactory, CustomerFactory, TransactionFactory
from tests.payloads import sample
from track360.audit import Actor
from track360.models import AuditEvent, Environment

DAY = dt.date(2026, 3, 12)
MALTA = "Europe/Malta"
ACTOR = Actor(client_id="platform")
# Where the pipeline writes and `refresh` reads: a batch of the test's own transaction would not have been committed.
committed = pytest.mark.django_db(transaction=True)


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


def line(count: int, amount: str | None, *, currency: str = "USD", type: str = "deposit") -> Line:
    return Line(currency, type, count, None if amount is None else Decimal(amount))


def newest(environment: Environment, side: str = Side.STORED, *, entity: str = "transactions", day: dt.date = DAY):
    rows = DayTotals.objects.filter(environment=environment, entity=entity, side=side, day=day)
    return [(row["type"], row["count"], row["sum"]) for row in rows.order_by("-pk")[0].lines] if rows else None


def say(environment: Environment, *lines: Line, entity: str = "transactions", day: dt.date = DAY) -> DayTotals:
    return put_control_totals(
        environment, entity, day, lines, origin=DayTotals.Origin.API, time_zone="UTC", actor=ACTOR
    )


def of_day(environment: Environment, *, entity: str = "transactions", day: dt.date = DAY, now: Any = None) -> EntityDay:
    found = compared(environment, [day], time_zone="UTC", now=now or timezone.now(), entities=[entity])
    return found[entity, day]


def store(environment: Environment, **fields: Any) -> None:
    values = {"transaction_date": utc(2026, 3, 12, 12), "currency": "USD", "updated_at": timezone.now()}
    TransactionFactory(environment=environment, **values | fields)


# -- Days -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "zone", "first", "hours"),
    [
        (dt.date(2026, 3, 12), "UTC", utc(2026, 3, 12), 24),
        (dt.date(2026, 3, 12), MALTA, utc(2026, 3, 11, 23), 24),
        (dt.date(2026, 3, 29), MALTA, utc(2026, 3, 28, 23), 23),
        (dt.date(2026, 10, 25), MALTA, utc(2026, 10, 24, 22), 25),
        (dt.date(2026, 3, 12), "Asia/Kathmandu", utc(2026, 3, 11, 18, 15), 24),
        (dt.date(2018, 11, 4), "America/Sao_Paulo", utc(2018, 11, 4, 3), 23),  # no midnight
        (dt.date(2011, 12, 30), "Pacific/Apia", utc(2011, 12, 30, 10), 0),  # no such day
    ],
)
def test_a_day_begins_and_ends_at_the_midnights_of_its_zone(day: dt.date, zone: str, first: dt.datetime, hours: int):
    begins, ends = bounds_of(day, zone)

    assert (begins, (ends - begins) / dt.timedelta(hours=1)) == (first, hours)


def test_a_day_settles_at_six_of_the_next_or_when_it_is_over_where_that_is_later():
    assert settles_at(DAY, MALTA) == utc(2026, 3, 13, 6)
    assert settles_at(DAY, "America/Los_Angeles") == utc(2026, 3, 13, 7)


def test_a_record_belongs_to_the_day_of_the_zone(environment: Environment):
    store(environment, transaction_date=utc(2026, 10, 24, 21, 59, 59), amount_currency=Decimal(1))
    store(environment, transaction_date=utc(2026, 10, 24, 22), amount_currency=Decimal(2))
    store(environment, transaction_date=utc(2026, 10, 25, 22, 59, 59), amount_currency=Decimal(4))
    store(environment, transaction_date=utc(2026, 10, 25, 23), amount_currency=Decimal(8))

    refresh(environment, MALTA)

    sums = {day: newest(environment, day=day) for day in (dt.date(2026, 10, day) for day in (24, 25, 26))}
    assert [found[0][2] for found in sums.values()] == ["1.00", "6.00", "8.00"]


# -- Counting -------------------------------------------------------------------


def test_sums_are_exact_by_currency_and_type(environment: Environment):
    for number in range(10):
        store(environment, amount_currency=Decimal("0.10"))
        store(environment, amount_currency=Decimal("9999999999999.99"), currency="EUR", transaction_type="withdrawal")
        store(environment, amount_currency=-Decimal(number), transaction_type="adjustment")

    compute_day(environment, "transactions", DAY, "UTC")

    (row,) = DayTotals.objects.filter(side=Side.STORED)
    assert row.lines == [
        {"currency": "EUR", "type": "withdrawal", "count": 10, "sum": "99999999999999.90"},
        {"currency": "USD", "type": "adjustment", "count": 10, "sum": "-45.00"},
        {"currency": "USD", "type": "deposit", "count": 10, "sum": "1.00"},
    ]


def test_customers_are_counted_by_sign_up_and_activity_summed_by_its_own_date(environment: Environment):
    CustomerFactory(environment=environment, signup_date=utc(2026, 3, 11, 23, 30))
    ActivityFactory(environment=environment, date=DAY, ggr=Decimal("-5.25"))
    ActivityFactory(environment=environment, date=DAY, game_type="poker", ggr=None)

    refresh(environment, MALTA)

    assert newest(environment, entity="customers") == [("", 1, None)]
    assert newest(environment, entity="activity") == [("", 2, "-5.25")]


def pull(environment: Environment, records: list[Any], *, door: Door = Door.COMPARE) -> None:
    policy = Policy(door=door, run_id=uuid.uuid4(), fetched_since=timezone.now() + dt.timedelta(hours=1))
    ingest(environment, "transactions", records, door=Batch.Door.PULL, lenient=True, policy=policy)


def one(number: int, **changes: Any) -> dict[str, Any]:
    return sample(
        "transactions", **{"transaction_id": f"txn_{number}", "transaction_date": f"{DAY}T10:00:00Z"} | changes
    )


@pytest.fixture
def hybrid(environment: Environment, customer: str) -> Environment:
    """txn_1 by both doors, 2 pushed only, 3 pulled only, 4 pushed and pulled with another amount and type."""
    pushed = [one(number, amount_currency=Decimal(10)) for number in (1, 2, 4)]
    ingest(environment, "transactions", pushed)
    pulled = [one(1, amount_currency=Decimal(10)), one(3, amount_currency=Decimal("7.50"))]
    pull(environment, [*pulled, one(4, amount_currency=Decimal(11), transaction_type="bonus")])
    refresh(environment, "UTC")
    return environment


@committed
def test_what_was_pushed_and_what_was_pulled_are_counted_apart(hybrid: Environment):
    assert newest(hybrid, Side.STORED) == [("deposit", 4, "37.50")]
    assert newest(hybrid, Side.PUSHED) == [("deposit", 3, "30.00")]
    assert newest(hybrid, Side.PULLED) == [("bonus", 1, "11.00"), ("deposit", 2, "17.50")]


def cell(environment: Environment, **filters: str) -> Cell:
    return Cell(environment, Entity.TRANSACTIONS, *bounds_of(DAY, "UTC"), **filters)


def keys(environment: Environment, which: Which, **filters: str) -> list[str]:
    return [row.transaction_id for row in records_in(cell(environment, **filters), which, limit=10)]


@committed
def test_a_cell_lists_the_records_only_here_only_there_and_different(hybrid: Environment):
    assert keys(hybrid, Which.ONLY_PUSHED) == ["txn_2"]
    assert keys(hybrid, Which.ONLY_PULLED) == ["txn_3"]
    (different,) = records_in(cell(hybrid), Which.DIFFERENT, limit=10)
    assert (different.transaction_id, different.said["amount_currency"]) == ("txn_4", 11)
    assert different.differing_fields == ["transaction_type", "amount_currency"]
    assert keys(hybrid, Which.ONLY_PUSHED, currency="EUR") == keys(hybrid, Which.ONLY_PUSHED, type="bonus") == []


@committed
def test_a_sighting_of_an_earlier_version_counts_no_more(hybrid: Environment):
    ingest(hybrid, "transactions", [one(1, amount_currency=Decimal(12))])
    refresh(hybrid, "UTC")

    assert newest(hybrid, Side.PUSHED) == [("deposit", 3, "32.00")]
    assert newest(hybrid, Side.PULLED) == [("bonus", 1, "11.00"), ("deposit", 1, "7.50")]


# -- Taking the pulled one ------------------------------------------------------


@committed
def test_the_pulled_version_is_taken_and_stands_as_pulled(hybrid: Environment):
    found = differences_in(cell(hybrid), limit=10)

    assert take_pulled(hybrid, "transactions", found, actor=ACTOR) == Taken(taken=1)

    closed = Difference.objects.get()
    assert (closed.outcome, closed.client_id) == ("taken", "platform")
    assert keys(hybrid, Which.DIFFERENT) == []
    assert sorted(keys(hybrid, Which.ONLY_PULLED)) == ["txn_3", "txn_4"]
    assert AuditEvent.objects.filter(action="difference.taken", client_id="platform").count() == 1
    refresh(hybrid, "UTC")
    assert newest(hybrid, Side.STORED) == [("bonus", 1, "11.00"), ("deposit", 3, "27.50")]


@committed
def test_a_version_pushed_after_the_fetch_is_never_replaced(hybrid: Environment):
    ingest(hybrid, "transactions", [one(4, amount_currency=Decimal(99))])

    assert take_pulled(hybrid, "transactions", differences_in(cell(hybrid), limit=10), actor=ACTOR) == Taken(kept=1)
    assert Difference.objects.get().closed_at is None
    assert keys(hybrid, Which.DIFFERENT) == ["txn_4"]


# -- Leaving what was pushed ------------------------------------------------------


@committed
def test_a_waived_record_is_no_difference_and_still_counts_as_it_was_pulled(hybrid: Environment):
    found = differences_in(cell(hybrid), limit=10)

    assert waive_records(hybrid, "transactions", found, reason=" A test of ours. ", actor=ACTOR) == 1

    closed = Difference.objects.get()
    assert (closed.outcome, closed.reason, closed.client_id) == ("waived", "A test of ours.", "platform")
    assert closed.closed_at is not None
    event = AuditEvent.objects.get(action="difference.waived")
    assert (event.target, event.detail) == ("transactions txn_4", {"reason": "A test of ours.", "keys": ["txn_4"]})
    assert keys(hybrid, Which.DIFFERENT) == []
    assert differences_in(cell(hybrid), limit=10) == []
    assert keys(hybrid, Which.ONLY_PUSHED) == ["txn_2"]
    (waived,) = records_in(cell(hybrid), Which.WAIVED, limit=10)
    assert (waived.transaction_id, waived.waived_because, waived.waived_by) == ("txn_4", "A test of ours.", "platform")
    refresh(hybrid, "UTC")
    assert newest(hybrid, Side.PUSHED) == [("deposit", 3, "30.00")]
    assert newest(hybrid, Side.PULLED) == [("bonus", 1, "11.00"), ("deposit", 2, "17.50")]


@committed
def test_a_version_pushed_after_the_waiver_is_no_more_waived(hybrid: Environment):
    waive_records(hybrid, "transactions", differences_in(cell(hybrid), limit=10), reason="A test.", actor=ACTOR)
    ingest(hybrid, "transactions", [one(4, amount_currency=Decimal(99))])

    assert keys(hybrid, Which.WAIVED) == []
    assert keys(hybrid, Which.ONLY_PUSHED) == ["txn_2", "txn_4"]
    pull(hybrid, [one(4, amount_currency=Decimal(11), transaction_type="bonus")])
    assert keys(hybrid, Which.DIFFERENT) == ["txn_4"]


def test_records_are_waived_with_a_reason_alone_and_once(environment: Environment, customer: str):
    ingest(environment, "transactions", [one(1)])
    pull(environment, [one(1, note="another")])
    found = differences_in(cell(environment), limit=10)
    with pytest.raises(ValidationError) as refused:
        waive_records(environment, "transactions", found, reason=" ", actor=ACTOR)
    assert (refused.value.code, Difference.objects.get().closed_at) == ("reason", None)

    assert waive_records(environment, "transactions", found, reason="A test.", actor=ACTOR) == 1
    assert waive_records(environment, "transactions", found, reason="Again.", actor=ACTOR) == 0
    assert Difference.objects.get().reason == "A test."
    assert AuditEvent.objects.filter(action="difference.waived").count() == 1


# -- What changed ---------------------------------------------------------------


def test_only_the_days_that_changed_are_computed_again(environment: Environment):
    store(environment)
    store(environment, transaction_date=utc(2026, 3, 14, 12))
    assert refresh(environment, "UTC") == {DAY, dt.date(2026, 3, 14)}
    assert refresh(environment, "UTC") == set()

    store(environment, amount_currency=Decimal(1))

    assert refresh(environment, "UTC") == {DAY}
    assert newest(environment) == [("deposit", 2, "1501.10")]


def test_a_large_day_rests_after_it_was_counted_and_is_not_forgotten(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(compute, "RECORDS_A_MINUTE", 2)
    for _ in range(4):
        store(environment)
    assert refresh(environment, "UTC") == {DAY}

    store(environment, amount_currency=Decimal(1))
    store(environment, transaction_date=utc(2026, 3, 14, 12))
    assert refresh(environment, "UTC") == {dt.date(2026, 3, 14)}
    DayTotals.objects.filter(day=DAY).update(at=timezone.now() - dt.timedelta(minutes=1, seconds=50))
    assert refresh(environment, "UTC") == set()
    DayTotals.objects.filter(day=DAY).update(at=timezone.now() - dt.timedelta(minutes=2))
    assert refresh(environment, "UTC") == {DAY}
    assert sum(count for _, count, _ in newest(environment)) == 5


@committed
def test_a_record_that_moves_to_another_day_leaves_the_old_one(environment: Environment, customer: str):
    ingest(environment, "transactions", [one(1)])
    refresh(environment, "UTC")
    ingest(environment, "transactions", [one(1, transaction_date="2026-03-20T10:00:00Z")])

    assert refresh(environment, "UTC") == {DAY, dt.date(2026, 3, 20)}
    assert newest(environment) == []


@committed
def test_activity_that_is_taken_back_leaves_its_day(environment: Environment, customer: str):
    ingest(environment, "activity", [sample("activity")])
    refresh(environment, "UTC")
    day = dt.date(2026, 3, 15)
    assert newest(environment, entity="activity", day=day) == [("", 1, "105.25")]

    ingest(environment, "activity", [], shape="array", replace_day=day)
    refresh(environment, "UTC")

    assert newest(environment, entity="activity", day=day) == []


@committed
def test_a_difference_that_is_over_changes_what_was_pulled(hybrid: Environment):
    pull(hybrid, [one(4, amount_currency=Decimal(10))])
    refresh(hybrid, "UTC")

    assert newest(hybrid, Side.PULLED) == [("deposit", 3, "27.50")]


def test_another_time_zone_counts_every_day_anew(environment: Environment):
    store(environment, transaction_date=utc(2026, 3, 11, 23, 30), amount_currency=Decimal(3))
    refresh(environment, "UTC")
    assert newest(environment, day=dt.date(2026, 3, 11)) == [("deposit", 1, "3.00")]

    refresh(environment, MALTA)

    assert newest(environment, day=dt.date(2026, 3, 11)) == []
    assert newest(environment) == [("deposit", 1, "3.00")]


def test_what_the_time_does_not_allow_is_done_by_the_next_call(environment: Environment):
    for day in range(1, 4):
        store(environment, transaction_date=utc(2026, 3, day))

    assert refresh(environment, "UTC", budget_seconds=0) == set()
    assert TotalsWatermark.objects.get(entity="transactions").pending == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert len(refresh(environment, "UTC")) == 3
    assert TotalsWatermark.objects.get(entity="transactions").pending == []


@committed
def test_a_batch_that_commits_late_is_not_missed(environment: Environment, customer: str):
    """It has written its rows when the totals are brought up, and commits after that."""
    written, looked = threading.Event(), threading.Event()

    def slow() -> None:
        def wait(report: Any) -> None:
            written.set()
            looked.wait(10)

        try:
            ingest(environment, "transactions", [one(1)], also=wait)
        finally:
            connection.close()

    writer = threading.Thread(target=slow)
    writer.start()
    assert written.wait(10)
    refresh(environment, "UTC")
    assert newest(environment) is None
    looked.set()
    writer.join()
    refresh(environment, "UTC")

    assert newest(environment) == [("deposit", 1, "1500.00")]


# -- Versions, doubled days -----------------------------------------------------


def test_before_a_day_has_settled_its_computed_total_is_written_over(environment: Environment):
    today = timezone.now()
    for _ in range(3):
        store(environment, transaction_date=today - dt.timedelta(minutes=1))
        refresh(environment, "UTC")
    day = (today - dt.timedelta(minutes=1)).date()

    assert DayTotals.objects.filter(side=Side.STORED, day=day).count() == 1
    assert newest(environment, day=day)[0][1] == 3


def test_afterwards_each_change_is_a_version_and_no_change_is_none(environment: Environment):
    for number in range(1, 4):
        store(environment, amount_currency=Decimal(number))
        refresh(environment, "UTC")
        compute_day(environment, "transactions", DAY, "UTC")

    versions = DayTotals.objects.filter(side=Side.STORED).order_by("pk")
    assert [row.lines[0]["sum"] for row in versions] == ["1.00", "3.00", "6.00"]


def test_a_settled_day_that_becomes_twice_an_earlier_total_is_flagged_once(environment: Environment):
    for _ in range(2):
        store(environment, amount_currency=Decimal("2.50"))
    refresh(environment, "UTC")
    for _ in range(2):
        store(environment, amount_currency=Decimal("2.50"))
    refresh(environment, "UTC")
    store(environment, currency="EUR")  # another line of the same day
    refresh(environment, "UTC")

    found = DoubledDay.objects.get()
    assert (found.entity, found.day, found.currency, found.type) == ("transactions", DAY, "USD", "deposit")
    assert [totals.lines[0]["sum"] for totals in (found.earlier, found.later)] == ["5.00", "10.00"]


def test_rows_written_over_with_twice_their_amounts_are_a_doubled_day_too(environment: Environment):
    row = ActivityFactory(environment=environment, date=DAY, ggr=Decimal("4.20"), updated_at=timezone.now())
    refresh(environment, "UTC")
    row.ggr, row.updated_at = Decimal("8.40"), timezone.now()
    row.save()
    refresh(environment, "UTC")

    assert DoubledDay.objects.get().entity == "activity"


@pytest.mark.parametrize(("count", "amount"), [(3, "20.00"), (4, "20.01"), (2, "10.00"), (4, "10.00")])
def test_what_is_not_twice_the_earlier_total_is_not_flagged(environment: Environment, count: int, amount: str):
    say(environment, line(2, "10.00"))
    say(environment, line(count, amount))

    assert not DoubledDay.objects.exists()


def test_a_control_total_given_again_and_doubled_is_flagged_until_a_person_says_which_is_right(
    environment: Environment, other_environment: Environment
):
    say(environment, line(2, "10.00"))
    say(environment, line(3, "11.00"))
    say(environment, line(4, "20.00"))
    number = DoubledDay.objects.get().pk

    assert say_which_is_right(other_environment, number, verdict="later", reason="x", actor=ACTOR) is None
    for verdict, reason in (("both", "x"), ("later", " "), ("later", "a\x00"), ("later", "x" * 1001)):
        with pytest.raises(ValidationError):
            say_which_is_right(environment, number, verdict=verdict, reason=reason, actor=ACTOR)
    say_which_is_right(environment, number, verdict="later", reason="A second shop.", actor=ACTOR)

    assert DoubledDay.objects.get(verdict="later").client_id == "platform"


# -- Control totals -------------------------------------------------------------


def test_the_same_control_total_again_writes_nothing_and_another_one_is_a_version(environment: Environment):
    first = say(environment, line(1, "5"))
    assert say(environment, line(1, "5.00")) == first
    say(environment)

    assert [len(row.lines) for row in DayTotals.objects.order_by("pk")] == [1, 0]
    assert AuditEvent.objects.filter(action="control_totals.given").count() == 2


def test_said_before_the_day_was_over_it_counts_once_it_is_said_again(environment: Environment):
    early = say(environment)
    DayTotals.objects.filter(pk=early.pk).update(at=utc(2026, 3, 12, 20))
    assert of_day(environment).state == State.UNSAID

    say(environment)

    assert of_day(environment).state == State.AGREES


@pytest.mark.parametrize(
    ("entity", "lines", "code"),
    [
        ("transactions", [line(1, "1", currency="XXQ")], "currency"),
        ("transactions", [line(1, "1", currency="")], "currency"),
        ("transactions", [line(1, "1.001")], "sum"),
        ("transactions", [line(1, "1e30")], "sum"),
        ("transactions", [line(1, "NaN")], "sum"),
        ("transactions", [line(1, None)], "sum"),
        ("transactions", [line(-1, "1")], "count"),
        ("transactions", [line(1, "1", type="gift")], "type"),
        ("transactions", [line(1, "1"), line(2, "2")], "duplicate"),
        ("transactions", [line(1, "1"), line(2, "2", type="")], "type"),
        ("activity", [line(1, "1")], "type"),
        ("customers", [line(1, None, type="")], "currency"),
        ("customers", [line(1, "1", currency="", type="")], "sum"),
    ],
)
def test_a_line_that_cannot_be_names_its_place(environment: Environment, entity: str, lines: list[Line], code: str):
    with pytest.raises(ValidationError) as refusal:
        say(environment, *lines, entity=entity)

    assert [error.code for error in refusal.value.error_list] == [code]
    assert refusal.value.error_list[0].params["index"] == len(lines) - 1
    assert not DayTotals.objects.exists()


def test_a_day_that_lies_ahead_has_no_control_total(environment: Environment):
    with pytest.raises(ValidationError) as refusal:
        say(environment, day=timezone.now().date() + dt.timedelta(days=2))

    assert refusal.value.code == "day"


# -- Comparing ------------------------------------------------------------------


def test_a_day_agrees_differs_or_waits_for_the_partner(environment: Environment):
    store(environment, amount_currency=Decimal(5))
    refresh(environment, "UTC")
    assert of_day(environment).state == State.UNSAID
    assert of_day(environment, now=utc(2026, 3, 12, 23)).state == State.OPEN

    say(environment, line(1, "5"))
    assert of_day(environment).state == State.AGREES

    say(environment, line(2, "7.50"))
    (found,) = of_day(environment).differing
    assert (found.currency, found.count_difference, found.sum_difference) == ("USD", -1, Decimal("-2.50"))

    say(environment)
    assert of_day(environment).state == State.DIFFERS


def test_lines_without_a_type_are_compared_by_currency(environment: Environment):
    store(environment, amount_currency=Decimal(5))
    store(environment, amount_currency=Decimal(2), transaction_type="bonus")
    refresh(environment, "UTC")

    say(environment, line(2, "7", type=""))

    day = of_day(environment)
    assert day.state == State.AGREES
    assert {cell.state for cell in day.currencies[0].types} == {State.UNSAID}


def test_types_that_are_swapped_show_though_the_currency_agrees(environment: Environment):
    store(environment, amount_currency=Decimal(5))
    refresh(environment, "UTC")
    say(environment, line(1, "5", type="bonus"))

    day = of_day(environment)

    assert (day.state, day.currencies[0].total.state) == (State.AGREES, State.AGREES)
    assert [cell.state for cell in day.currencies[0].types] == [State.DIFFERS, State.DIFFERS]


def test_what_was_said_for_another_time_zone_does_not_count(environment: Environment):
    say(environment)
    found = compared(environment, [DAY], time_zone=MALTA, now=timezone.now())

    assert found["transactions", DAY].state == State.UNSAID


def give_up(environment: Environment, *, type: str = "", reason: str = "A test deposit.") -> Waiver:
    return waive(
        environment,
        "transactions",
        DAY,
        currency="USD",
        type=type,
        reason=reason,
        time_zone="UTC",
        actor=ACTOR,
    )


def test_a_waiver_holds_for_just_that_difference_until_it_is_withdrawn(environment: Environment):
    say(environment, line(1, "5"))
    give_up(environment)
    assert of_day(environment).state == State.WAIVED
    with pytest.raises(ValidationError):
        give_up(environment)

    say(environment, line(1, "6"))
    assert of_day(environment).state == State.DIFFERS
    give_up(environment)
    assert of_day(environment).state == State.WAIVED

    withdraw_waiver(environment, "transactions", DAY, currency="USD", type="", actor=ACTOR)
    assert of_day(environment).state == State.DIFFERS
    with pytest.raises(ValidationError):
        withdraw_waiver(environment, "transactions", DAY, currency="USD", type="", actor=ACTOR)


def test_a_currency_whose_types_are_all_waived_is_waived(environment: Environment):
    say(environment, line(1, "5"), line(2, "6", type="bonus"))
    give_up(environment, type="deposit")
    assert of_day(environment).state == State.DIFFERS

    give_up(environment, type="bonus")

    assert of_day(environment).state == State.WAIVED


def test_a_waiver_needs_a_reason_and_a_difference(environment: Environment):
    with pytest.raises(ValidationError):
        give_up(environment)
    say(environment, line(1, "5"))
    with pytest.raises(ValidationError):
        give_up(environment, reason=" ")


def test_the_worst_part_says_how_the_whole_stands():
    assert compare.worst([State.AGREES, State.WAIVED, State.DIFFERS]) == State.DIFFERS
    assert compare.worst([State.AGREES, State.WAIVED]) == State.WAIVED
    assert compare.worst([]) == State.AGREES
