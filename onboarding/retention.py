"""How long each store is kept: the list is the page, the docs, and what the daily task does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Model, QuerySet
from django.utils import timezone

from entities.batch_hours import KEPT as HOURS_KEPT
from entities.models import QuarantinedRecord
from integrations.models import ConnectionTest, SyncRun
from integrations.partitions import KEPT_DAYS, drop_old_partitions
from onboarding.exports import KEPT as EXPORTS_KEPT
from onboarding.exports import delete_file
from onboarding.models import Notification, PartnerExport

CHUNK = 5000

Forget = Callable[[dt.datetime, int], int]


@dataclass(frozen=True)
class Store:
    """`kept` after the moment that `since` names; None: as `how` says. `forget` deletes at most so many rows from
    before a moment and gives how many; with less than that there is nothing left."""

    name: str
    holds: str
    why: str
    kept: dt.timedelta | None = None
    since: str = ""
    how: str = ""
    forget: Forget | None = None

    @property
    def period(self) -> str:
        """`90 days`, `1 year`; without a period, `how`."""
        if self.kept is None:
            return self.how
        return "1 year" if self.kept.days == 365 else f"{self.kept.days} days"


def _delete(table: str, chosen: str) -> Forget:
    """Rows of a table by their ids; `chosen` selects them, with %(before)s, and is cut at the chunk."""

    def forget(before: dt.datetime, limit: int) -> int:
        with connection.cursor() as cursor:
            cursor.execute(
                f"DELETE FROM {table} WHERE id IN ({chosen} LIMIT %(limit)s)", {"before": before, "limit": limit}
            )
            return cursor.rowcount

    return forget


# The first batch by each door that stored something is the evidence that an entity has arrived (steps 5 and 8).
_BATCHES = """
    SELECT b.id FROM entities_batch b
     WHERE b.started_at < %(before)s
       AND b.id <> ALL (ARRAY(SELECT DISTINCT ON (environment_id, entity, door) id FROM entities_batch
                               WHERE NOT refused AND received > rejected
                               ORDER BY environment_id, entity, door, started_at, id))"""
# The newest sample of an entity says whether step 4 is met, the newest valid customers count as known in samples.
_SAMPLES = """
    SELECT s.id FROM onboarding_sample s
     WHERE s.created_at < %(before)s
       AND (s.origin = 'lesson' OR EXISTS (
            SELECT FROM onboarding_sample n
             WHERE n.environment_id = s.environment_id AND n.entity = s.entity AND n.origin <> 'lesson'
               AND (n.created_at, n.id) > (s.created_at, s.id)
            HAVING count(*) > 0
               AND (s.state <> 'done' OR s.invalid > 0 OR s.total = 0
                    OR bool_or(n.state = 'done' AND n.invalid = 0 AND n.total > 0))))"""


# A run's log goes as a whole, by the run's end; a run that has not ended keeps all of it.
_RUN_LOGS = """
    SELECT e.id FROM integrations_syncrun r JOIN integrations_syncevent e ON e.run_id = r.id
     WHERE r.finished_at < %(before)s"""
# The newest test of a connection says why it is on, or why it is not.
_TESTS = """
    SELECT t.id FROM integrations_connectiontest t
     WHERE t.requested_at < %(before)s
       AND EXISTS (SELECT FROM integrations_connectiontest n
                    WHERE n.connection_id = t.connection_id
                      AND (n.requested_at, n.id) > (t.requested_at, t.id))"""
_REPORTS = "SELECT id FROM integrations_conformancereport WHERE requested_at < %(before)s"
_BATCH_HOURS = "SELECT id FROM entities_batchhour WHERE hour < %(before)s"
_DIFFERENCES = "SELECT id FROM entities_difference WHERE closed_at < %(before)s"
_REPLAYS = "SELECT id FROM entities_replay WHERE requested_at < %(before)s"


def _forget_quarantine(before: dt.datetime, limit: int) -> int:
    """With what happened to each."""
    old = QuarantinedRecord.objects.filter(received_at__lt=before).order_by("pk")
    return _forget_whole(QuarantinedRecord, old, limit)


def _forget_runs(before: dt.datetime, limit: int) -> int:
    """Those that have ended."""
    return _forget_whole(SyncRun, SyncRun.objects.filter(finished_at__lt=before), limit)


def _forget_whole(model: type[Model], old: QuerySet[Any], limit: int) -> int:
    """Rows with all that hangs on them; gives how many rows, not counting that."""
    ids = list(old.values_list("pk", flat=True)[:limit])
    model._default_manager.filter(pk__in=ids).delete()
    return len(ids)


def _forget_shown_rows(before: dt.datetime, limit: int) -> int:
    shown = ConnectionTest.objects.filter(requested_at__lt=before, rows__isnull=False)
    return ConnectionTest.objects.filter(pk__in=list(shown.values_list("pk", flat=True)[:limit])).update(rows=None)


def _forget_samples(before: dt.datetime, limit: int) -> int:
    """With their chunks, which are large: a few at a time."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"{_SAMPLES} LIMIT %(limit)s", {"before": before, "limit": min(limit, 100)})
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute("UPDATE onboarding_sample SET mends_id = NULL WHERE mends_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM onboarding_samplechunk WHERE sample_id = ANY(%s)", [ids])
        cursor.execute("DELETE FROM onboarding_sample WHERE id = ANY(%s)", [ids])
        return len(ids)


