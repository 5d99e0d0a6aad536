"""How gunicorn serves the portal: its configuration file, named in the Procfile."""

from __future__ import annotations

import gc
import os

from track360 import env

# With DEBUG an error page shows the inside: only this machine sees it.
bind = f"{'127.0.0.1' if env.DEBUG else '0.0.0.0'}:{env.PORT}"

# Parsing and checking a batch holds the interpreter's lock, so it takes processes, not threads, to use all cores;
# the threads serve while others wait for PostgreSQL.
worker_class = "gthread"
workers = max(2, os.cpu_count() or 1)
threads = 4

# Loaded once before the workers are forked: a bad setting stops the start, and a killed worker is back at once.
preload_app = True

timeout = 60
graceful_timeout = 30
GARBAGE_THRESHOLD = 25_000
"""New objects until the garbage collector looks at them: those of some ten batches."""

keepalive = 75  # longer than a proxy keeps an idle connection, so that it is the proxy who closes it
limit_request_line = 8190

# From anybody else the X-Forwarded-* headers are not believed.
forwarded_allow_ips = ",".join(map(str, env.networks("TRUSTED_PROXIES")))

control_socket_disable = True  # would be made in the home folder


def post_fork(server: object, worker: object) -> None:
    """What was loaded before the fork lives as long as the worker: the garbage collector need not look at it again. A
    batch makes thousands of objects without a cycle, for which it would look around several times in vain."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
