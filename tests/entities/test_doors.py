"""Which version wins where records come by more than one door (contract, section 3)."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from entities.fx_fill import fill_missing
from entities.models import Batch, Difference, FxRate, QuarantinedRecord, QuarantineEvent, Sighting, Transaction
from entities.pipeline import Door, Policy, Report, ingest
from entities.pipeline.transaction import Contended
from entities.retries import retry
from tests.payloads import sample
from track360.audit import Actor
from track360.models import Environment

HOUR = dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _customer(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))


def pull(environment: Environment, records: list[Any], *, door: Door = Door.PULL, **more: Any) -> Report:
    more = {"run_id": uuid.uuid4(), "fetched_since": timezone.now() + HOUR, **more}
    return ingest(
        environment, "transactions", records, door=Batch.Door.PULL, lenient=True, policy=Policy(door=door, **more)
    )


def stored(environment: Environment) -> Transaction:
    return Transaction.objects.get(environment=environment)


def one(**changes: Any) -> list[Any]:
    return [sample("transactions", **changes)]


def test_a_pulled_version_replaces_what_was_pushed_before_the_fetch(environment: Environment) -> None:
    ingest(environment, "transactions", one())

    report = pull(environment, one(status="reversed"))

    assert report.outcomes == ["updated"]
    assert (stored(environment).status, stored(environment).source) == ("reversed", "pull")


def test_a_pulled_version_never_replaces_one_pushed_since_the_fetch_began(environment: Environment) -> None:
    ingest(environment, "transactions", one())

    report = pull(environment, one(status="reversed"), fetched_since=timezone.now() - HOUR)

    assert report.outcomes == ["stale"]
    assert [warning.code for warning in report.warnings] == ["stale"]
    assert "came later and stands" in report.warnings[0].message
    assert stored(environment).status == "approved"
    assert Batch.objects.get(pk=report.batch_id).differing == 0


def test_a_pulled_version_replaces_a_pulled_one_at_any_time(environment: Environment) -> None:
    pull(environment, one())

    report = pull(environment, one(status="reversed"), fetched_since=timezone.now() - HOUR)

    assert report.outcomes == ["updated"]


def test_comparing_inserts_what_is_missing(environment: Environment) -> None:
    report = pull(environment, one(), door=Door.COMPARE)

    assert report.outcomes == ["created"]
    assert stored(environment).source == "pull"
    assert not Sighting.objects.exists()


def test_comparing_leaves_the_pushed_version_and_keeps_the_difference(environment: Environment) -> None:
    ingest(environment, "transactions", one())

    report = pull(environment, one(status="reversed", note="late"), door=Door.COMPARE)

    found = Difference.objects.get()
    assert report.outcomes == ["stale"]
    assert (stored(environment).status, stored(environment).source) == ("approved", "push")
    assert (found.record_id, sorted(found.fields), found.payload["status"]) == (
        stored(environment).pk,
        ["note", "status"],
        "reversed",
    )
    assert Batch.objects.get(pk=report.batch_id).differing == 1


def test_another_difference_of_the_same_record_takes_the_place_of_the_first(environment: Environment) -> None:
    ingest(environment, "transactions", one())

    pull(environment, one(status="reversed"), door=Door.COMPARE)
    pull(environment, one(status="declined"), door=Door.COMPARE)

    assert Difference.objects.get().payload["status"] == "declined"


def test_a_difference_is_over_once_both_agree(environment: Environment) -> None:
    ingest(environment, "transactions", one())
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    ingest(environment, "transactions", one(status="reversed"))

    report = pull(environment, one(status="reversed"), door=Door.COMPARE)

    assert report.outcomes == ["unchanged"]
    assert Difference.objects.get().outcome == "agrees"


def test_what_is_taken_back_leaves_no_difference_to_decide_on(environment: Environment) -> None:
    def fetch(record: Any) -> None:
        policy = Policy(door=Door.COMPARE, run_id=uuid.uuid4(), fetched_since=timezone.now() + HOUR)
        ingest(environment, "activity", [record], door=Batch.Door.PULL, lenient=True, policy=policy)

    record = sample("activity")
    ingest(environment, "activity", record)
    fetch(record)
    fetch(record | {"bets_count": record["bets_count"] + 1})
    assert Difference.objects.filter(closed_at=None).count() == Sighting.objects.count() == 1

    ingest(environment, "activity", [], shape="array", replace_day=dt.date.fromisoformat(record["date"]))

    assert not Difference.objects.filter(closed_at=None).exists()
    assert not Sighting.objects.exists()


def waive_the_open_one() -> None:
    Difference.objects.filter(closed_at=None).update(outcome="waived", reason="A test.", closed_at=timezone.now())


def outcomes() -> list[str]:
    return list(Difference.objects.order_by("pk").values_list("outcome", flat=True))


def test_a_waived_difference_that_is_pulled_again_opens_none_but_another_one_does(environment: Environment) -> None:
    ingest(environment, "transactions", one())
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    waive_the_open_one()

    again = pull(environment, one(status="reversed"), door=Door.COMPARE)
    assert (again.outcomes, outcomes()) == (["stale"], ["waived"])

    pull(environment, one(status="declined"), door=Door.COMPARE)
    assert outcomes() == ["waived", ""]

    # While another one is open it follows what is pulled; and what was waived before the last waiver counts no more.
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    assert Difference.objects.get(closed_at=None).payload["status"] == "reversed"
    pull(environment, one(status="declined"), door=Door.COMPARE)
    waive_the_open_one()
    pull(environment, one(status="declined"), door=Door.COMPARE)
    assert outcomes() == ["waived", "waived"]
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    assert outcomes() == ["waived", "waived", ""]


def test_a_waiver_is_of_the_pushed_version_too(environment: Environment) -> None:
    ingest(environment, "transactions", one(status="pending"))
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    waive_the_open_one()
    ingest(environment, "transactions", one(status="pending"))  # the same again is none
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    assert outcomes() == ["waived"]

    ingest(environment, "transactions", one(status="declined"))
    pull(environment, one(status="reversed"), door=Door.COMPARE)

    assert outcomes() == ["waived", ""]


def test_a_waiver_outlives_a_dollar_amount_that_is_filled_in(environment: Environment) -> None:
    sent = {"currency": "BRL", "amount_usd": ..., "transaction_date": "2026-11-20T10:00:00Z"}  # no rate is known yet
    ingest(environment, "transactions", one(**sent))
    pull(environment, one(**sent, status="reversed"), door=Door.COMPARE)
    waive_the_open_one()
    FxRate.objects.create(currency="BRL", day=stored(environment).transaction_date.date(), usd_rate="0.18")
    assert fill_missing(environment) == 1

    pull(environment, one(**sent, status="reversed"), door=Door.COMPARE)

    assert outcomes() == ["waived"]


def test_a_waiver_ends_where_both_agree(environment: Environment) -> None:
    ingest(environment, "transactions", one())
    pull(environment, one(status="reversed"), door=Door.COMPARE)
    waive_the_open_one()

    pull(environment, one(), door=Door.COMPARE)
    assert Difference.objects.get().outcome == "agrees"
    pull(environment, one(status="reversed"), door=Door.COMPARE)

    assert outcomes() == ["agrees", ""]


def test_comparing_looks_only_at_the_fields_that_the_source_has(environment: Environment) -> None:
    ingest(environment, "transactions", one(note="ours"))
    records = one()
    del records[0]["note"]

    fields = frozenset(records[0])
    assert pull(environment, records, door=Door.COMPARE, fields=fields).outcomes == ["unchanged"]
    records[0]["status"] = "reversed"
    assert pull(environment, records, door=Door.COMPARE, fields=fields).outcomes == ["stale"]
    assert Difference.objects.get().fields == ["status"]
    assert pull(environment, records, door=Door.COMPARE, fields=fields | {"note"}).outcomes == ["stale"]


def test_comparing_updates_what_was_pulled(environment: Environment) -> None:
    pull(environment, one(), door=Door.COMPARE)

    report = pull(environment, one(status="reversed"), door=Door.COMPARE)

    assert report.outcomes == ["updated"]
    assert not Difference.objects.exists()


def test_a_record_that_came_by_both_doors_is_sighted_once_a_version(environment: Environment) -> None:
    ingest(environment, "transactions", one())
    pull(environment, one(), door=Door.COMPARE)
    first = Sighting.objects.get()
    pull(environment, one(), door=Door.COMPARE)
    assert (first.door, first.record_id) == ("pull", stored(environment).pk)
    assert Sighting.objects.get().seen_at == first.seen_at

    ingest(environment, "transactions", one(status="reversed"))
    assert Sighting.objects.get().seen_at < stored(environment).updated_at
    pull(environment, one(status="reversed"), door=Door.COMPARE)

    assert Sighting.objects.get().seen_at > stored(environment).updated_at


def test_a_replayed_record_never_replaces_one_stored_after_it_was_refused(environment: Environment) -> None:
    refused_at = timezone.now()
    ingest(environment, "transactions", one())

    def replay(came_at: dt.datetime) -> Report:
        policy = Policy(door=Door.REPLAY, came_at=[came_at])
        return ingest(
            environment, "transactions", one(status="reversed"), door=Batch.Door.REPLAY, lenient=True, policy=policy
        )

    assert replay(refused_at).outcomes == ["stale"]
    assert replay(timezone.now()).outcomes == ["updated"]
    assert stored(environment).source == "replay"


@pytest.mark.parametrize(("pushed_for", "outcome"), [(2 * HOUR, "updated"), (dt.timedelta(), "stale")])
def test_a_replayed_record_that_was_fetched_leaves_what_was_pushed_since_the_fetch_began(
    environment: Environment, pushed_for: dt.timedelta, outcome: str
) -> None:
    pushed = ingest(environment, "transactions", one())
    then = timezone.now() - pushed_for
    Transaction.objects.update(updated_at=then)
    Batch.objects.filter(pk=pushed.batch_id).update(finished_at=then)
    pull(environment, one(status="reversed", currency="EUX"), fetched_since=timezone.now() - HOUR)
    held = QuarantinedRecord.objects.get()
    held.edited = one(status="reversed")[0]
    held.save()

    retry(environment, [held], actor=Actor())

    assert QuarantineEvent.objects.get().outcome == outcome
    assert stored(environment).status == ("reversed" if outcome == "updated" else "approved")


@pytest.mark.parametrize("door", [Door.REPLAY, Door.PULL])
def test_dollars_that_we_fill_in_make_no_later_version(environment: Environment, door: Door) -> None:
    sent = {"currency": "BRL", "amount_usd": None, "transaction_date": "2026-11-20T12:00:00Z"}
    ingest(environment, "transactions", one(**sent))
    then = timezone.now()
    FxRate.objects.create(currency="BRL", day=dt.date(2026, 11, 20), usd_rate=Decimal("0.18405"))
    assert fill_missing(environment) == 1
    assert stored(environment).updated_at > then

    report = ingest(
        environment,
        "transactions",
        one(**sent, status="reversed"),
        door=Batch.Door(door),
        lenient=True,
        policy=Policy(door=door, came_at=[then] if door == Door.REPLAY else (), fetched_since=then),
    )

    assert report.outcomes == ["updated"]


def test_what_is_also_to_be_done_is_undone_with_the_batch(environment: Environment) -> None:
    def lost(report: Report) -> None:
        assert report.stored
        assert Transaction.objects.filter(environment=environment).exists()
        raise LookupError("the lease is another's")

    with pytest.raises(LookupError):
        ingest(environment, "transactions", one(), also=lost)

    assert not Transaction.objects.filter(environment=environment).exists()
    assert not Batch.objects.filter(entity="transactions").exists()


def test_a_pulled_record_that_lacks_only_its_customer_waits_for_him_once(environment: Environment) -> None:
    records = one(customer_id="cst_late")

    pull(environment, records)
    pull(environment, records)

    held = QuarantinedRecord.objects.get()
    assert (held.waits_for, held.state, held.run_id is not None) == ("cst_late", "held", True)


def test_a_refused_record_is_superseded_by_a_newer_version_of_itself(environment: Environment) -> None:
    pull(environment, one(currency="EUX"))
    pull(environment, one(currency="EUY"))
    assert [record.state for record in QuarantinedRecord.objects.order_by("pk")] == ["superseded", "held"]

    pull(environment, one())

    assert {record.state for record in QuarantinedRecord.objects.all()} == {"superseded"}
    assert QuarantineEvent.objects.filter(kind="superseded").count() == 2


def test_refused_records_that_lack_a_part_of_their_key_are_each_held(environment: Environment) -> None:
    """They may be different records: rows of a view that lost its players, say."""

    def fetch(*bets: int) -> None:
        records = [sample("activity", customer_id=None, bets_count=count) for count in bets]
        ingest(
            environment,
            "activity",
            records,
            door=Batch.Door.PULL,
            lenient=True,
            policy=Policy(door=Door.PULL, run_id=uuid.uuid4(), fetched_since=timezone.now()),
        )

    fetch(1, 2)
    fetch(1, 2, 3)
    fetch(4)

    held = QuarantinedRecord.objects.filter(state="held").order_by("pk")
    assert [record.payload["bets_count"] for record in held] == [1, 2, 3, 4]


def test_each_of_the_versions_that_clash_in_a_batch_is_held(environment: Environment) -> None:
    pull(environment, [*one(status="pending"), *one(status="reversed")])
    pull(environment, [*one(status="reversed"), *one(status="declined")])

    held = QuarantinedRecord.objects.filter(state="held").order_by("pk")
    assert [record.payload["status"] for record in held] == ["reversed", "declined"]


def test_the_lag_of_what_is_fetched_is_split_at_our_last_look(environment: Environment) -> None:
    now = timezone.now()
    event = (now - dt.timedelta(minutes=10)).isoformat()

    report = pull(environment, one(transaction_date=event), looked_at=now - dt.timedelta(minutes=4))

    batch = Batch.objects.get(pk=report.batch_id)
    assert batch.lags == [0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
    assert batch.lag_seconds == pytest.approx(600, abs=2)
    assert batch.own_seconds == pytest.approx(240, abs=2)
    assert batch.late == 1


def test_our_part_of_what_is_fetched_holds_storing_too(environment: Environment) -> None:
    now = timezone.now()

    report = pull(environment, one(transaction_date=now.isoformat()), looked_at=now + dt.timedelta(minutes=1))

    batch = Batch.objects.get(pk=report.batch_id)
    assert batch.own_seconds == pytest.approx((batch.finished_at - batch.started_at).total_seconds())
    assert batch.own_seconds > 0


def test_of_what_is_pushed_our_part_is_storing_for_each_new_record(environment: Environment) -> None:
    sent = timezone.now() - dt.timedelta(minutes=2)
    records = [sample("transactions", transaction_id=f"t{n}", transaction_date=sent.isoformat()) for n in range(3)]

    report = ingest(environment, "transactions", records)

    batch = Batch.objects.get(pk=report.batch_id)
    assert batch.lag_seconds == pytest.approx(3 * (batch.started_at - sent).total_seconds())
    assert batch.own_seconds == pytest.approx(3 * (batch.finished_at - batch.started_at).total_seconds())


def test_what_is_replayed_has_no_lag_and_no_part_of_ours(environment: Environment) -> None:
    report = ingest(environment, "transactions", one(), door=Batch.Door.REPLAY, policy=Policy(door=Door.REPLAY))

    batch = Batch.objects.get(pk=report.batch_id)
    assert (batch.created, batch.lags, batch.lag_seconds, batch.own_seconds) == (1, None, 0, 0)


def test_a_try_that_was_taken_back_leaves_no_lag(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else stores the same record between the two tries, so that this batch creates none."""

    def meanwhile(_: float) -> None:
        ingest(environment, "transactions", one())

    def meets_another(report: Report) -> None:
        if report.outcomes == ["created"]:
            raise Contended

    monkeypatch.setattr("entities.pipeline.transaction.time.sleep", meanwhile)

    report = ingest(environment, "transactions", one(), also=meets_another)

    batch = Batch.objects.get(pk=report.batch_id)
    assert report.outcomes == ["unchanged"]
    assert (batch.lags, batch.lag_seconds, batch.own_seconds) == (None, 0, 0)


def test_what_is_there_before_the_first_look_is_not_late(environment: Environment) -> None:
    report = pull(environment, one())

    batch = Batch.objects.get(pk=report.batch_id)
    assert (batch.created, batch.late, batch.lags) == (1, 0, None)


def test_records_whose_key_cannot_be_read_are_held_once_each_and_supersede_nothing(environment: Environment) -> None:
    nameless = [sample("transactions", transaction_id=..., note=note) for note in ("one", "two")]
    numbered = [sample("transactions", transaction_id=7, note=note) for note in ("one", "two")]

    pull(environment, [*nameless, *numbered, "no object"])
    pull(environment, [*nameless, *numbered, "no object"])

    assert [record.state for record in QuarantinedRecord.objects.all()] == ["held"] * 5