def _forget_notifications(before: dt.datetime, limit: int) -> int:
    old = Notification.objects.filter(at__lt=before).exclude(over_at=None).values_list("pk", flat=True)[:limit]
    ids = list(old)
    Notification.objects.filter(pk__in=ids).delete()
    return len(ids)


def _forget_exports(before: dt.datetime, limit: int) -> int:
    """The file; that it was made, and when, stays."""
    old = PartnerExport.objects.filter(state="done", finished_at__lt=before).exclude(path="")[:limit]
    return sum(delete_file(export) for export in old)


def _forget_sessions(before: dt.datetime, limit: int) -> int:
    """A session's own end is 14 days after it was last written."""
    ended = Session.objects.filter(expire_date__lt=before + dt.timedelta(seconds=settings.SESSION_COOKIE_AGE))
    ids = list(ended.values_list("pk", flat=True)[:limit])
    Session.objects.filter(pk__in=ids).delete()
    return len(ids)


def _forget_requests(before: dt.datetime, limit: int) -> int:
    drop_old_partitions(timezone.now().date())
    return 0


AS_LONG_AS = "As long as the partner"
STORES = (
    Store(
        "Records and their history",
        "Customers, transactions and activity as last sent, each earlier version, and by which ways a record came.",
        "They are what commissions are computed and disputed from.",
        how=AS_LONG_AS,
    ),
    Store(
        "Request log",
        "Each call to the API: when, by which client, with what result. Of refused records the fields that name "
        "nobody.",
        "Long enough to find out what happened at the last month's end.",
        kept=dt.timedelta(days=KEPT_DAYS),
        since="the call",
        forget=_forget_requests,
    ),
    Store(
        "Batches",
        "What each call stored: counts and times, no records.",
        "A year can be compared with the one before. The first batch of each kind stays: it is evidence.",
        kept=dt.timedelta(days=400),
        since="the batch",
        forget=_delete("entities_batch", _BATCHES),
    ),
    Store(
        "Batches by the hour",
        "Counts of each hour and how long its new records took to us, added up from the batches.",
        "As long as pages show them; they can be added up again.",
        kept=HOURS_KEPT,
        since="the hour",
        forget=_delete("entities_batchhour", _BATCH_HOURS),
    ),
    Store(
        "Quarantine",
        "Refused records as sent, with what was wrong with them.",
        "Half a year to mend and send them again.",
        kept=dt.timedelta(days=180),
        since="the refusal",
        forget=_forget_quarantine,
    ),
    Store(
        "Replays",
        "That refused records were tried again, and how many passed.",
        "As long as the records that they were of.",
        kept=dt.timedelta(days=180),
        since="the replay",
        forget=_delete("entities_replay", _REPLAYS),
    ),
    Store(
        "Connections and feeds",
        "Where we fetch, how and when. A secret is deleted at once when its connection is removed.",
        "They say where records came from.",
        how=AS_LONG_AS,
    ),
    Store(
        "Rows shown by tests",
        "Up to ten records of each entity that a test of a connection read.",
        "Time to name the fields rightly. They may hold personal data, and nothing rests on them.",
        kept=dt.timedelta(days=30),
        since="the test",
        forget=_forget_shown_rows,
    ),
    Store(
        "Tests of connections",
        "Whether we could reach, sign in and read, and how long it took.",
        "To see since when something fails. The newest of each connection stays: it says why it is on.",
        kept=dt.timedelta(days=90),
        since="the test",
        forget=_delete("integrations_connectiontest", _TESTS),
    ),
    Store(
        "Logs of runs",
        "Each request that a fetch made: address without secrets, status, time, size.",
        "As long as the log of requests that come to us.",
        kept=dt.timedelta(days=KEPT_DAYS),
        since="the end of the run",
        forget=_delete("integrations_syncevent", _RUN_LOGS),
    ),
    Store(
        "Runs",
        "What each fetch read and stored: counts, times and cursors, no records.",
        "As long as batches, which name the run that brought them.",
        kept=dt.timedelta(days=400),
        since="the end of the run",
        forget=_forget_runs,
    ),
    Store(
        "Conformance reports",
        "How an API or database behaved when it was fetched from.",
        "To show that it has changed since.",
        kept=dt.timedelta(days=365),
        since="the report was asked for",
        forget=_delete("integrations_conformancereport", _REPORTS),
    ),
    Store(
        "Differences",
        "Pulled versions that were unlike the pushed ones, and what was decided.",
        "A year's books can be gone through again. Those that nobody has decided stay.",
        kept=dt.timedelta(days=400),
        since="the decision",
        forget=_delete("entities_difference", _DIFFERENCES),
    ),
    Store(
        "Reconciliation",
        "Totals of each day, ours and the partner's, waivers, and days that came doubled.",
        "They are what commissions are computed and disputed from.",
        how=AS_LONG_AS,
    ),
    Store(
        "Samples",
        "Payloads tried in a dry run, and what was found.",
        "They serve the onboarding. The newest of each entity, and the newest valid one, stay: they are evidence.",
        kept=dt.timedelta(days=90),
        since="the upload",
        forget=_forget_samples,
    ),
    Store(
        "Notifications",
        "What a partner was told, and how it was delivered.",
        "To see what was said when. What still lasts stays.",
        kept=dt.timedelta(days=365),
        since="the notification",
        forget=_forget_notifications,
    ),
    Store(
        "Exports",
        "All of a partner's data as one file.",
        "Time to fetch it. An erasure deletes them at once.",
        kept=EXPORTS_KEPT,
        since="the export was made",
        forget=_forget_exports,
    ),
    Store(
        "Sessions",
        "Who is signed in, on which browser.",
        "A browser stays signed in for so long; an ended session is deleted within a day.",
        kept=dt.timedelta(seconds=settings.SESSION_COOKIE_AGE),
        since="the last sign-in",
        forget=_forget_sessions,
    ),
    Store(
        "Access tokens",
        "The checksum of each token that a client fetched.",
        "A token works for an hour; what has ended is deleted every hour.",
        how="1 hour",
    ),
    Store(
        "Onboarding",
        "Steps, notes, mappings, affiliates, scope and what became of them.",
        "It says how the partner came to be live.",
        how=AS_LONG_AS,
    ),
    Store(
        "Erasures",
        "That a customer was erased, when and by whom, by the customer's id.",
        "What is sent for that id again must be recognised, and the erasure be provable.",
        how=AS_LONG_AS,
    ),
    Store(
        "Audit trail",
        "Who did what, when and from where.",
        "Nobody can alter or delete it, the database sees to that.",
        how="For good",
    ),
)


def forget_old(store: Store, *, now: dt.datetime, chunk: int = CHUNK) -> int:
    """Delete what is past its time, chunk by chunk, each in a transaction of its own; gives how many rows."""
    if store.kept is None or store.forget is None:
        return 0
    deleted = 0
    while count := store.forget(now - store.kept, chunk):
        deleted += count
    return deleted
