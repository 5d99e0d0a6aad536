"""Two weeks in the life of a casino that connects its platform: what it sends, when, and what goes wrong.

At first a job pushes every half hour; two days ago the casino moved to every 4 minutes and to lenient handling. A
release one afternoon writes currencies in lower case, and two hours of batches are refused. Payments settle hours
after they were made, some are charged back days later, players pass their identity check: all of it sent again.
"""

from __future__ import annotations

import datetime as dt
import heapq
import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from entities.generator import (
    DAYS,
    SEED,
    WEEKDAYS,
    Crowd,
    Json,
    Player,
    activity,
    money,
    players,
    transactions,
    utc,
)
from track360 import exact_json

EARLY_SLOT, LATE_SLOT = dt.timedelta(minutes=30), dt.timedelta(minutes=4)
BATCH = 1000


@dataclass(frozen=True)
class Scale:
    """How much of it: the whole, or the little that tests want."""

    players: int = 20_000
    transactions: int = 100_000
    activity: int = 200_000


@dataclass
class Delivery:
    """One call of the casino: when, and either an array of records or a body that is not JSON."""

    at: dt.datetime
    entity: str
    records: list[Json] = field(default_factory=list)
    lenient: bool = False
    broken_body: bytes = b""


class Story:
    """All deliveries up to `until`, in order of time. The same seed and end tell the same story."""

    def __init__(self, until: dt.datetime, *, scale: Scale | None = None, seed: int = SEED) -> None:
        self.until = until
        self.scale = scale or Scale()
        self.rng = random.Random(f"{seed} story")
        self.since = until - dt.timedelta(days=DAYS)
        self.faster_since = until - dt.timedelta(days=2)
        self.people = players(seed, until, number=self.scale.players)
        self.crowd = Crowd(self.people)
        # The afternoon of the bad release: nine days ago, 14:00 to 16:00.
        noon = until.replace(hour=14, minute=0, second=0, microsecond=0)
        self.incident = noon - dt.timedelta(days=9)
        self.repaired = self.incident + dt.timedelta(hours=2)

    def deliveries(self) -> Iterator[Delivery]:
        """In order of time. A day's play is made when its turn comes, so that it need not all be held at once."""

        def by_time(delivery: Delivery) -> dt.datetime:
            return delivery.at

        yield from heapq.merge(self._import(), sorted(self._events(), key=by_time), self._daily_play(), key=by_time)

    @property
    def records(self) -> int:
        """About how many records are sent, for a progress bar."""
        return self.scale.players + self.scale.transactions + self.scale.activity

    # -- The players who were there before -------------------------------------

    def _import(self) -> Iterator[Delivery]:
        start = self.since - dt.timedelta(hours=2)
        known = [player.record for player in self.people if player.signup <= start]
        for number, first in enumerate(range(0, len(known), BATCH)):
            yield Delivery(start + dt.timedelta(seconds=20 * number), "customers", known[first : first + BATCH])

    # -- Registrations and payments, pushed as they happen ---------------------

    def _slot(self, moment: dt.datetime) -> dt.datetime:
        """When the job that takes this event along runs."""
        if self.incident <= moment < self.repaired:
            return self.repaired + LATE_SLOT
        slot = LATE_SLOT if moment >= self.faster_since else EARLY_SLOT
        epoch = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        return epoch + ((moment - epoch) // slot + 1) * slot

    def _events(self) -> Iterator[Delivery]:
        """One call an entity and slot: of a record that changed twice in a slot, the last version."""
        slots: dict[tuple[dt.datetime, str], dict[str, Json]] = defaultdict(dict)
        for moment, record in self._registrations():
            if moment <= self.until:
                slots[self._slot(moment), "customers"][record["customer_id"]] = record
        for moment, record in self._payments():
            if moment <= self.until:
                slots[self._slot(moment), "transactions"][record["transaction_id"]] = record
        for (at, entity), by_key in sorted(slots.items(), key=lambda item: item[0]):
            records = list(by_key.values())
            seconds = 2 if entity == "customers" else 5  # players go before their payments
            for first in range(0, len(records), BATCH):
                sent_at = min(at + dt.timedelta(seconds=seconds + first / BATCH), self.until)
                yield from self._calls(Delivery(sent_at, entity, records[first : first + BATCH]))
        yield from self._incident()

    def _registrations(self) -> Iterator[tuple[dt.datetime, Json]]:
        """(when it happened, the version of the player's record)."""
        imported = self.since - dt.timedelta(hours=2)
        for player in self.people:
            record, changed = player.record, player.signup
            if player.signup > imported:
                yield player.signup, {**record, "last_modified_date": utc(player.signup)}
            elif self.rng.random() > 0.025:
                continue
            if record["kyc_status_id"] in ("pending", "not_started", "expired", "doc_requested"):
                changed = max(changed, imported) + dt.timedelta(hours=self.rng.expovariate(1 / 40))
                outcome = self.rng.choices(("approved", "rejected", "pending"), (80, 8, 12))[0]
                yield from self._update(player, changed, kyc_status_id=outcome)
            elif self.rng.random() < 0.5:
                changed = max(changed, imported) + dt.timedelta(hours=self.rng.uniform(1, 330))
                yield from self._update(player, changed, sales_status_id="converted")

    def _update(self, player: Player, changed: dt.datetime, **values: str) -> Iterator[tuple[dt.datetime, Json]]:
        """A newer version; now and then an older one overtakes it (stale), or the affiliate is corrected."""
        record = {**player.record, **values, "last_modified_date": utc(changed)}
        if self.rng.random() < 0.01:
            record["affiliate_id"] = "aff_204"
        yield changed, record
        if self.rng.random() < 0.03:
            yield changed + dt.timedelta(minutes=40), player.record

    def _payments(self) -> Iterator[tuple[dt.datetime, Json]]:
        """(when it happened, the version of the transaction)."""
        number = self.scale.transactions
        made = transactions(self.rng, self.crowd, number=number, since=self.since, until=self.until, prefix="txn_4")
        for record in made:
            moment = dt.datetime.fromisoformat(record["transaction_date"])
            yield moment, record
            if record["status"] in ("pending", "manual_review"):
                settled = moment + dt.timedelta(hours=self.rng.expovariate(1 / 9))
                status = self.rng.choices(("approved", "declined"), (85, 15))[0]
                yield settled, {**record, "status": status}
            elif record["transaction_type"] == "deposit" and self.rng.random() < 0.006:
                back = moment + dt.timedelta(hours=self.rng.uniform(30, 150))
                yield back, {**record, "status": self.rng.choice(("reversed", "chargeback"))}
            elif self.rng.random() < 0.0005:
                corrected = {**record, "amount_currency": record["amount_currency"] + 5}
                corrected.pop("amount_usd", None)
                yield moment + dt.timedelta(hours=2), corrected

    # -- What goes wrong -------------------------------------------------------

    def _calls(self, good: Delivery) -> Iterator[Delivery]:
        """The call, or what comes of it on a bad day: first refused and mended, or lenient with bad ones in it."""
        luck = self.rng.random()
        good.lenient = good.at >= self.faster_since
        earlier = good.at - dt.timedelta(seconds=self.rng.uniform(40, 200))
        bad = [spoiled(self.rng, good.entity, self.rng.choice(good.records)) for _ in range(self.rng.randint(1, 3))]
        if luck > 0.997:
            yield Delivery(earlier, good.entity, broken_body=broken(self.rng, good.records))
        elif luck < 0.02 and good.lenient:
            good.records = [*good.records[: BATCH - len(bad)], *bad]
        elif luck < 0.012:
            yield Delivery(earlier, good.entity, [*good.records, *bad][-BATCH:])
        yield good

    def _incident(self) -> Iterator[Delivery]:
        """Every half hour the same batch, a little longer each time, refused for its currencies."""
        number = max(2, self.scale.transactions // 2500)
        made = transactions(
            self.rng, self.crowd, number=number * 4, since=self.incident, until=self.repaired, prefix="txn_3"
        )
        rows = list(made)
        for step in range(4):
            records = [{**row, "currency": row["currency"].lower()} for row in rows[: number * (step + 1)]]
            yield Delivery(self.incident + EARLY_SLOT * (step + 1), "transactions", records)

    # -- Play, once a day ------------------------------------------------------

    def _daily_play(self) -> Iterator[Delivery]:
        """Each day's rows in the night after it; on one day too late, and now and then a batch is sent twice."""
        last = (self.until - dt.timedelta(hours=28)).date()  # delivered from 03:10 of the day that follows
        days = [last - dt.timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
        weights = [WEEKDAYS[day.weekday()] for day in days]
        left, weight_left = self.scale.activity, sum(weights)
        for day, weight in zip(days, weights, strict=True):
            number = round(left * weight / weight_left)
            left, weight_left = left - number, weight_left - weight
            hour = 8.6 if day == days[5] else 3.17
            at = dt.datetime.combine(day, dt.time(), dt.UTC) + dt.timedelta(hours=24 + hour)
            rows = [self._as_reported(row) for row in activity(self.rng, self.crowd, day=day, number=number)]
            yield from self._night(rows, at)

    def _night(self, rows: list[Json], at: dt.datetime) -> Iterator[Delivery]:
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            at += dt.timedelta(seconds=self.rng.uniform(15, 40))
            yield Delivery(at, "activity", batch)
            if self.rng.random() < 0.02:  # the casino saw a timeout and sends it again
                at += dt.timedelta(seconds=30)
                yield Delivery(at, "activity", batch)
        corrected = [row for row in rows if "ggr" in row and self.rng.random() < 0.008][:BATCH]
        if corrected:
            at += dt.timedelta(minutes=25)
            yield Delivery(at, "activity", [self._corrected(row) for row in corrected])

    def _as_reported(self, row: Json) -> Json:
        """Some of the casino's own ggr leave a jackpot contribution out: a mismatch to be warned of."""
        if "ggr" in row and self.rng.random() < 0.003:
            row["ggr"] = row["ggr"] - money(float(row["total_bets"]) * 0.01 + 0.5)
        return row

    def _corrected(self, row: Json) -> Json:
        bets = row["total_bets"] + Decimal(10)
        return {**row, "total_bets": bets, "ggr": bets - row["wins"]}


def spoiled(rng: random.Random, entity: str, record: Json) -> Json:
    """A record with one of the faults that platforms really send."""
    if entity == "customers":
        faults: tuple[Json, ...] = (
            {"country_code": "UK"},
            {"email": "not given"},
            {"signup_date": "2026-11-12 10:00:00"},
            {"affiliate_id": ""},
            {"vip": True},
        )
        return {**record, "customer_id": f"{record['customer_id']}x", **rng.choice(faults)}
    faults = (
        {"amount_currency": -abs(record["amount_currency"]), "transaction_type": "withdrawal"},
        {"amount_currency": record["amount_currency"] + Decimal("0.005")},
        {"amount_currency": str(record["amount_currency"])},
        {"customer_id": "cst_guest"},
        {"transaction_type": "jackpot"},
        {"currency": "BTC"},
        {"status": None},
    )
    return {**record, "transaction_id": f"{record['transaction_id']}x", **rng.choice(faults)}


def broken(rng: random.Random, records: list[Any]) -> bytes:
    """A body cut off in the middle, or with a comma too many."""
    text = exact_json.dumps(records)
    if rng.random() < 0.5:
        return text[: len(text) * 2 // 3].encode()
    return text.replace("},{", "},,{", 1).replace("}]", "},]").encode()
