"""What the look at all partners each minute costs: 500 partners, millions of batches: `script/bench watch`."""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

from bench import server

PARTNERS = 500
BATCHES = 2_000_000
DAYS = 30

# Each production environment sends around the clock; one in ten has been silent for five hours, one in twenty refuses.
FILL = """
INSERT INTO entities_batch (id, environment_id, entity, door, started_at, finished_at, refused, received, created,
                            updated, unchanged, stale, rejected, removed, late, warnings)
SELECT gen_random_uuid(), environment.id, (ARRAY['customers', 'transactions', 'activity'])[1 + n %% 3], 'push', at, at,
       false, 100, 90, 0, 10, 0, CASE WHEN environment.turn %% 20 = 5 THEN 10 ELSE 0 END, 0, 0, 0
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS turn, count(*) OVER () AS all_of_them
          FROM track360_environment WHERE kind = 'production') AS environment,
       LATERAL generate_series(1, %(batches)s / environment.all_of_them) AS n,
       LATERAL (SELECT now() - n * (%(days)s * interval '1 day') / (%(batches)s / environment.all_of_them)
                       - CASE WHEN environment.turn %% 10 = 0 THEN 5 ELSE 0 END * interval '1 hour' AS at) AS moment
"""


def measure() -> None:
    from django.db import connection
    from django.utils import timezone

    from entities.models import Batch
    from onboarding.models import Notification
    from onboarding.watch import watch
    from track360.models import Partner
    from track360.partners import create_partner

    for _ in range(PARTNERS - Partner.objects.count()):
        slug = f"bench-{random.randrange(16**8):08x}"
        create_partner(name=slug, slug=slug)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE entities_batch")
        cursor.execute(FILL, {"batches": BATCHES, "days": DAYS})
        cursor.execute("VACUUM ANALYZE entities_batch")

    def look() -> float:
        started = time.perf_counter()
        watch(now=timezone.now())
        return (time.perf_counter() - started) * 1000

    figures: dict[str, Any] = {"first": look(), "next": statistics.median(look() for _ in range(9))}
    print(f"\n{Partner.objects.count()} partners, {Batch.objects.count():,} batches, ", end="")
    print(f"{Notification.objects.filter(over_at=None).count()} open")
    print(f"the first look, which tells: {figures['first']:,.0f} ms; each further one: {figures['next']:,.0f} ms")
    print(server.machine())
    server.print_result("watch", {name: round(figure, 1) for name, figure in figures.items()})


if __name__ == "__main__":
    server.run(measure)
