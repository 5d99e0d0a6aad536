"""Refused records mended, dropped and tried again."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from entities import replays, retries, tasks
from entities.erasure import erase_records
from entities.mending import drop_records, edit_record
from entities.models import Batch, Customer, QuarantinedRecord, QuarantineEvent, Replay, Transaction
from entities.pipeline import ingest
from entities.quarantine_causes import causes_with_money, quarantine_causes
from entities.replays import cancel_replay, confirm_replay, request_replay, work
from tests.entities.refused import ACTOR, estimated, refuse, replayed
from tests.factories import QuarantinedRecordFactory, UserFactory
from tests.payloads import customers, sample, transactions
from track360.audit import Actor
from track360.models import AuditEvent, Environment

FAR = {"country_code": "ZZ"}


def mend(record: QuarantinedRecord, **changes: Any) -> QuarantinedRecord:
    return edit_record(record, payload=record.payload | changes, actor=ACTOR)


def events(record: QuarantinedRecord) -> list[str]:
    return list(record.events.order_by("pk").values_list("kind", flat=True))


# -- Editing -------------------------------------------------------------------


def test_an_edited_record_stays_as_sent_beside_what_was_made_of_it(environment: Environment) -> None:
    (record,) = refuse(environment, "customers", sample("customers", **FAR))

    mended = mend(record, country_code="DE")

    mended.refresh_from_db()
    assert (mended.payload["country_code"], mended.edited["country_code"]) == ("ZZ", "DE")
    assert (mended.state, mended.errors, mended.code) == ("held", [], "mended")
    assert events(record) == ["edited"]
    assert record.events.get().client_id == "cl_tests"
    assert AuditEvent.objects.get(action="quarantine.edited").target == "cst_100245"
    assert not Customer.objects.exists()


def test_an_edit_renews_the_errors_with_the_places_of_the_batch_it_came_with(environment: Environment) -> None:
    good = customers(2)
    (record,) = refuse(environment, "customers", *good, sample("customers", **FAR))

    mended = mend(record, country_code="DE", lang_id="xx")

    (error,) = mended.errors
    assert (error["code"], error["pointer"], error["index"]) == ("language", "/2/lang_id", 2)
    assert (mended.code, mended.field) == ("language", "lang_id")


@pytest.mark.parametrize("payload", [None, [], "a", 1])
def test_an_edit_that_is_no_object_is_refused(environment: Environment, payload: Any) -> None:
    (record,) = refuse(environment, "customers", sample("customers", **FAR))
    with pytest.raises(ValidationError) as refusal:
        edit_record(record, payload=payload, actor=ACTOR)
    assert refusal.value.code == "type"


def test_a_closed_record_is_not_edited(environment: Environment) -> None:
    (record,) = refuse(environment, "customers", sample("customers", **FAR))
    drop_records(environment, filters={"ids": [record.pk]}, reason="a test", actor=ACTOR)
    with pytest.raises(ValidationError) as refusal:
        mend(record, country_code="DE")
    assert refusal.value.code == "closed"


def test_an_edit_brings_no_erased_customer_back(environment: Environment) -> None:
    (record,) = refuse(environment, "customers", sample("customers", **FAR))
    erase_records(environment, "cst_100245", actor=ACTOR, reason="asked")

    mended = mend(record, country_code="DE", email="back@example.com", note={"who": "him"})

    assert mended.edited is not None
    assert not {"email", "first_name", "last_name", "note"} & set(mended.edited)


def test_what_an_edit_makes_wait_for_a_customer_says_so(environment: Environment) -> None:
    (record,) = refuse(environment, "transactions", sample("transactions", currency="EUX"))
    assert record.waits_for is None
    assert mend(record, currency="EUR").waits_for == "cst_100245"


# -- Dropping ------------------------------------------------------------------


def test_dropped_records_are_kept_with_the_reason(environment: Environment) -> None:
    records = refuse(environment, "customers", *customers(3, **FAR))

    user = UserFactory()
    count = drop_records(environment, filters={"code": "country"}, reason="test players", actor=Actor(user=user))

    assert count == 3
    assert {record.state for record in QuarantinedRecord.objects.all()} == {"dropped"}
    event = records[1].events.get()
    assert (event.kind, event.reason, event.by) == ("dropped", "test players", user)
    detail = AuditEvent.objects.get(action="quarantine.dropped").detail
    assert (detail["records"], detail["reason"]) == (3, "test players")


@pytest.mark.parametrize("reason", ["", "  ", "\u200b", "a\x00b", "x" * 501])
def test_nothing_is_dropped_without_a_reason(environment: Environment, reason: str) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    with pytest.raises(ValidationError) as refusal:
        drop_records(environment, filters={}, reason=reason, actor=ACTOR)
    assert refusal.value.code == "reason"
    assert QuarantinedRecord.objects.get().state == "held"


def test_only_what_is_held_here_and_matches_is_dropped(
    environment: Environment, other_environment: Environment
) -> None:
    refuse(environment, "customers", sample("customers", **FAR), sample("customers", customer_id="x", lang_id="xx"))
    refuse(other_environment, "customers", sample("customers", **FAR))
    assert drop_records(environment, filters={"entity": "customers", "code": "country"}, reason="r", actor=ACTOR) == 1
    assert QuarantinedRecord.objects.filter(state="held").count() == 2


# -- Estimating and running ----------------------------------------------------


def test_a_replay_says_what_would_pass_and_changes_nothing(environment: Environment) -> None:
    records = refuse(environment, "customers", *customers(5, **FAR))
    for record in records[:3]:
        mend(record, country_code="DE")

    replay = estimated(environment)

    assert (replay.state, replay.total, replay.would_pass, replay.would_fail) == ("estimated", 5, 3, 2)
    assert not Customer.objects.exists()
    assert not Batch.objects.filter(door="replay").exists()


def test_a_replay_stores_what_passes_and_renews_the_errors_of_the_rest(environment: Environment) -> None:
    good, bad = refuse(environment, "customers", *customers(2, **FAR))
    mend(good, country_code="DE")
    mend(bad, country_code="DE", lang_id="xx")

    replay = replayed(environment)

    assert (replay.state, replay.done, replay.passed, replay.failed) == ("done", 2, 1, 1)
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (good.state, good.closed_at is not None, bad.state, bad.code) == ("stored", True, "held", "language")
    assert events(good) == ["edited", "stored"]
    assert events(bad) == ["edited", "refused"]
    event = good.events.get(kind="stored")
    assert (event.outcome, event.client_id) == ("created", "cl_tests")
    batch = Batch.objects.get(door="replay")
    assert event.batch_id == batch.pk
    assert (batch.door, batch.created, batch.rejected, batch.run_id) == ("replay", 1, 1, None)
    assert Customer.objects.get().source == "replay"
    assert QuarantinedRecord.objects.count() == 2


def test_records_of_a_run_are_replayed_under_that_run(environment: Environment) -> None:
    runs = [uuid.uuid4(), uuid.uuid4()]
    for number, run in enumerate(runs):
        for record in refuse(environment, "customers", *customers(2, start=2 * number, **FAR), run_id=run):
            mend(record, country_code="DE")

    replayed(environment)

    assert sorted(Batch.objects.filter(door="replay").values_list("run_id", "created")) == sorted(
        (run, 2) for run in runs
    )
    assert not QuarantinedRecord.objects.exclude(state="stored").exists()


def test_a_replayed_record_never_replaces_one_that_was_stored_after_it_was_refused(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))
    (record,) = refuse(environment, "transactions", sample("transactions", currency="EUX"))
    ingest(environment, "transactions", sample("transactions", status="reversed"))
    mend(record, currency="EUR")

    replayed(environment)

    record.refresh_from_db()
    assert (record.state, record.events.get(kind="stored").outcome) == ("stored", "stale")
    assert Transaction.objects.get().status == "reversed"


@pytest.mark.usefixtures("customer")
def test_of_several_versions_the_newest_is_replayed_and_the_others_are_superseded(environment: Environment) -> None:
    for status in ("pending", "approved", "reversed"):
        (record,) = refuse(environment, "transactions", sample("transactions", currency="EUX", status=status))
        mend(record, currency="EUR")

    replay = replayed(environment)

    states = list(QuarantinedRecord.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["superseded", "superseded", "stored"]
    assert (replay.done, replay.passed, replay.failed) == (3, 1, 0)
    assert Transaction.objects.get().status == "reversed"


@pytest.mark.usefixtures("customer")
def test_an_older_version_is_not_stored_while_a_newer_one_is_held_for_another_cause(environment: Environment) -> None:
    (older,) = refuse(environment, "transactions", sample("transactions", currency="EUX"))
    refuse(environment, "transactions", sample("transactions", amount_currency=Decimal("1.001")))
    mend(older, currency="EUR")
    replayed(environment, ids=[older.pk])
    older.refresh_from_db()
    assert older.state == "superseded"
    assert not Transaction.objects.exists()


def test_of_customers_their_own_date_says_which_is_the_newest(environment: Environment) -> None:
    for day in (20, 10):
        (record,) = refuse(
            environment, "customers", sample("customers", last_modified_date=f"2026-03-{day}T00:00:00Z", **FAR)
        )
        mend(record, country_code="DE")
    replayed(environment)
    assert list(QuarantinedRecord.objects.order_by("pk").values_list("state", flat=True)) == ["stored", "superseded"]


def test_records_whose_key_cannot_be_read_whole_are_not_versions_of_each_other(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))
    first, second = refuse(
        environment,
        "activity",
        sample("activity", currency=...),
        sample("activity", currency=..., game_type="slots", bets_count=1),
    )
    QuarantinedRecord.objects.update(key=first.key)
    replayed(environment, ids=[first.pk, second.pk])
    assert set(QuarantinedRecord.objects.values_list("state", flat=True)) == {"held"}


def test_customers_that_would_pass_count_for_what_comes_after_them(environment: Environment) -> None:
    (customer,) = refuse(environment, "customers", sample("customers", **FAR))
    mend(customer, country_code="DE")
    refuse(environment, "transactions", sample("transactions"))

    assert estimated(environment).would_pass == 2
    assert replayed(environment).passed == 2


def test_an_erased_customer_stays_erased(environment: Environment) -> None:
    (record,) = refuse(environment, "customers", sample("customers", **FAR))
    mend(record, country_code="DE")
    erase_records(environment, "cst_100245", actor=ACTOR, reason="asked")

    replayed(environment)

    stored = Customer.objects.get()
    assert (stored.first_name, stored.last_name, stored.email) == (None, None, None)


def test_a_replay_holds_what_it_chose_and_nothing_that_came_later(environment: Environment) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    replay = request_replay(environment, filters={}, actor=ACTOR)
    refuse(environment, "customers", sample("customers", customer_id="later", **FAR))
    work(replay.pk)
    replay.refresh_from_db()
    assert (replay.total, replay.would_fail) == (1, 1)


def test_a_large_replay_goes_through_all_of_it_in_batches(environment: Environment) -> None:
    for start in (0, 1000, 2000):
        refuse(environment, "customers", *customers(700, start=start, **FAR))
    refuse(environment, "transactions", *transactions(3, currency="EUX"))

    replay = replayed(environment)

    assert (replay.total, replay.would_fail, replay.done, replay.failed) == (2103, 2103, 2103, 2103)
    assert QuarantineEvent.objects.filter(kind="refused").count() == 2103
    assert QuarantinedRecord.objects.filter(state="held").count() == 2103


# -- Its states ----------------------------------------------------------------


def test_there_is_no_replay_of_nothing(environment: Environment) -> None:
    with pytest.raises(ValidationError) as refusal:
        request_replay(environment, filters={"entity": "activity"}, actor=ACTOR)
    assert refusal.value.code == "nothing_held"


@pytest.mark.parametrize(
    "filters", [{"state": "held"}, {"ids": [1], "code": "country"}, {"entity": "players"}, {"code": "\x00"}]
)
def test_filters_that_mean_nothing_are_refused(environment: Environment, filters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refusal:
        request_replay(environment, filters=filters, actor=ACTOR)
    assert refusal.value.code == "filters"


def test_only_so_many_replays_are_under_way(environment: Environment) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    for _ in range(replays.OPEN_AT_ONCE):
        request_replay(environment, filters={}, actor=ACTOR)
    with pytest.raises(ValidationError) as refusal:
        request_replay(environment, filters={}, actor=ACTOR)
    assert refusal.value.code == "too_many_replays"


def test_a_replay_is_run_once_and_only_after_its_estimate(environment: Environment) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    asked = request_replay(environment, filters={}, actor=ACTOR)
    with pytest.raises(ValidationError):
        confirm_replay(asked, actor=ACTOR)
    done = replayed(environment)
    with pytest.raises(ValidationError):
        confirm_replay(done, actor=ACTOR)
    assert AuditEvent.objects.filter(action="quarantine.replayed").count() == 1


def test_an_estimate_is_cancelled_at_once(environment: Environment) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    replay = cancel_replay(estimated(environment), actor=ACTOR)
    assert (replay.state, replay.finished_at is not None) == ("cancelled", True)
    with pytest.raises(ValidationError):
        cancel_replay(replay, actor=ACTOR)


def test_a_cancelled_run_keeps_what_was_replayed(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    for run in (uuid.uuid4(), uuid.uuid4()):
        for record in refuse(environment, "customers", sample("customers", customer_id=str(run), **FAR), run_id=run):
            mend(record, country_code="DE")
    replay = confirm_replay(estimated(environment), actor=ACTOR)
    retry = retries.retry

    def and_cancel(*args: Any, **kwargs: Any) -> Any:
        result = retry(*args, **kwargs)
        Replay.objects.filter(pk=replay.pk).update(cancel_requested=True)
        return result

    monkeypatch.setattr(replays, "retry", and_cancel)
    work(replay.pk)

    replay.refresh_from_db()
    assert (replay.state, replay.done, replay.passed) == ("cancelled", 1, 1)
    assert list(QuarantinedRecord.objects.order_by("pk").values_list("state", flat=True)) == ["stored", "held"]


def test_a_run_that_breaks_says_so(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    replay = confirm_replay(estimated(environment), actor=ACTOR)
    monkeypatch.setattr(replays, "retry", lambda *_, **__: 1 / 0)
    work(replay.pk)
    replay.refresh_from_db()
    assert (replay.state, "broke off" in replay.problem) == ("failed", True)


def test_a_record_that_somebody_drops_meanwhile_is_left_alone(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = refuse(environment, "customers", *customers(2, **FAR))
    for record in records:
        mend(record, country_code="DE")
    replay = confirm_replay(estimated(environment), actor=ACTOR)
    retry = retries.retry

    def dropped_first(*args: Any, **kwargs: Any) -> Any:
        drop_records(environment, filters={"ids": [records[0].pk]}, reason="meanwhile", actor=ACTOR)
        return retry(*args, **kwargs)

    monkeypatch.setattr(replays, "retry", dropped_first)
    work(replay.pk)

    replay.refresh_from_db()
    assert (replay.state, replay.done, replay.passed) == ("done", 1, 1)
    assert [record.customer_id for record in Customer.objects.all()] == ["cst_1"]
    assert events(records[0]) == ["edited", "dropped"]


def test_a_replay_that_nobody_heard_of_is_rung_for_again(environment: Environment) -> None:
    refuse(environment, "customers", sample("customers", **FAR))
    lost = request_replay(environment, filters={}, actor=ACTOR)
    fresh = request_replay(environment, filters={}, actor=ACTOR)
    Replay.objects.filter(pk=lost.pk).update(touched_at=timezone.now() - dt.timedelta(minutes=2))
    waiting = replays.waiting_replays(since=timezone.now() - tasks.UNANSWERED)
    assert waiting == [lost.pk]
    assert fresh.pk not in waiting


# -- Causes --------------------------------------------------------------------


def test_causes_say_what_money_and_which_first_deposits_they_hold_up(environment: Environment) -> None:
    ingest(environment, "customers", [*customers(2), sample("customers")])
    ingest(environment, "transactions", sample("transactions", transaction_id="his", customer_id="cst_1"))
    deposits = [
        sample("transactions", transaction_id=f"t{n}", customer_id=f"cst_{n % 2}", note="\x00", amount_currency=10.5)
        for n in range(4)
    ]
    refuse(environment, "transactions", *deposits)
    refuse(environment, "transactions", sample("transactions", note="\x00", currency="EUR", amount_currency=1))

    (cause,) = causes_with_money(environment)

    assert (cause.code, cause.count) == ("control_character", 5)
    assert {currency: str(total) for currency, total in cause.money.items()} == {"EUR": "1", "USD": "42.0"}
    assert cause.first_deposits == 2


@pytest.mark.parametrize(
    "payload",
    [
        None,
        "text",
        ["[", 1],
        {"amount_currency": "much", "currency": 7, "transaction_type": "deposit", "customer_id": ["a\x00"]},
        {"amount_currency": 10**400, "currency": "EUR", "customer_id": 'x","amount_currency":5,"currency":"USD"'},
        {"note": ',"amount_currency":7,"currency":"SEK"', "a\x00": {}},
    ],
)
def test_no_payload_breaks_the_causes(environment: Environment, payload: Any) -> None:
    QuarantinedRecordFactory(environment=environment, entity="transactions", code="type", field="", payload=payload)
    (cause,) = causes_with_money(environment)
    assert (cause.count, cause.money, cause.first_deposits) == (1, {}, 0)


def test_only_what_is_held_has_a_cause(environment: Environment) -> None:
    for state in QuarantinedRecord.State.values:
        QuarantinedRecordFactory(environment=environment, state=state)
    (cause,) = quarantine_causes(environment)
    assert cause.count == 1
