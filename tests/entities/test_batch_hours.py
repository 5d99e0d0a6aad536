"""What batches came to is the same from their copy by the hour as from the batches, in whatever time."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from entities.batch_hours import KEPT, SETTLED, roll_up
from entities.batch_selectors import Traffic, hours_for, traffic_in, window_for
from entities.models import Batch, BatchHour
from tests.factories import BatchFactory
from track360.models import Environment

NOW = dt.datetime(2026, 3, 15, 12, 40, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


@pytest.fixture
def batches(environment: Environment, other_environment: Environment) -> None:
    """Of two days, by every door; some are refused as a whole."""
    dice = random.Random(7)
    for _ in range(150):
        received, rejected, created = dice.randrange(5, 50), dice.randrange(5), dice.randrange(3)
        BatchFactory(
            environment=dice.choice([environment, environment, other_environment]),
            entity=dice.choice(["customers", "transactions", "activity"]),
            door=dice.choice(Batch.Door.values),
            started_at=NOW - dice.random() * 2 * DAY,
            refused=dice.random() < 0.1,
            received=received,
            rejected=rejected,
            created=created,
            updated=dice.randrange(3),
            unchanged=dice.randrange(3),
            late=dice.randrange(created + 1),
        )


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (NOW - DAY, NOW),
        (NOW - 30 * HOUR, NOW - 6 * HOUR),
        (NOW - 3 * HOUR - 20 * MINUTE, NOW - 3 * HOUR - 10 * MINUTE),
        (NOW - 40 * HOUR, NOW + DAY),
        (NOW - 2 * MINUTE, NOW),
        (NOW - 10 * DAY, NOW - 5 * DAY),
    ],
)
@pytest.mark.parametrize("copied_at", [NOW, NOW - 4 * HOUR, NOW - 20 * MINUTE])
@pytest.mark.usefixtures("batches")
def test_the_sums_are_the_same_from_the_copy(
    environment: Environment, start: dt.datetime, end: dt.datetime, copied_at: dt.datetime
) -> None:
    before = window_for(environment, start=start, end=end), traffic_in(environment, start=start, end=end)
    hours = hours_for(environment, hours=48, now=NOW)
    roll_up(environment, now=copied_at)
    assert BatchHour.objects.exists()
    assert (window_for(environment, start=start, end=end), traffic_in(environment, start=start, end=end)) == before
    assert hours_for(environment, hours=48, now=NOW) == hours
    # And what is read is the copy: where it is complete, the batches are not looked at.
    Batch.objects.filter(started_at__lt=copied_at - SETTLED, started_at__gt=NOW - 47 * HOUR).delete()
    assert hours_for(environment, hours=46, now=NOW) == hours[2:]


def test_the_hour_under_way_is_copied_as_far_as_it_is_settled(environment: Environment) -> None:
    early, late = NOW - 30 * MINUTE, NOW - 2 * MINUTE
    for at in (early, late):
        BatchFactory(environment=environment, started_at=at)
    roll_up(environment, now=NOW)

    (copied,) = BatchHour.objects.all()
    assert (copied.records, copied.upto) == (1, NOW - SETTLED)
    assert hours_for(environment, hours=1, now=NOW)[0].traffic.records == 2
    roll_up(environment, now=NOW + HOUR)
    copied.refresh_from_db()
    assert (copied.records, copied.upto) == (2, NOW.replace(minute=0) + HOUR)


def test_a_batch_that_was_stored_late_is_found_at_the_next_copy(environment: Environment) -> None:
    BatchFactory(environment=environment, started_at=NOW - 50 * MINUTE)  # of the hour before
    roll_up(environment, now=NOW)
    BatchFactory(environment=environment, started_at=NOW - 45 * MINUTE)
    roll_up(environment, now=NOW + HOUR)
    assert traffic_in(environment, start=NOW - DAY, end=NOW) == Traffic(records=2, created=2)


def test_what_lies_before_the_first_copied_hour_is_read_from_the_batches(environment: Environment) -> None:
    for at in (NOW - KEPT - DAY, NOW - DAY):
        BatchFactory(environment=environment, started_at=at)
    roll_up(environment, now=NOW)
    assert BatchHour.objects.count() == 1
    assert traffic_in(environment, start=NOW - 2 * KEPT, end=NOW).records == 2
