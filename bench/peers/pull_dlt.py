"""dlt as its own pages show it, merging the same rows: `python pull_dlt.py SOURCE DESTINATION TABLE_OR_ADDRESS`.

SOURCE is `sql` or `rest`; DESTINATION a PostgreSQL URL for the result. Prints one JSON object: rows, seconds, and the
most memory it has had.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import dlt
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from dlt.sources.sql_database import sql_table

KEY = "transaction_id"


def resource_of(kind: str, source: str) -> Any:
    if kind == "sql":
        url, _, table = source.rpartition("#")
        return sql_table(url, table=table, primary_key=KEY, write_disposition="merge", chunk_size=1000)

    @dlt.resource(name="transactions", primary_key=KEY, write_disposition="merge")
    def transactions() -> Iterator[Any]:
        pages = PageNumberPaginator(base_page=1, total_path=None)
        yield from RESTClient(source, paginator=pages).paginate("transactions", data_selector="data")

    return transactions()


def main(kind: str, destination: str, source: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        pipeline = dlt.pipeline(
            "peer", pipelines_dir=folder, dataset_name=f"dlt_{kind}", destination=dlt.destinations.postgres(destination)
        )
        started = time.monotonic()
        pipeline.run(resource_of(kind, source)).raise_on_failed_jobs()
        seconds = time.monotonic() - started
        with pipeline.sql_client() as client:
            table = source.rpartition("#")[2] if kind == "sql" else "transactions"
            rows = client.execute_sql(f"SELECT count(*) FROM {client.make_qualified_table_name(table)}")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"rows": rows[0][0], "seconds": seconds, "peak_mb": peak}))


if __name__ == "__main__":
    main(*sys.argv[1:])
