"""The advisory lock by which readers know what is still being written.

Every transaction that writes records first takes `pg_advisory_xact_lock_shared(INGEST_LOCK, environment_id)` in a
statement of its own, and sets `updated_at` to the `statement_timestamp()` of a later message, or to the clock's time in
a later statement of the same one (`single`). So a record that is
not committed yet has an `updated_at` after the start of a transaction that holds the lock, or after any moment at
which its transaction did not hold it yet. A batch that lost too many races takes the lock exclusively.
"""

from __future__ import annotations

INGEST_LOCK = 360
